"""Who may come in: one INVITE against one snapshot.

The order is that of the BYOC page: domain, trunk, account, source ACL, secure transport and media, digest, number.
The first check that fails decides, so a wrong source is never challenged (it must not learn that credentials exist)
and nothing is fetched for an INVITE that is not admitted. Where a domain has both kinds of list, both must pass.

A verdict carries its `trail`: one short line per decision, for the call's record and for whoever asks why.
Codes are the public Twilio error codes. RFC 3261 §22.3 (407), §21.4.22 (484), §21.4.26 (488).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from byoc_proxy.sip.digest_server import Absent, Passed, Stale, Wrong
from byoc_proxy.trunk.sources import narrowest

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.sip.flow import PeerCertificate
    from byoc_proxy.trunk.directory import Directory, HostMatch
    from byoc_proxy.trunk.model import Account, ByocTrunk, ClientCertificates, SipDomain
    from byoc_proxy.trunk.sources import AclEntry

CLIENT_CERTIFICATE_REQUIRED: Final = 32290  # of our own: the public list has no such case
ERROR_HEADER: Final = "X-Byoc-Error"  # `<code> <text>`, for a source that may know
ACCOUNT_NOT_ACTIVE: Final = 20005
DOMAIN_NOT_FOUND: Final = 32002
BAD_NUMBER: Final = 32101
NO_AUTHENTICATION: Final = 32200
SOURCE_NOT_IN_ACL: Final = 32201
BAD_CREDENTIALS: Final = 32202  # for the caller, who counts wrong answers
SECURE_MEDIA_REQUIRED: Final = 32208
SECURE_MEDIA_TEXT: Final = "Secure media required"
SECURE_TRANSPORT_REQUIRED: Final = 32209

Trail = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What admission needs of an INVITE.

    `host` is the Request-URI's (never To's), `source` the packet's address without its port (never Via's).
    `local` are the addresses of the listener that took it, bound and advertised: a static address counts only
    there, or anyone on the Internet could name it. `secure_media`: whether the offer is SRTP; None: no offer.
    `called` is the Request-URI's user part, decoded; empty when it has none. `certificate`: what the client
    has shown over TLS and an authority vouches for.
    """

    host: str
    source: str
    transport: Literal["UDP", "TCP", "TLS"]
    secure_media: bool | None = None
    local: tuple[str, ...] = ()
    called: str = ""
    certificate: PeerCertificate | None = None


@dataclass(frozen=True, slots=True)
class Admit:
    """Come in. `acl_entry` is None when no list was asked, `username` None when no digest was."""

    trunk: ByocTrunk
    domain: SipDomain
    region: str
    acl_entry: AclEntry | None
    username: str | None
    trail: Trail


@dataclass(frozen=True, slots=True)
class Challenge:
    """407 with a nonce for each algorithm of the domain; `wrong` says why the answer that came is no good."""

    domain: SipDomain
    stale: bool
    wrong: str | None
    trail: Trail


@dataclass(frozen=True, slots=True)
class Refuse:
    """A final response. `code` and `text` may be told (`X-Byoc-Error`) to a `known` source only. `domain`: whose
    INVITE it was, if anybody's.
    """

    status: int
    reason: str
    code: int
    text: str
    known: bool
    trail: Trail
    domain: SipDomain | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Silence: a stranger asked for a name that is not ours."""

    reason: str
    trail: Trail


Admission = Admit | Challenge | Refuse | Drop


class _Cause(NamedTuple):
    """What a refusal says on the wire and, by code, in the record."""

    status: int
    reason: str
    code: int
    text: str


_NOT_IN_ACL: Final = _Cause(
    403, "Forbidden", SOURCE_NOT_IN_ACL, "Authentication failure - source IP Address not in ACL"
)
_NO_TLS: Final = _Cause(488, "Not Acceptable Here", SECURE_TRANSPORT_REQUIRED, "Secure SIP transport required")
_NO_SRTP: Final = _Cause(488, "Not Acceptable Here", SECURE_MEDIA_REQUIRED, SECURE_MEDIA_TEXT)


def admit(
    arrival: Arrival,
    directory: Directory,
    authenticate: Callable[[SipDomain], Passed | Absent | Stale | Wrong],
) -> Admission:
    """Judge one INVITE. `authenticate` is called for domains with credential lists only, and last."""
    match = _find(arrival, directory)
    if match is None:
        return _unknown_domain(arrival, directory)
    domain, trunk, trail = match.domain, match.trunk, match.trail
    if trunk is None:
        text = f"no trunk linked to {domain.domain_name}"
        return _refuse(arrival, directory, _Cause(404, "Not Found", DOMAIN_NOT_FOUND, text), trail, domain)
    if match.account.status != "active":
        text = inactive(match.account)
        return _refuse(arrival, directory, _Cause(403, "Forbidden", ACCOUNT_NOT_ACTIVE, text), trail, domain)

    entry, line, cause = _ask_lists(arrival, match)
    trail += (line,)
    cause = cause or _insecurity(arrival, domain)
    if cause is None and domain.client_certificates is not None:
        line, cause = _ask_certificate(arrival, domain.client_certificates)
        trail += (line,)
    if cause is not None:
        return _refuse(arrival, directory, cause, trail, domain)
    admitted = Admit(trunk, domain, match.region, entry, None, trail)
    verdict = _after_digest(authenticate(domain), admitted) if domain.credential_list_sids else admitted
    return _with_number(arrival, directory, verdict) if isinstance(verdict, Admit) else verdict


def inactive(account: Account) -> str:
    """Why nothing goes in or out for an account, in words."""
    return f"Account {account.sid} is not active"


def _find(arrival: Arrival, directory: Directory) -> HostMatch | None:
    match = directory.find(arrival.host)
    if match is None or match.static_ip is None or match.static_ip in arrival.local:
        return match
    return None


def _unknown_domain(arrival: Arrival, directory: Directory) -> Refuse | Drop:
    trail = (f"no domain has the host {arrival.host}", f"source {arrival.source}")
    if directory.installation.unknown_domain == "drop" and not directory.knows(arrival.source):
        return Drop(trail[0], trail)
    cause = _Cause(404, "Not Found", DOMAIN_NOT_FOUND, f"SIP domain {arrival.host} not found")
    return _refuse(arrival, directory, cause, trail)


def _ask_lists(arrival: Arrival, match: HostMatch) -> tuple[AclEntry | None, str, _Cause | None]:
    """The source against the domain's lists: the matching entry, a line for the trail, a cause to refuse."""
    domain, source = match.domain, f"source {arrival.source}"
    if match.static_ip is not None:
        # The page: with a static address the ACLs are not used; who can reach it, the interconnect decides.
        return None, f"{source} at static address {match.static_ip}: access control lists are not asked", None
    if match.sources:
        entry = narrowest(match.sources, arrival.source)
        if entry is not None:
            return entry, f"{source} matched {entry}", None
        line = f"{source} is in no access control list of {domain.domain_name}"
        return None, line, _NOT_IN_ACL
    line = f"{source}: no access control list to ask"
    if domain.credential_list_sids or domain.client_certificates is not None:
        return None, line, None
    text = f"no authentication is configured on {domain.domain_name}"
    return None, line, _Cause(403, "Forbidden", NO_AUTHENTICATION, text)


def _insecurity(arrival: Arrival, domain: SipDomain) -> _Cause | None:
    """Why a domain with Secure Media refuses this INVITE, or None.

    An INVITE without an offer is refused too: what its ACK would bring cannot be judged any more.
    """
    if domain.secure and arrival.transport != "TLS":
        return _NO_TLS
    if domain.secure and not arrival.secure_media:
        return _NO_SRTP
    return None


def _ask_certificate(arrival: Arrival, wanted: ClientCertificates) -> tuple[str, _Cause | None]:
    """What the client has shown against what the domain asks for: a line for the trail, a cause to refuse."""
    shown = arrival.certificate
    if shown is None:
        fault = "none was shown" if arrival.transport == "TLS" else f"there is none over {arrival.transport}"
    elif not shown.chain & wanted.authorities:
        # the listener trusts the authorities of all domains: another domain's carrier must not come in here
        fault = "its authority is not one of this domain"
    elif wanted.names and not any(name in shown.names for name in wanted.names):
        fault = f"it names {', '.join(shown.names) or 'nobody'}"
    else:
        return f"client certificate of {', '.join(shown.names) or 'nobody by name'} passed", None
    text = f"Client certificate required: {fault}"
    return f"client certificate: {fault}", _Cause(403, "Forbidden", CLIENT_CERTIFICATE_REQUIRED, text)


def _after_digest(answer: Passed | Absent | Stale | Wrong, candidate: Admit) -> Admit | Challenge:
    domain, trail = candidate.domain, candidate.trail
    match answer:
        case Passed(username):
            line = f"digest user '{username}' passed"
            return Admit(candidate.trunk, domain, candidate.region, candidate.acl_entry, username, (*trail, line))
        case Stale():
            return Challenge(domain, True, None, (*trail, "digest nonce expired: challenged again"))
        case Wrong(reason):
            return Challenge(domain, False, reason, (*trail, f"digest refused: {reason}"))
        case Absent():
            return Challenge(domain, False, None, (*trail, "no credentials: challenged"))


def _with_number(arrival: Arrival, directory: Directory, admitted: Admit) -> Admission:
    """§21.4.22: a call to nobody is incomplete, and one to fewer digits than the trunk's numbers have."""
    wanted = admitted.trunk.inbound_numbers.called
    called = wanted.apply(arrival.called)
    if called and wanted.is_complete(called):
        return admitted
    text = f"{called[:40]!r} has fewer than {wanted.min_digits} digits" if called else "no number is called"
    cause = _Cause(484, "Address Incomplete", BAD_NUMBER, text)
    return _refuse(arrival, directory, cause, admitted.trail, admitted.domain)


def _refuse(
    arrival: Arrival, directory: Directory, cause: _Cause, trail: Trail, domain: SipDomain | None = None
) -> Refuse:
    known = directory.knows(arrival.source)
    return Refuse(*cause, known, (*trail, f"refused: {cause.text}"), domain)
