"""SIP URIs and name-addrs as values (RFC 3261 §19.1, §20.10, §25.1).

Refuses with `UriError` what a grammar reader must not guess at: white space inside an addr-spec, unbalanced
quotes or brackets, a port outside 0..65535, control characters. It is liberal where RFC 4475 says to be
(§3.1.2.15: a display name that is not a token).
"""

from __future__ import annotations

import re
from typing import Final

_HOST = r"\[[0-9A-Fa-f:.]+(?:%[\w.]+)?\]|[A-Za-z0-9._\-]+"
_USER = r"[A-Za-z0-9\-_.!~*'()&=+$,;?/%#:\u0080-\U0010ffff\udc80-\udcff]+"
_SIP_URI: Final = re.compile(
    rf"(?P<scheme>[sS][iI][pP][sS]?):(?:(?P<user>{_USER})@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<params>;[^?\s<>\"\x00-\x1f\x7f]*)?(?P<headers>\?[^\s<>\"\x00-\x1f\x7f]*)?"
)
_OTHER_URI: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?P<rest>[^\s<>\"\x00-\x1f\x7f]+)")
# one generic-param with the semicolon before it; possessive, so hostile text costs linear time
_PARAM: Final = re.compile(
    r"[ \t]*+;[ \t]*+([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*+"
    r"(?:=[ \t]*+(\"(?:[^\"\\]|\\.)*+\"|[^\s;,\"=<>?]++))?[ \t]*+"
)
_USER_RESERVED: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]+")
_ESCAPES: Final = [f"%{byte:02X}" for byte in range(256)]
_PLAIN_VALUE: Final = re.compile(r"[^\s;,\"=<>?\x00-\x1f\x7f]+")
_PERCENT: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_QUOTED_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class UriError(ValueError):
    """The text is not a URI or name-addr that we can act on."""


class SipUri:
    """A `sip:` or `sips:` URI. `host` is lower case and without the brackets of an IPv6 reference.

    `params` maps lower-case names to values (`None` for a bare flag such as `lr`); `headers` is the raw text
    after `?`. Immutable by convention: `with_user` and `with_host` return copies.
    """

    __slots__ = ("headers", "host", "params", "password", "port", "scheme", "user")

    def __init__(
        self,
        host: str,
        user: str | None = None,
        port: int | None = None,
        *,
        scheme: str = "sip",
        params: dict[str, str | None] | None = None,
        headers: str = "",
        password: str | None = None,
    ) -> None:
        self.scheme = scheme
        self.user = user
        self.password = password
        self.host = host
        self.port = port
        self.params: dict[str, str | None] = params if params is not None else {}
        self.headers = headers

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Read one addr-spec; `UriError` when it is not a complete `sip:`/`sips:` URI."""
        match = _SIP_URI.fullmatch(text)
        if match is None:
            raise UriError(f"not a SIP URI: {text[:80]!r}")
        scheme, userinfo, host, port, params, headers = match.groups()
        if port is not None and int(port) > 65535:
            raise UriError(f"port {port} is out of range in {text[:80]!r}")
        if userinfo is None and "@" in text:
            # parameters must escape it (§25.1): another reader would look for the host behind it
            raise UriError(f"a stray @ in {text[:80]!r}")
        user, password = userinfo, None
        if userinfo is not None and ":" in userinfo:
            user, _, password = userinfo.partition(":")
        if host[0] == "[":
            host = host[1:-1]
        return cls(
            host.lower(),
            user,
            int(port) if port is not None else None,
            scheme=scheme.lower(),
            params=_uri_params(params) if params else None,
            headers=headers[1:] if headers else "",
            password=password,
        )

    @property
    def transport(self) -> str | None:
        """The `transport` parameter in lower case (§19.1.1), or None when it is absent."""
        value = self.params.get("transport")
        return value.lower() if value else None

    @property
    def decoded_user(self) -> str:
        """The user part with %-escapes resolved (§19.1.2); empty when there is none."""
        return unescape(self.user) if self.user else ""

    @property
    def host_port(self) -> str:
        """`host[:port]` as it stands in a message, IPv6 in brackets."""
        host = bracketed(self.host)
        return host if self.port is None else f"{host}:{self.port}"

    def with_user(self, user: str | None) -> SipUri:
        """A copy with another user part (already escaped), without a password."""
        return SipUri(self.host, user, self.port, scheme=self.scheme, params=self.params, headers=self.headers)

    def with_host(self, host: str) -> SipUri:
        """A copy with another host, for example after `{region}` was filled in."""
        return SipUri(host, self.user, self.port, scheme=self.scheme, params=self.params, headers=self.headers)

    def without_headers(self) -> SipUri:
        """A copy that may stand in a Request-URI: no `?headers`, no `method` (§19.1.1 table 1)."""
        if not self.headers and "method" not in self.params and self.password is None:
            return self
        params = {name: value for name, value in self.params.items() if name != "method"}
        return SipUri(self.host, self.user, self.port, scheme=self.scheme, params=params)

    def __str__(self) -> str:
        """The URI as it stands in a message; `UriError` when a part of it holds a control character."""
        text = self._text()
        if _CONTROL.search(text):
            raise UriError("a control character cannot stand in a URI")
        return text

    def __repr__(self) -> str:
        return f"SipUri({self._text()!r})"

    def _text(self) -> str:
        text = f"{self.scheme}:"
        if self.user is not None:
            text += f"{self.user}:{self.password}@" if self.password is not None else f"{self.user}@"
        text += self.host_port
        for name, value in self.params.items():
            text += f";{name}" if value is None else f";{name}={value}"
        return f"{text}?{self.headers}" if self.headers else text

    def __eq__(self, other: object) -> bool:
        """Equality of §19.1.4: user case-sensitive, host not; four parameters must agree even if absent."""
        if not isinstance(other, SipUri):
            return NotImplemented
        if (self.scheme, self.host, self.port) != (other.scheme, other.host, other.port):
            return False
        if _same_escapes(self.user) != _same_escapes(other.user) or self.password != other.password:
            return False
        return _params_agree(self.params, other.params) and _header_set(self.headers) == _header_set(other.headers)

    def __hash__(self) -> int:
        return hash((self.scheme, self.host, self.port, _same_escapes(self.user)))


class OtherUri:
    """A URI of a scheme that we carry but do not route (`tel:`, `im:`, `http:`), kept as written."""

    __slots__ = ("rest", "scheme")

    def __init__(self, scheme: str, rest: str) -> None:
        self.scheme = scheme.lower()
        self.rest = rest

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"

    def __repr__(self) -> str:
        return f"OtherUri({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OtherUri) and (self.scheme, self.rest) == (other.scheme, other.rest)

    def __hash__(self) -> int:
        return hash((self.scheme, self.rest))


Uri = SipUri | OtherUri


def parse_uri(text: str) -> Uri:
    """Read any absolute URI; `sip:` and `sips:` become `SipUri`. `UriError` otherwise."""
    if text[:4].lower() == "sip:" or text[:5].lower() == "sips:":
        return SipUri.parse(text)
    match = _OTHER_URI.fullmatch(text)
    if match is None:
        raise UriError(f"not a URI: {text[:80]!r}")
    return OtherUri(match["scheme"], match["rest"])


class NameAddr:
    """The value of From, To, Contact, Route and their kin: display name, URI, header parameters (§20.10)."""

    __slots__ = ("display_name", "params", "uri")

    def __init__(self, uri: Uri, display_name: str = "", params: dict[str, str | None] | None = None) -> None:
        self.uri = uri
        self.display_name = display_name
        self.params: dict[str, str | None] = params if params is not None else {}

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Read one name-addr or addr-spec with its parameters; `UriError` when it is neither."""
        text = text.strip()
        display, rest = _display_name(text)
        if rest.startswith("<"):
            end = rest.find(">")
            if end < 0:
                raise UriError(f"unterminated <URI> in {text[:80]!r}")
            return cls(parse_uri(rest[1:end].strip()), display, parse_params(rest[end + 1 :]))
        # §20: without <> everything after the first semicolon belongs to the header, not to the URI
        addr, semicolon, params = rest.partition(";")
        if "," in addr or "?" in addr:
            raise UriError(f"a URI with a comma or question mark needs <> in {text[:80]!r}")
        return cls(parse_uri(addr.strip()), display, parse_params(semicolon + params))

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")

    def __str__(self) -> str:
        display = f'"{quoted(self.display_name)}" ' if self.display_name else ""
        return f"{display}<{self.uri}>{render_params(self.params)}"

    def __repr__(self) -> str:
        return f"NameAddr({str(self)!r})"


def parse_params(text: str) -> dict[str, str | None]:
    """Read `;name=value;flag` (generic-param, §25.1); names in lower case, quoted values unquoted."""
    params: dict[str, str | None] = {}
    at, end = 0, len(text)
    while at < end:
        found = _PARAM.match(text, at)
        if found is None:
            if text.isspace():
                break
            raise UriError(f"not a parameter at {text[at : at + 40]!r}")
        name, value = found.groups()
        if value is not None and value[0] == '"':
            value = _unquoted(value[1:-1])
        params[name.lower()] = value
        at = found.end()
    return params


def render_params(params: dict[str, str | None]) -> str:
    """The inverse of `parse_params`: what cannot stand bare is quoted; `UriError` on a control character."""
    text = ""
    for name, value in params.items():
        if value is None:
            text += f";{name}"
        elif _PLAIN_VALUE.fullmatch(value):
            text += f";{name}={value}"
        else:
            text += f';{name}="{quoted(value)}"'
    return text


def split_commas(text: str) -> list[str]:
    """Split a header value at the commas outside quotes and angle brackets (§7.3.1)."""
    if "," not in text:
        return [text.strip()]
    parts: list[str] = []
    start, at, depth, quote = 0, 0, 0, False
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == '"':
                quote = False
        elif char == '"':
            quote = True
        elif char == "<":
            depth += 1
        elif char == ">":
            depth -= 1
        elif char == "," and depth <= 0:
            parts.append(text[start:at].strip())
            start = at + 1
        at += 1
    parts.append(text[start:].strip())
    return parts


def bracketed(host: str) -> str:
    """The host as it stands in a URI or Via: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def quoted(text: str) -> str:
    """The inside of a quoted-string (§25.1): backslash and quote escaped, CR, LF and NUL refused."""
    if _CONTROL.search(text):
        raise UriError("a control character cannot stand in a header")
    return text.replace("\\", "\\\\").replace('"', '\\"')


def unescape(text: str) -> str:
    """Resolve %-escapes as UTF-8; what is not UTF-8 becomes surrogates (PEP 383), as raw bytes of the wire are."""
    if "%" not in text:
        return text
    raw = _PERCENT.sub(
        lambda match: chr(int(match[1], 16)), text.encode("utf-8", "surrogateescape").decode("latin-1")
    )
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")


def escape_user(text: str) -> str:
    """Escape what may not stand in a user part (§25.1 user-unreserved)."""
    return _USER_RESERVED.sub(
        lambda match: "".join(map(_ESCAPES.__getitem__, match[0].encode("utf-8", "surrogateescape"))), text
    )


def _display_name(text: str) -> tuple[str, str]:
    """Split off the display name: quoted-string, tokens, or whatever stands before `<` (RFC 4475 §3.1.2.15)."""
    if text.startswith('"'):
        match = _QUOTED_STRING.match(text)
        if match is None:
            raise UriError(f"unterminated quoted string in {text[:80]!r}")
        return _unquoted(match[1]), text[match.end() :].lstrip()
    bracket = text.find("<")
    if bracket <= 0:
        return "", text
    display = text[:bracket].strip()
    if '"' in display:
        raise UriError(f"stray quote in {text[:80]!r}")
    return _CONTROL.sub(" ", display), text[bracket:]


def _unquoted(inside: str) -> str:
    """What a quoted-string means. A tab or an escaped control character (§25.1) becomes a space, so that
    whatever was read can also be written."""
    if "\\" in inside:
        inside = _QUOTED_PAIR.sub(r"\1", inside)
    return _CONTROL.sub(" ", inside)


def _uri_params(text: str) -> dict[str, str | None]:
    params: dict[str, str | None] = {}
    for part in text.split(";")[1:]:
        name, equals, value = part.partition("=")
        if not name:
            continue  # RFC 4475 §3.1.1.9 neighbours: an empty parameter carries nothing
        params[name.lower()] = value if equals else None
    return params


def _same_escapes(user: str | None) -> str | None:
    """User parts compare after unescaping what did not need escaping (§19.1.4)."""
    return user if user is None or "%" not in user else unescape(user)


_MUST_AGREE: Final = ("user", "ttl", "method", "maddr", "transport")


def _params_agree(mine: dict[str, str | None], theirs: dict[str, str | None]) -> bool:
    for name in mine.keys() | theirs.keys():
        if name in mine and name in theirs:
            if (mine[name] or "").lower() != (theirs[name] or "").lower():
                return False
        elif name in _MUST_AGREE:
            return False
    return True


def _header_set(headers: str) -> frozenset[str]:
    return frozenset(part.lower() for part in headers.split("&") if part)
