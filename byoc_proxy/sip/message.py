"""Requests and responses as values, and the messages that follow from another message (RFC 3261 §7, §8.2.6).

Typed headers are parsed on first use and remembered. Edits return new messages. The wire form is rendered once
per message: a retransmission sends the same bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.body import media_type, session_description
from byoc_proxy.sip.headers import HeaderError, Headers, Via
from byoc_proxy.sip.uri import NameAddr, SipUri, Uri, UriError, parse_uri, split_commas

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION: Final = "SIP/2.0"
MAGIC_COOKIE: Final = "z9hG4bK"
IDENTITY: Final = frozenset(
    {"via", "route", "from", "to", "call-id", "cseq", "authorization", "proxy-authorization"}
)
TARGET_REFRESH: Final = frozenset({"INVITE", "UPDATE"})  # with a Contact, as their 2xx (§12.2, RFC 3311 §5)
MAX_CSEQ: Final = 2**31 - 1
_BRANCH: Final = re.compile(r";\s*branch\s*=\s*([^\s;,]+)", re.IGNORECASE)

REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}


class Message:
    """What requests and responses share: headers, body, and the typed headers every message has."""

    __slots__ = (
        "_contacts",
        "_cseq",
        "_data",
        "_from",
        "_from_tag",
        "_to",
        "_to_tag",
        "_via",
        "body",
        "headers",
    )

    def __init__(self, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self._via: Via | None = None
        self._cseq: tuple[int, str] | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._from_tag: str | None = None
        self._to_tag: str | None = None
        self._contacts: list[NameAddr] | None = None
        self._data: bytes | None = None

    @property
    def via(self) -> Via:
        """The topmost Via; `HeaderError` when there is none or it is unreadable."""
        if self._via is None:
            value = self.headers.get("via")
            if value is None:
                raise HeaderError("no Via")
            self._via = Via.parse(split_commas(value)[0])
        return self._via

    def salvage_via(self) -> None:
        """Make do with what can be read of a broken top Via (`Via.salvage`), to answer along it."""
        self._via = Via.salvage(split_commas(self.headers.get("via") or "")[0])

    @property
    def branch(self) -> str:
        """The branch of the top Via, for messages whose top Via we wrote ourselves; empty when there is none."""
        found = _BRANCH.search(self.headers.get("via") or "")
        return found[1] if found else ""

    @property
    def cseq(self) -> tuple[int, str]:
        """`(number, method)` (§20.16); `HeaderError` when unreadable or out of 0..2**31-1 (§8.1.1.5)."""
        if self._cseq is None:
            number, *method = (self.headers.get("cseq") or "").split(None, 1) or [""]
            if not (number.isascii() and number.isdigit()) or len(number) > 10 or int(number) > MAX_CSEQ:
                raise HeaderError(f"CSeq number out of range: {number[:20]!r}")
            self._cseq = (int(number), method[0].strip() if method else "")
        return self._cseq

    @property
    def call_id(self) -> str:
        return self.headers.get("call-id") or ""

    @property
    def from_(self) -> NameAddr:
        """From as a value; `UriError` when it is not a name-addr."""
        if self._from is None:
            self._from = NameAddr.parse(self.headers.get("from") or "")
        return self._from

    @property
    def to(self) -> NameAddr:
        """To as a value; `UriError` when it is not a name-addr."""
        if self._to is None:
            self._to = NameAddr.parse(self.headers.get("to") or "")
        return self._to

    @property
    def from_tag(self) -> str:
        if self._from_tag is None:
            self._from_tag = tag_of(self.headers.get("from"))
        return self._from_tag

    @property
    def to_tag(self) -> str:
        if self._to_tag is None:
            self._to_tag = tag_of(self.headers.get("to"))
        return self._to_tag

    @property
    def contacts(self) -> list[NameAddr]:
        """Every Contact but `*`; `UriError` when one is not a name-addr."""
        if self._contacts is None:
            self._contacts = [NameAddr.parse(value) for value in self.listed("contact") if value != "*"]
        return self._contacts

    @property
    def contact(self) -> SipUri | None:
        """The first Contact's SIP URI, or None when there is none that we could send to."""
        try:
            uri = self.contacts[0].uri if self.contacts else None
        except UriError:
            return None
        return uri if isinstance(uri, SipUri) else None

    @property
    def record_routes(self) -> list[str]:
        """Every Record-Route as written, in order (§20.30); `UriError` when one is no way to a SIP element."""
        routes = self.listed("record-route")
        for route in routes:
            if not isinstance(NameAddr.parse(route).uri, SipUri):
                raise UriError(f"not a route: {route[:80]!r}")
        return routes

    @property
    def content_type(self) -> str:
        """The media type in lower case without parameters; empty when the header is absent."""
        return media_type(self.headers.get("content-type") or "")

    @property
    def sdp(self) -> bytes:
        """The session description in the body, alone or beside other parts; empty when there is none."""
        return session_description(self.headers.get("content-type") or "", self.body) if self.body else b""

    def listed(self, key: str) -> list[str]:
        """Every value of a comma-separated header, over all its lines, in order (§7.3.1)."""
        return [part for line in self.headers.all(key) for part in split_commas(line) if part]

    def lists(self, key: str, tag: str) -> bool:
        """Whether a comma-separated header holds a token, such as an option tag; in any case (§7.3.1)."""
        return any(
            tag in line.lower() and any(part.lower() == tag for part in split_commas(line))
            for line in self.headers.all(key)
        )

    def shed(self) -> None:
        """Keep what identifies a message, and what the ACK of a 2xx repeats (§12.1.2, §13.2.2.4, §17.1.1.3)."""
        self.headers = Headers.of_parsed([item for item in self.headers.items if item[0] in IDENTITY], None)
        self.body = b""
        self._data = None
        self._contacts = None

    @property
    def start_line(self) -> str:
        raise NotImplementedError

    def encode(self) -> bytes:
        """The message as it goes on the wire, Content-Length last and always true (§18.3)."""
        if self._data is None:
            lines = [f"{name}: {value}\r\n" for key, name, value in self.headers.items if key != "content-length"]
            head = f"{self.start_line}\r\n{''.join(lines)}Content-Length: {len(self.body)}\r\n\r\n"
            self._data = head.encode("utf-8", "surrogateescape") + self.body
        return self._data


class Request(Message):
    """A request. `uri_text` is the Request-URI as written; `uri` parses it."""

    __slots__ = ("_uri", "method", "uri_text")

    def __init__(self, method: str, uri_text: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri_text = uri_text
        self._uri: Uri | None = None

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.uri_text} {VERSION}"

    @property
    def uri(self) -> Uri:
        """The Request-URI; `UriError` when it is none."""
        if self._uri is None:
            self._uri = parse_uri(self.uri_text)
        return self._uri

    @property
    def max_forwards(self) -> int:
        """Hops left; 70 when the header is absent or unreadable (§16.3 (3), §20.22)."""
        value = (self.headers.get("max-forwards") or "").strip()
        return min(int(value), 255) if value.isascii() and value.isdigit() and len(value) < 10 else 70

    @property
    def rack(self) -> tuple[int, int, str] | None:
        """RSeq, CSeq number and method that a PRACK acknowledges (RFC 3262 §7.2), or None when unreadable."""
        parts = (self.headers.get("rack") or "").split()
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts[:2]):
            return None
        return int(parts[0]), int(parts[1]), parts[2]

    def received(self, address: str, port: int) -> None:
        """Note the source in the top Via before anything is answered (§18.2.1, RFC 3581 §4)."""
        self.via.note_source(address, port)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri_text} call_id={self.call_id!r}>"


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason

    @property
    def start_line(self) -> str:
        return f"{VERSION} {self.status} {self.reason}"

    @property
    def retry_after(self) -> float | None:
        """Retry-After in seconds (§20.33), or None."""
        value = (self.headers.get("retry-after") or "").strip()
        digits = value.split(";")[0].split("(")[0].strip()
        return float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None

    @property
    def rseq(self) -> int | None:
        """RSeq of a reliable provisional response (RFC 3262 §7.1), or None when absent or unreadable."""
        value = (self.headers.get("rseq") or "").strip()
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 10 else None

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.headers.get('cseq')} call_id={self.call_id!r}>"


def reply_to(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """A response to `request` (§8.2.6.2): its Vias, From, To, Call-ID, CSeq and Record-Routes, in its order.

    `to_tag` is added when the request's To has none. The top Via is the one that `Request.received` completed.
    """
    items: list[tuple[str, str, str]] = []
    top_via = True
    for item in request.headers.items:
        key = item[0]
        if key == "via":
            if top_via:
                top_via = False
                items.extend(("via", "Via", value) for value in _completed_vias(request, item[2]))
            else:
                items.append(item)
        elif key == "to":
            tagged = not to_tag or request.to_tag
            items.append(item if tagged else (key, "To", f"{item[2]};tag={to_tag}"))
        elif key in {"from", "call-id", "cseq"} or (key == "timestamp" and status == 100):
            items.append(item)
        elif key == "record-route" and 100 < status < 300:
            items.append(item)  # §12.1.1: only what makes a dialog carries the route set back
    response_headers = Headers.of_parsed(items, None)
    for name, value in headers:
        response_headers.add(name, value)
    return Response(status, reason if reason is not None else reason_of(status), response_headers, body)


def reason_of(status: int) -> str:
    """The default reason phrase of a status code."""
    return REASONS.get(status) or REASONS.get(status // 100 * 100, "Unknown")


def ack_for_failure(invite: Request, response: Response) -> Request:
    """The ACK of a non-2xx final response: same transaction, same Request-URI and Route (§17.1.1.3)."""
    number, _ = invite.cseq
    fields = [("Via", invite.headers.get("via") or ""), ("Max-Forwards", "70")]
    fields += [("Route", value) for value in invite.headers.all("route")]
    fields += [
        ("From", invite.headers.get("from") or ""),
        ("To", response.headers.get("to") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{number} ACK"),
    ]
    return Request("ACK", invite.uri_text, Headers(fields))


def cancel_for(invite: Request) -> Request:
    """The CANCEL of a pending INVITE: the same branch, To without a tag (§9.1)."""
    number, _ = invite.cseq
    fields = [("Via", invite.headers.get("via") or ""), ("Max-Forwards", "70")]
    fields += [("Route", value) for value in invite.headers.all("route")]
    fields += [
        ("From", invite.headers.get("from") or ""),
        ("To", invite.headers.get("to") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{number} CANCEL"),
    ]
    return Request("CANCEL", invite.uri_text, Headers(fields))


def _completed_vias(request: Request, first_line: str) -> list[str]:
    rest = split_commas(first_line)[1:] if "," in first_line else []
    return [str(request.via), *filter(None, rest)]


def tag_of(value: str | None) -> str:
    """The tag of a From/To line, without parsing the whole of it when that is safe; empty when there is none."""
    if value is None:
        return ""
    params = value[value.rfind(">") + 1 :]
    if '"' in params:  # a quoted parameter may itself hold ">" or ";": read it properly
        try:
            return NameAddr.parse(value).tag or ""
        except UriError:
            return ""  # what is wrong with the header is said where it is inspected
    for part in params.split(";")[1:]:
        name, _, tag = part.partition("=")
        if name.strip().lower() == "tag":
            return tag.strip()
    return ""
