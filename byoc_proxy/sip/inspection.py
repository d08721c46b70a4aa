"""What a UAS looks at in a request before it does anything with it (RFC 3261 §8.2), as one pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from byoc_proxy.sip.body import SDP, is_beyond_us
from byoc_proxy.sip.headers import HeaderError
from byoc_proxy.sip.message import TARGET_REFRESH
from byoc_proxy.sip.uri import SipUri, UriError

if TYPE_CHECKING:
    from byoc_proxy.sip.message import Request
    from byoc_proxy.sip.terms import Terms

ALLOWED: Final = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK")
EXTENSIONS: Final = ("100rel", "timer")  # option tags that we support, hence may be required (§20.32, §20.37)

ALLOW: Final = ("Allow", ", ".join(ALLOWED))
ALLOW_TRANSFERS: Final = ("Allow", ", ".join((*ALLOWED, "REFER", "NOTIFY")))
SUPPORTED: Final = ("Supported", ", ".join(EXTENSIONS))
ACCEPT: Final = ("Accept", f"{SDP}, multipart/mixed")
CAPABILITIES: Final = (
    ALLOW,
    ACCEPT,
    ("Accept-Encoding", "identity"),
    ("Accept-Language", "en"),
    SUPPORTED,
)
"""What a 200 to OPTIONS tells (§11.2)."""


class Refusal(NamedTuple):
    """A final response to a request that cannot be served as it stands."""

    status: int
    reason: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


def allow(terms: Terms) -> tuple[str, str]:
    """What a leg of these terms takes inside its dialog (§20.5)."""
    return ALLOW_TRANSFERS if terms.transfers else ALLOW


def inspect(request: Request) -> Refusal | None:
    """None when the request can be served, else what to answer. The order is that of §8.2."""
    fault = _syntax_fault(request)
    if fault is not None:
        return Refusal(400, fault)
    if request.method not in ALLOWED:
        return Refusal(405, None, (ALLOW,))  # §8.2.1
    if not isinstance(request.uri, SipUri):
        return Refusal(416)  # §8.2.2.1
    if request.method == "INVITE" and request.max_forwards == 0:
        return _beyond_us(request) or Refusal(483)  # the call would have to go one hop further (§16.3)
    return _beyond_us(request)


def inspect_inside(request: Request) -> Refusal | None:
    """The same for a request inside a dialog. A BYE is always taken: whatever it demands, its sender has left."""
    return None if request.method == "BYE" else _beyond_us(request)


def _beyond_us(request: Request) -> Refusal | None:
    """What the request demands to be understood and is not: an extension (§8.2.2.3), or a description of media."""
    unsupported = [
        tag for key in ("require", "proxy-require") for tag in request.listed(key) if tag.lower() not in EXTENSIONS
    ]
    if unsupported:
        return Refusal(420, None, (("Unsupported", ", ".join(unsupported)),))
    return _inspect_body(request) if request.method in TARGET_REFRESH else None


def _inspect_body(request: Request) -> Refusal | None:
    headers = request.headers
    if is_beyond_us(headers.get("content-type") or "", headers.get("content-disposition") or "", request.body):
        return Refusal(415, None, (ACCEPT,))  # §8.2.3
    if request.body and request.headers.get("content-encoding") not in (None, "identity"):
        return Refusal(415, None, (("Accept-Encoding", "identity"),))
    return None


def _syntax_fault(request: Request) -> str | None:
    """A fault in a header that the session will rely on (RFC 4475 §3.1.2): a reason phrase, or None."""
    try:
        _ = (request.from_, request.to, request.uri, request.contacts, request.via, request.record_routes)
    except (UriError, HeaderError) as error:
        return " ".join(str(error).split())[:100].encode("ascii", "replace").decode("ascii")
    return None
