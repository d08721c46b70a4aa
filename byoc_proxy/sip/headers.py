"""Header fields: an ordered multimap that keeps values as they came, and the typed Via (RFC 3261 §7.3, §20).

A header that nobody asks for is never parsed: `Headers` holds each line's value byte for byte (UTF-8 with
surrogates for what is not), and typed access happens in `message.py` on first use. CR, LF and NUL are refused
wherever a value is put in by us, so nothing a user or a carrier supplies can start a new header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.uri import UriError, bracketed, parse_params, render_params

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CANONICAL_NAMES: Final = (
    "Accept Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authentication-Info Authorization"
    " Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length"
    " Content-Type CSeq Date Diversion Error-Info Event Expires From History-Info Identity In-Reply-To"
    " Max-Forwards Min-Expires Min-SE MIME-Version Organization P-Asserted-Identity P-Preferred-Identity"
    " Priority Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Record-Route Refer-To"
    " Referred-By Remote-Party-ID Replaces Reply-To Require Retry-After Route RSeq Server Session-Expires"
    " Subject Subscription-State Supported Timestamp To Unsupported User-Agent User-to-User Via Warning"
    " WWW-Authenticate X-Byoc-Error"
).split()

COMPACT_NAMES: Final = {
    # RFC 3261 §20 and the registrations that followed it
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

# §7.3.1: headers that may stand once only; two of them are a message that two readers would read differently
SINGLE: Final = frozenset(
    {"call-id", "content-length", "content-type", "cseq", "from", "max-forwards", "to", "rack", "rseq"}
)

KEYS: Final[dict[str, str]] = {
    **{name: name.lower() for name in CANONICAL_NAMES},
    **{name.lower(): name.lower() for name in CANONICAL_NAMES},
    **COMPACT_NAMES,
    **{short.upper(): key for short, key in COMPACT_NAMES.items()},
}
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
# NUL may stand as a quoted-pair (§25.1, RFC 4475 §3.1.1.2); a lone surrogate that is no byte has no wire form
_UNSAFE: Final = re.compile(r"[\r\n\ud800-\udc7f\udd00-\udfff]|(?<!\\)\x00")


class HeaderError(ValueError):
    """A header line or value that breaks the grammar in a way we must not guess about."""


def header_key(name: str) -> str:
    """The lower-case long form of a header name as written, compact forms resolved; `HeaderError` if none."""
    key = KEYS.get(name)
    if key is not None:
        return key
    name = name.rstrip(" \t")  # §7.3.1: white space may stand before the colon
    if _TOKEN.fullmatch(name) is None:
        raise HeaderError(f"not a header name: {name[:40]!r}")
    lower = name.lower()
    return COMPACT_NAMES.get(lower, lower)


def refuse_unsafe(name: str, value: str) -> None:
    """`HeaderError` when `value` cannot stand in a message or would end its line: CR, LF, NUL."""
    if _UNSAFE.search(value):
        raise HeaderError(f"CR, LF or NUL in the value of {name}")


class Headers:
    """An ordered multimap of header fields. Keys are lower-case long names; values are kept as written.

    `items` is a list of `(key, name as written, value)`.
    """

    __slots__ = ("_first", "items")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        """Build from `(name, value)` pairs of our own; `HeaderError` on CR, LF or NUL in a value."""
        self.items: list[tuple[str, str, str]] = []
        self._first: dict[str, str] | None = None
        for name, value in fields:
            self.add(name, value)

    @classmethod
    def of_parsed(cls, items: list[tuple[str, str, str]], first: dict[str, str] | None) -> Headers:
        """Wrap what the parser has already split and checked; `first` is made when it is asked for."""
        headers = cls.__new__(cls)
        headers.items = items
        headers._first = first
        return headers

    @property
    def first(self) -> dict[str, str]:
        """The first value of every key."""
        first = self._first
        if first is None:
            first = {}
            for key, _, value in self.items:
                first.setdefault(key, value)
            self._first = first
        return first

    def get(self, key: str) -> str | None:
        """The first value of `key`, or None."""
        if self._first is not None:
            return self._first.get(key)
        # a message of our own is asked once or twice: an index would cost more than it saves
        return next((value for item_key, _, value in self.items if item_key == key), None)

    def all(self, key: str) -> list[str]:
        """Every line's value of `key` in order; a line may still hold several, comma-separated."""
        if self.get(key) is None:
            return []
        return [value for item_key, _, value in self.items if item_key == key]

    def add(self, name: str, value: str) -> None:
        """Append one field of our own."""
        refuse_unsafe(name, value)
        self.items.append((header_key(name), name, value))
        self._first = None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        return iter(self.items)

    def __repr__(self) -> str:
        return f"Headers({[name for _, name, _ in self.items]})"


class Via:
    """One Via value (§20.42): where a request has been, hence where its response goes.

    `protocol` is `SIP/2.0`; another name or version is read too, so that it can be answered with 505.
    """

    __slots__ = ("host", "params", "port", "protocol", "transport")

    # no two neighbouring parts can match the same white space: the time is linear in the length
    _SYNTAX: Final = re.compile(
        r"([\w\-.!%*+`'~]+)\s*/\s*([\w\-.!%*+`'~]+)\s*/\s*([\w\-.!%*+`'~]+)\s+"
        r"(\[[0-9A-Fa-f:.]+\]|[\w.\-]+)(?:\s*:\s*([0-9]{1,5}))?\s*(;.*)?",
        re.ASCII | re.DOTALL,
    )

    def __init__(
        self,
        transport: str,
        host: str,
        port: int | None,
        params: dict[str, str | None],
        protocol: str = "SIP/2.0",
    ) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.params = params
        self.protocol = protocol

    @classmethod
    def parse(cls, text: str) -> Via:
        """Read one Via value; `HeaderError` when it is none."""
        via, params = cls._sender(text)
        try:
            via.params = _repeatable(params)
        except UriError as error:
            raise HeaderError(f"Via: {error}") from error
        return via

    @classmethod
    def salvage(cls, text: str) -> Via:
        """The Via without the parameters that cannot be read: enough to say 400 (RFC 4475 §3.1.2.1).

        `HeaderError` when even its sender cannot be read.
        """
        via, params = cls._sender(text)
        for part in filter(None, params.split(";")):
            try:
                via.params.update(_repeatable(f";{part}"))
            except UriError:
                continue
        return via

    @classmethod
    def _sender(cls, text: str) -> tuple[Via, str]:
        match = cls._SYNTAX.fullmatch(text.strip())
        if match is None:
            raise HeaderError(f"not a Via: {text[:80]!r}")
        name, version, transport, host, port, params = match.groups()
        if port is not None and int(port) > 65535:
            raise HeaderError(f"Via port out of range: {port}")
        host = host[1:-1] if host[0] == "[" else host
        number = int(port) if port is not None else None
        return cls(transport.upper(), host.lower(), number, {}, f"{name}/{version}".upper()), params or ""

    @property
    def branch(self) -> str | None:
        return self.params.get("branch")

    @property
    def sent_by(self) -> str:
        """`host:port` as written by the sender, part of the transaction key (§17.2.3)."""
        return f"{self.host}:{self.port}"

    def note_source(self, address: str, port: int) -> None:
        """Add what the server adds: `received` if the source differs (§18.2.1), `rport` (RFC 3581 §4)."""
        asked = "rport" in self.params
        if asked:
            self.params["rport"] = str(port)
        if asked or address != self.host:
            self.params["received"] = address

    def __str__(self) -> str:
        sent_by = bracketed(self.host) if self.port is None else f"{bracketed(self.host)}:{self.port}"
        return f"{self.protocol}/{self.transport} {sent_by}{render_params(self.params)}"


def _repeatable(text: str) -> dict[str, str | None]:
    """Parameters that a response can say again (§8.2.6.2); `UriError` when one holds a control character."""
    params = parse_params(text)
    if not text.isprintable():
        render_params(params)
    return params
