"""Texts after the grammars of RFC 3261 §25.1, RFC 8866 and TwiML, right but for what `Wild` puts in on purpose."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

NUMBERS: Final = (
    "0",
    "1",
    "5060",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "-1",
    "9" * 40,
    "007",
    "٣",
)
ODD: Final = (
    "",
    " ",
    "\t",
    ",",
    ";",
    ":",
    '"',
    "\\",
    "<",
    ">",
    "@",
    "?",
    "%",
    "%00",
    "%zz",
    "\x00",
    "\\\x00",
    "\x7f",
)
WIDE: Final = ("é", "☃", "\udce9", "\U0001f4de", "\r", "\n", "\r\n ", "\x08", "\x0b", "\xa0", "\u2028")
METHODS: Final = (
    "INVITE ACK BYE CANCEL OPTIONS INFO UPDATE PRACK REFER NOTIFY REGISTER SUBSCRIBE MESSAGE PUBLISH".split()
)
STATUSES: Final = (
    100,
    180,
    181,
    183,
    199,
    200,
    202,
    300,
    302,
    305,
    401,
    407,
    408,
    420,
    422,
    481,
    487,
    491,
    500,
    503,
    603,
)
HOSTS: Final = ("127.0.0.2", "192.0.2.1", "198.51.100.1", "[::1]", "[2001:db8::1%eth0]", "sip.example.test", "a.b.")
PROTOCOLS: Final = ("RTP/AVP", "RTP/SAVP", "RTP/SAVPF", "udptl")
NAMES: Final = (
    "Via From To Call-ID CSeq Contact Max-Forwards Route Record-Route Require Supported Proxy-Require Expires Allow"
    " Authorization Proxy-Authorization WWW-Authenticate Proxy-Authenticate Content-Type Content-Length Event"
    " Session-Expires Min-SE RSeq RAck Refer-To Referred-By Replaces Diversion P-Asserted-Identity Privacy Reason"
    " Remote-Party-ID Retry-After Subject Timestamp User-to-User History-Info X-Own v f t i m l c k x r b"
).split()


class Wild:
    """Draws texts. One in `1 / wildness` parts is replaced by something that the grammar does not have."""

    def __init__(self, random: Random, wildness: float = 0.03) -> None:
        self.random = random
        self.wildness = wildness
        self.one_of = random.choice

    def _or_odd(self, text: str) -> str:
        draw = self.random.random()
        if draw < self.wildness:
            return self.one_of((*ODD, *WIDE, *NUMBERS))
        if draw < 2 * self.wildness:
            at = self.random.randint(0, len(text))
            return text[:at] + self.one_of((*ODD, *WIDE)) + text[at:]
        return text

    def token(self) -> str:
        return self._or_odd(
            self.one_of(("a", "tag", "branch", "z9hG4bKx", "lr", "100rel", "timer", "x-1.!%*_+`'~"))
        )

    def number(self) -> str:
        return self._or_odd(
            self.one_of(NUMBERS) if self.random.random() < 0.3 else str(self.random.randint(0, 4000))
        )

    def quoted(self) -> str:
        inside = "".join(self.one_of(("a", "B ", "\\\\", '\\"', "é", "\t", ";", ",", "<")) for _ in range(4))
        return self._or_odd(f'"{inside}"')

    def params(self) -> str:
        text = ""
        for _ in range(self.random.randint(0, 3)):
            value = self.one_of((self.token, self.number, self.quoted, self.host))
            text += self._or_odd(self.one_of((";", " ; "))) + self.token()
            text += self.one_of(("", "=", " = ")) and "=" + value()
        return text

    def host(self) -> str:
        return self._or_odd(self.one_of(HOSTS))

    def uri(self) -> str:
        user = self.one_of(("", "+15550100@", "alice:pw@", "a%20b;phone-context=x@", "%00@", "tel;x=1@"))
        port = self.one_of(("", "", f":{self.number()}"))
        scheme = self.one_of(("sip", "sip", "sip", "sips", "SIP", "tel", "urn", "http"))
        transport = self.one_of(("", ";transport=tcp", ";lr", ";maddr=127.0.0.9", "?X-a=b&Route=c"))
        return self._or_odd(f"{scheme}:{user}{self.host()}{port}{transport}")

    def name_addr(self) -> str:
        name = self.one_of(("", self.quoted() + " ", "Alice Smith "))
        bare = self.random.random() < 0.2
        return self._or_odd((self.uri() if bare else f"{name}<{self.uri()}>") + self.params())

    def tagged(self) -> str:
        return f"{self.name_addr()};tag={self.token()}"

    def via(self) -> str:
        transport = self.one_of(("UDP", "TCP", "TLS", "udp", "SCTP"))
        return f"SIP/2.0/{transport} {self.host()}:{self.number()};branch=z9hG4bK{self.token()}{self.params()}"

    def challenge(self) -> str:
        names = (
            "realm",
            "nonce",
            "username",
            "uri",
            "response",
            "cnonce",
            "opaque",
            "qop",
            "nc",
            "algorithm",
            "stale",
        )
        values: tuple[Callable[[], str], ...] = (
            self.quoted,
            self.token,
            lambda: '"auth"',
            lambda: "MD5",
            lambda: "SHA-256",
        )
        parts = [f"{self.one_of(names)}={self.one_of(values)()}" for _ in range(self.random.randint(2, 9))]
        return self._or_odd(self.one_of(("Digest ", "digest ", "Basic ", "Digest\t")) + ", ".join(parts))

    def value_of(self, name: str, method: str) -> str:
        """A value that fits a header's name."""
        kinds: dict[str, Callable[[], str]] = {
            "Via": self.via,
            "From": self.tagged,
            "To": self.one_of((self.name_addr, self.tagged)),
            "CSeq": lambda: f"{self.number()} {method}",
            "Content-Type": lambda: self._or_odd("application/sdp"),
            "Content-Length": self.number,
            "Max-Forwards": self.number,
            "Session-Expires": lambda: f"{self.number()};refresher={self.one_of(('uac', 'uas', 'x'))}",
            "RAck": lambda: f"{self.number()} {self.number()} {method}",
        }
        if name in kinds:
            return kinds[name]()
        if name.endswith(("Authenticate", "Authorization")):
            return self.challenge()
        lists = (self.name_addr, self.token, self.number, self.via, self.uri)
        return ", ".join(self.one_of(lists)() for _ in range(self.random.randint(1, 3)))

    def header(self, method: str = "INVITE") -> str:
        name = self.one_of(NAMES)
        return self._or_odd(f"{name}{self.one_of((':', ': ', ' : '))}{self.value_of(name, method)}")

    def message(self, method: str = "") -> bytes:
        """A request or a response."""
        method = method or self.one_of(METHODS)
        start = self.one_of((f"{method} {self.uri()} SIP/2.0", f"SIP/2.0 {self.one_of(STATUSES)} {self.token()}"))
        names = ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Contact"]
        lines = [f"{name}: {self.value_of(name, method)}" for name in names]
        lines += [self.header(method) for _ in range(self.random.randint(0, 4))]
        body = self.one_of((b"", self.sdp()))
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        return encoded([self._or_odd(start), *lines, "", ""]) + body

    def sdp(self) -> bytes:
        media = [
            f"m={self.one_of(('audio', 'audio', 'image'))} {self.number()} {self.one_of(PROTOCOLS)} 0 101",
            "a=rtpmap:101 telephone-event/8000",
            f"a={self.one_of(('sendonly', 'inactive', 'sendrecv', 'recvonly'))}",
            f"a=crypto:{self.number()} AES_CM_128_HMAC_SHA1_80 inline:{self.token()}",
            f"c=IN IP4 {self.host()}",
        ]
        lines = ["v=0", f"o=- 1 1 IN IP4 {self.host()}", "s=-", f"c=IN IP4 {self.host()}", "t=0 0", *media]
        self._shuffle_a_little(lines)
        return encoded([*map(self._or_odd, lines), ""], self.one_of(("\r\n", "\r\n", "\n")))

    def twiml(self) -> bytes:
        return f"<Response>{''.join(self._element(0) for _ in range(self.random.randint(0, 3)))}</Response>".encode(
            "utf-8", "replace"
        )

    def _element(self, depth: int) -> str:
        name = self.one_of(
            ("Dial", "Number", "Sip", "Reject", "Redirect", "Pause", "Hangup", "Say", "Client", "Parameter")
        )
        names = (
            "timeout",
            "callerId",
            "action",
            "method",
            "length",
            "reason",
            "byoc",
            "url",
            "timeLimit",
            "username",
        )
        attributes = "".join(
            f' {self.one_of(names)}="{_escaped(self._value())}"' for _ in range(self.random.randint(0, 3))
        )
        inside = self._element(depth + 1) if depth < 3 and self.random.random() < 0.6 else _escaped(self._value())
        return f"<{name}{attributes}>{inside}</{name}>"

    def _value(self) -> str:
        return self.one_of(
            (self.number, self.uri, self.token, lambda: "+15550199", lambda: "POST", lambda: "/next")
        )()

    def _shuffle_a_little(self, lines: list[str]) -> None:
        if self.random.random() < 0.2:
            at, to = self.random.randrange(len(lines)), self.random.randrange(len(lines))
            lines[at], lines[to] = lines[to], lines[at]


def encoded(lines: Sequence[str], ending: str = "\r\n") -> bytes:
    return ending.join(lines).encode("utf-8", "surrogateescape")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("\x00", "")
