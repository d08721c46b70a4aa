"""The configured resources as frozen records, with the field names of the REST resources they mirror.

Records only hold: that references exist and values are in range is judged once, when a `Directory` is built.
A trunk does not list its domains: the link is `SipDomain.byoc_trunk_sid`, so one trunk may have many domains
and a domain at most one trunk. Seconds are floats. Secrets are left out of every `repr`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NewType

from byoc_proxy.sip.digest import Algorithm, Ha1
from byoc_proxy.sip.terms import LEAST_INTERVAL, Reliability, Terms
from byoc_proxy.trunk.numbers import NumberFormats
from byoc_proxy.trunk.relaying import DEFAULT_RELAYED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.sip.dialog import Routing
    from byoc_proxy.sip.digest_client import Credentials
    from byoc_proxy.sip.flow import TlsTerms
    from byoc_proxy.sip.locate import Transport
    from byoc_proxy.sip.uri import SipUri
    from byoc_proxy.trunk.identity import IdentityHeader, TrustIdentity

AccountSid = NewType("AccountSid", str)  # AC…
ByocTrunkSid = NewType("ByocTrunkSid", str)  # BY…
SipDomainSid = NewType("SipDomainSid", str)  # SD…
IpAccessControlListSid = NewType("IpAccessControlListSid", str)  # AL…
IpAddressSid = NewType("IpAddressSid", str)  # IP…
CredentialListSid = NewType("CredentialListSid", str)  # CL…
CredentialSid = NewType("CredentialSid", str)  # CR…
ConnectionPolicySid = NewType("ConnectionPolicySid", str)  # NY…
TargetSid = NewType("TargetSid", str)  # NE…
ApplicationSid = NewType("ApplicationSid", str)  # AP…
TwimlBinSid = NewType("TwimlBinSid", str)  # EH…

# What a voice URL may begin with beside http and https: a stored document, or a function of the operator's.
TWIML: Final = "twiml:"
PYTHON: Final = "python:"

HttpMethod = Literal["GET", "POST"]
WebhookFormat = Literal["form", "json"]
UdpOversize = Literal["tcp", "fragment", "refuse"]
UnknownDomain = Literal["drop", "404"]
AccountStatus = Literal["active", "suspended", "closed"]
HealthMode = Literal["options", "passive", "off"]
StatusEvent = Literal["initiated", "ringing", "answered", "completed"]

STATUS_EVENTS: Final[tuple[StatusEvent, ...]] = ("initiated", "ringing", "answered", "completed")


def stable_sid(prefix: str, *key_parts: str) -> str:
    """`prefix` and 32 hex digits: the same key gives the same SID on every node and after every restart."""
    return prefix + hashlib.sha256("\x1f".join((prefix, *key_parts)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Account:
    """The owner of resources. `auth_token` signs webhooks; `interconnect` are CIDRs of its private links.

    No call begins, in or out, for an account that is suspended or closed; calls in progress go on.
    `calls_per_second` is the pace of those that the API asks for; None: the installation's.
    """

    sid: AccountSid
    friendly_name: str = ""
    auth_token: str = field(default="", repr=False)
    parent_sid: AccountSid | None = None
    static_ip: bool = False
    interconnect: tuple[str, ...] = ()
    status: AccountStatus = "active"
    calls_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class ByocTrunk:
    """What a carrier's calls do here. `voice_url` or `voice_twiml` (served without HTTP) is set, never both.

    `ringing`: send 180 right after admission, or only when the far end rings. `caller_format`: how webhooks
    spell From and To; `webhook_format`: how those by POST say their parameters. `pass_headers`: whether they see
    `SipHeader_X-…` and User-to-User. `max_calls` and `max_calls_per_second` are about legs of both directions;
    None: no limit. So is `contact_routing`: whether in-dialog requests go to the Contact or to the source; and
    `refer`: whether a transfer is refused, passed on to the other side, or carried out here by a new call on the
    trunk; and `session_expires`, `min_se` (seconds) and `reliable_provisionals`: see `sip.terms`.

    How calls leave on it (`trunk.identity`): `from_user` stands in From instead of the number, `from_host` instead
    of the From domain's name, `to_host` in To instead of the target's host. `trust_identity`: which INVITEs may
    name their caller in P-Asserted-Identity. `relay_headers`: what may cross to its carrier (`trunk.relaying`).

    `status_callback_url` is told of each call that comes in, of the events in `status_callback_events`.
    `fallback_connection_policy_sid`: where a call goes that its own policy could not place anywhere.
    """

    sid: ByocTrunkSid
    account_sid: AccountSid
    friendly_name: str = ""
    voice_url: str | None = None
    voice_method: HttpMethod = "POST"
    voice_fallback_url: str | None = None
    voice_fallback_method: HttpMethod = "POST"
    status_callback_url: str | None = None
    status_callback_method: HttpMethod = "POST"
    cnam_lookup_enabled: bool = False
    connection_policy_sid: ConnectionPolicySid | None = None
    from_domain_sid: SipDomainSid | None = None
    fallback_connection_policy_sid: ConnectionPolicySid | None = None
    voice_twiml: str | None = None
    ringing: Literal["early", "relay"] = "early"
    caller_format: Literal["auto", "sip"] = "auto"
    webhook_format: WebhookFormat = "form"
    identity_header: IdentityHeader = "pai"
    pass_headers: bool = True
    max_calls: int | None = None
    max_calls_per_second: int | None = None
    contact_routing: Routing = "auto"
    refer: Literal["reject", "relay", "terminate"] = "reject"
    session_expires: int = 1800
    min_se: int = LEAST_INTERVAL
    reliable_provisionals: Literal["required", "media", "always"] = "media"
    from_user: str | None = None
    from_host: str | None = None
    to_host: str | None = None
    trust_identity: TrustIdentity = "acl"
    relay_headers: tuple[str, ...] = DEFAULT_RELAYED
    inbound_numbers: NumberFormats = NumberFormats()
    outbound_numbers: NumberFormats = NumberFormats()
    status_callback_events: tuple[StatusEvent, ...] = STATUS_EVENTS

    def terms(self, prack: bool = True) -> Terms:
        """What its legs agree to; `prack`: whether they may be sent reliable 18x."""
        reliability = Reliability(self.reliable_provisionals)
        return Terms(self.session_expires, self.min_se, reliability, prack, self.refer != "reject")


@dataclass(frozen=True, slots=True)
class TwimlBin:
    """A stored document, served wherever a voice URL may stand: as `twiml:` and its name, or its SID.

    The name is unique within the account. `twiml` may hold parameters, `{{From}}` (`twiml.template`).
    """

    sid: TwimlBinSid
    account_sid: AccountSid
    friendly_name: str = ""
    unique_name: str = ""
    twiml: str = ""


@dataclass(frozen=True, slots=True)
class Application:
    """The handlers of a call under one SID, for who begins calls with `ApplicationSid`."""

    sid: ApplicationSid
    account_sid: AccountSid
    friendly_name: str = ""
    voice_url: str | None = None
    voice_method: HttpMethod = "POST"
    voice_fallback_url: str | None = None
    voice_fallback_method: HttpMethod = "POST"
    status_callback: str | None = None
    status_callback_method: HttpMethod = "POST"
    voice_caller_id_lookup: bool = False


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Whom TLS must have proved a caller of a domain to be.

    `authorities` are the SHA-256 fingerprints of the certificates in `ca_file`, as hex digits; `names` the SIP
    identities (RFC 5922) of which a client must have one, in lower case; none: any that an authority vouches for.
    """

    ca_file: str
    authorities: frozenset[str]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SipDomain:
    """A Termination SIP Domain: the name a carrier dials and who may dial it. `secure` asks for TLS and SRTP.

    The offered digest order is MD5 first: RFC 8760 §2.3 would have the stronger first, but stock SIPp and
    older SBCs abort the call when the first challenge is not MD5.
    """

    sid: SipDomainSid
    account_sid: AccountSid
    domain_name: str
    friendly_name: str = ""
    byoc_trunk_sid: ByocTrunkSid | None = None
    ip_access_control_list_sids: tuple[IpAccessControlListSid, ...] = ()
    credential_list_sids: tuple[CredentialListSid, ...] = ()
    secure: bool = False
    static_ips: tuple[str, ...] = ()
    digest_algorithms: tuple[Algorithm, ...] = (Algorithm.MD5, Algorithm.SHA_256)
    client_certificates: ClientCertificates | None = None


@dataclass(frozen=True, slots=True)
class IpAddress:
    """One entry of an IP access control list: an address or a range in CIDR notation."""

    sid: IpAddressSid
    friendly_name: str
    cidr: str


@dataclass(frozen=True, slots=True)
class IpAccessControlList:
    """Addresses that signalling may come from; ports never matter."""

    sid: IpAccessControlListSid
    account_sid: AccountSid
    friendly_name: str = ""
    addresses: tuple[IpAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """A digest user. Only HA1 is kept, never the password: another realm would ask for new passwords."""

    sid: CredentialSid
    username: str
    ha1: Ha1 = field(repr=False)


@dataclass(frozen=True, slots=True)
class CredentialList:
    """Digest users that may be mapped to domains."""

    sid: CredentialListSid
    account_sid: AccountSid
    friendly_name: str = ""
    credentials: tuple[Credential, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthRules:
    """How the addresses of a target are watched (`trunk.health`): by OPTIONS, by what calls meet, or not at all.

    `interval`: between two OPTIONS to an address; with `passive`, how long calls leave a dead one alone. `misses`
    in a row take an address out, `answers` in a row bring it back. `timeout`: of one OPTIONS.
    """

    mode: HealthMode = "passive"
    interval: float = 60.0
    misses: int = 3
    answers: int = 1
    timeout: float = 4.0


@dataclass(frozen=True, slots=True)
class ConnectionPolicyTarget:
    """One entry point into a carrier. The host of `target` may hold `{region}` (see `trunk.origination`).

    `health` None: as the policy has it.
    `udp_oversize`: what becomes of an INVITE over UDP that is too large for it. `tls`: what is asked of this far
    end and shown to it; None: what the node has.
    `outbound_proxy` is where calls to it are sent; the Request-URI stays `target`.
    """

    sid: TargetSid
    friendly_name: str
    target: SipUri
    priority: int = 10
    weight: int = 10
    enabled: bool = True
    health: HealthRules | None = None
    udp_oversize: UdpOversize = "tcp"
    tls: TlsTerms | None = None
    outbound_proxy: SipUri | None = None


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """Where outbound calls go. `failover_stop_codes` replaces the default list of final codes when given.

    `no_reply_timeout`: "if there is no response to an INVITE, go to the next IP after 4 seconds".
    `ring_no_progress_timeout`: how long a lone 100 Trying is believed. `credentials` are for who challenges.
    """

    sid: ConnectionPolicySid
    account_sid: AccountSid
    friendly_name: str = ""
    targets: tuple[ConnectionPolicyTarget, ...] = ()
    failover_stop_codes: frozenset[int] | None = None
    follow_redirects: bool = False
    ring_no_progress_timeout: float = 10.0
    no_reply_timeout: float = 4.0
    credentials: Credentials | None = field(default=None, repr=False)
    health: HealthRules = HealthRules()


@dataclass(frozen=True, slots=True)
class Region:
    """A place with edges of ours. `neighbours` are region names, the first one tried first."""

    name: str
    label: str
    neighbours: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """Where RTP comes in: ranges of ours in CIDR notation, and the first and last UDP port of each address."""

    addresses: tuple[str, ...]
    first_port: int
    last_port: int


@dataclass(frozen=True, slots=True)
class Installation:
    """What all nodes of one installation share, and the `region` that this node lives in.

    HA1s contain the digest `realm`, so there is one for all domains. The rest is what carriers are told:
    `default_region` is where the generic name of a domain leads (None: the first region with addresses),
    `signalling_ports` are those of every edge (empty: as this node's), `media` None: RTP does not pass here.
    """

    base_domain: str
    realm: str
    region: str
    regions: Mapping[str, Region]
    unknown_domain: UnknownDomain = "drop"
    static_ip_regions: tuple[str, ...] = ("us1",)
    default_region: str | None = None
    signalling_ports: tuple[tuple[Transport, int], ...] = ()
    media: Media | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """All configured rows as they come from a file or a database, not yet judged."""

    installation: Installation
    accounts: tuple[Account, ...] = ()
    trunks: tuple[ByocTrunk, ...] = ()
    domains: tuple[SipDomain, ...] = ()
    ip_access_control_lists: tuple[IpAccessControlList, ...] = ()
    credential_lists: tuple[CredentialList, ...] = ()
    connection_policies: tuple[ConnectionPolicy, ...] = ()
    twiml_bins: tuple[TwimlBin, ...] = ()
    applications: tuple[Application, ...] = ()
