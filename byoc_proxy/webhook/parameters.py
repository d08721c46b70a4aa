"""The parameters that every webhook of a call carries, in the names that Twilio's documentation gives them.

`ByocTrunkSid` and `SipRegion` are ours: no public document names a parameter for either. What came from the
wire may be any bytes; what leaves here is valid Unicode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from byoc_proxy.sip.uri import SipUri, bracketed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from byoc_proxy.sip.uri import Uri
    from byoc_proxy.trunk.model import WebhookFormat

API_VERSION: Final = "2010-04-01"
CallerFormat = Literal["auto", "sip"]

_E164: Final = re.compile(r"\+[0-9]{1,32}")
_VISUAL: Final = str.maketrans("", "", "-.()")


@dataclass(slots=True)
class SipFacts:
    """What the INVITE of an inbound call says. `username` only when digest was used; `region` of the edge.

    `headers` are the header fields of the INVITE, of which the `X-` ones and User-to-User are passed on.
    """

    domain: str
    domain_sid: str
    call_id: str
    source_ip: str
    username: str | None = None
    region: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class CallFacts:
    """What stays the same through a call. `caller` and `called` are as `party` writes them, the raw ones as the
    carrier did. `body_format` is how POSTs about it say their parameters: as the trunk has it whose call it is.
    """

    call_sid: str
    account_sid: str
    caller: str
    called: str
    direction: str = "inbound"
    trunk_sid: str | None = None
    parent_call_sid: str | None = None
    forwarded_from: str | None = None
    caller_name: str | None = None
    caller_raw: str = ""
    called_raw: str = ""
    sip: SipFacts | None = None
    body_format: WebhookFormat = "form"


def party(uri: Uri, caller_format: CallerFormat = "auto") -> str:
    """A caller or called party for the application: E.164 for `+digits` (unless "sip"), else
    `sip:user@host`.
    """
    if not isinstance(uri, SipUri):
        number = uri.rest.partition(";")[0].translate(_VISUAL)  # RFC 3966 §5.1.1 visual separators
        return number if uri.scheme == "tel" and _E164.fullmatch(number) else str(uri)
    # RFC 3261 §19.1.6: telephone-subscriber parameters (;npdi, ;phone-context) ride inside the user part
    user = uri.decoded_user.partition(";")[0]
    if caller_format == "auto":
        number = user.translate(_VISUAL)
        if _E164.fullmatch(number):
            return number
    return f"sip:{user}@{bracketed(uri.host)}" if user else f"sip:{bracketed(uri.host)}"


def voice_parameters(facts: CallFacts, status: str, extra: Iterable[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    """The base parameters of a request about a call whose CallStatus is `status`, and those of the request."""
    parameters = [
        ("CallSid", facts.call_sid),
        ("AccountSid", facts.account_sid),
        ("From", facts.caller),
        ("To", facts.called),
        ("Caller", facts.caller),
        ("Called", facts.called),
        ("CallStatus", status),
        ("ApiVersion", API_VERSION),
        ("Direction", facts.direction),
    ]
    optional = (
        ("ByocTrunkSid", facts.trunk_sid),
        ("ParentCallSid", facts.parent_call_sid),
        ("ForwardedFrom", facts.forwarded_from),
        ("CallerName", facts.caller_name),
    )
    parameters += [(name, value) for name, value in optional if value is not None]
    if facts.sip is not None:
        parameters += _sip_parameters(facts.sip)
    parameters += extra
    return [pair if pair[1].isascii() else (_unicode(pair[0]), _unicode(pair[1])) for pair in parameters]


def _sip_parameters(sip: SipFacts) -> list[tuple[str, str]]:
    parameters = [
        ("SipDomain", sip.domain),
        ("SipDomainSid", sip.domain_sid),
        ("SipCallId", sip.call_id),
        ("SipSourceIp", sip.source_ip),
    ]
    if sip.username is not None:
        parameters.append(("SipUsername", sip.username))
    if sip.region is not None:
        parameters.append(("SipRegion", sip.region))
    for name, value in sip.headers:
        if name[:2] in ("X-", "x-"):
            parameters.append((f"SipHeader_{name}", value))
        elif name.lower() == "user-to-user":
            parameters.append(("SipHeader_User-to-User", value))
    return parameters


def _unicode(text: str) -> str:
    """Bytes that were not UTF-8 reach us as lone surrogates (PEP 383); show them as replacement
    characters.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
