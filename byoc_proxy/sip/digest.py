"""SIP digest authentication, both ends: challenge, verify, answer (RFC 7616, RFC 8760, RFC 3261 §22).

The server side keeps no password and no session: a nonce is a time and a serial number under an HMAC, so
every node with the same secret verifies every challenge. Verified are user, realm, nonce, URI, qop, nonce
count, method and algorithm. Refused are qop `auth-int`, `-sess` algorithms and user name hashing (never
offered), and a nonce count that was used before.

Header text is what the parser makes of wire bytes: UTF-8 with surrogate escapes. `wall` is in seconds since
1970.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.uri import SipUri, UriError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_SCHEME: Final = re.compile(r"[ \t]*digest[ \t]+", re.IGNORECASE)
# One auth-param and the comma after it (RFC 3261 §25.1). Possessive: hostile text costs linear time.
_PARAM: Final = re.compile(
    r"[ \t,]*+([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*+=[ \t]*+"
    r"(?:\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)\"|([^\s,\"]++))[ \t]*+(?:,[ \t,]*+|\Z)",
    re.DOTALL,
)
_NONCE_COUNT: Final = re.compile(r"[0-9A-Fa-f]{1,8}")
_STAMP_LENGTH: Final = 20  # 14 hex digits of microseconds, 6 of a serial number
_NONCE_LENGTH: Final = _STAMP_LENGTH + 32
_CLOCK_SKEW: Final = 5.0  # how far ahead the clock of a sibling node may be
_FIRST: Final = "00000001"  # the nonce count of our own answers
_SPENT: Final = 1 << 32  # above every nonce count: eight hex digits
_MOST_CREDENTIALS: Final = 8  # a request has one for each proxy on its path; a flood of them is not worth hashing


class DigestError(ValueError):
    """The text of a challenge or of credentials cannot be used; the message says why."""


class Algorithm(StrEnum):
    """Hash algorithms that we offer and answer, spelt as on the wire (RFC 7616 §6.1), the strongest last."""

    MD5 = "MD5"
    SHA_256 = "SHA-256"


@dataclass(frozen=True, slots=True, repr=False)
class Ha1:
    """What is stored in place of a password: H(username:realm:password) for each algorithm (RFC 7616 §3.4.2).

    Whoever has it can answer challenges, so it shows itself in no log: no `repr`.
    """

    md5: str
    sha256: str

    @classmethod
    def of(cls, username: str, realm: str, password: str) -> Ha1:
        return cls(ha1(username, realm, password, Algorithm.MD5), ha1(username, realm, password, Algorithm.SHA_256))


@dataclass(frozen=True, slots=True)
class Passed:
    """The credentials are right."""

    username: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing in the request answers our realm: challenge it (RFC 3261 §22.3)."""

    reason: str = "no credentials"


@dataclass(frozen=True, slots=True)
class Stale:
    """The response is right but its nonce is not of use any more: challenge again with `stale=true`."""

    username: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """The credentials are refused. `reason` is the same for an unknown user and for a wrong password."""

    reason: str
    username: str = ""


Verdict = Passed | Absent | Stale | Wrong

_NO_CREDENTIALS: Final = Absent()
_NOBODY: Final = (Ha1("0" * 32, "0" * 64),)


def ha1(username: str, realm: str, password: str, algorithm: Algorithm) -> str:
    """H(username:realm:password) in hex (RFC 7616 §3.4.2)."""
    return _hash(f"{username}:{realm}:{password}", algorithm)


class DigestServer:
    """Challenges and verifies for one realm. Nonces live for `nonce_lifetime` seconds.

    `secret` is at least 32 random bytes, the same on every node of an installation. `UriError` when the realm
    has a control character.

    The only state is the highest nonce count of each nonce that was used with success, kept until it expires.
    """

    __slots__ = (
        "_challenges_made",
        "_earlier",
        "_lifetime",
        "_page_ends",
        "_quoted_realm",
        "_realm",
        "_secret",
        "_seen",
    )

    def __init__(self, realm: str, secret: bytes, nonce_lifetime: float = 60.0) -> None:
        self._realm = realm
        self._quoted_realm = quoted(realm)
        self._secret = secret
        self._lifetime = nonce_lifetime
        self._challenges_made = 0
        # Nonce counts in two pages: a page is dropped whole when all its nonces have expired, so forgetting
        # costs nothing per nonce, and memory is bounded by the rate of passed verifications.
        self._seen: dict[str, int] = {}
        self._earlier: dict[str, int] = {}
        self._page_ends = 0.0

    def challenges(self, algorithms: Sequence[Algorithm], wall: float, stale: bool = False) -> list[str]:
        """Values for Proxy-Authenticate, one for each algorithm in the given order (RFC 8760 §2.3)."""
        nonce = self._new_nonce(wall)
        tail = ", stale=true" if stale else ""
        return [
            f'Digest realm="{self._quoted_realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{tail}'
            for algorithm in algorithms
        ]

    def verify(
        self,
        credentials: Sequence[str],
        method: str,
        request_uri: str,
        wall: float,
        accounts: Callable[[str], Sequence[Ha1]],
        algorithms: Collection[Algorithm],
    ) -> Verdict:
        """Judge the values of Proxy-Authorization. Raises nothing.

        `accounts` gives the HA1s of a user name (one for each list that has it; empty when unknown);
        `algorithms` are those that the domain allows.
        """
        verdict: Verdict = _NO_CREDENTIALS
        for value in credentials[:_MOST_CREDENTIALS]:
            try:
                answer = _read_credentials(value, self._realm, algorithms)
                _check_uri(answer.uri, request_uri)
                found: Verdict = self._judge(answer, method, wall, accounts)
            except _NotForUs as foreign:
                found = Absent(str(foreign))
            except DigestError as error:
                found = Wrong(str(error))
            if isinstance(found, Passed):
                return found
            if isinstance(found, Stale) or isinstance(verdict, Absent):
                verdict = found
        return verdict

    def _judge(
        self, answer: _Answer, method: str, wall: float, accounts: Callable[[str], Sequence[Ha1]]
    ) -> Passed | Stale | Wrong:
        known = accounts(answer.username)
        # An unknown user is computed like a known one: neither text nor time tells which names exist.
        matches = [answer.matches(account, method) for account in known or _NOBODY]
        if not known or not any(matches):
            return Wrong("wrong user name or password", answer.username)
        # The nonce comes after the response: RFC 7616 §3.3 wants `stale` only for who knows the password.
        made_at = self._made_at(answer.nonce)
        if made_at is None or not -_CLOCK_SKEW <= wall - made_at <= self._lifetime:
            return Stale(answer.username)
        if not self._count(answer.nonce, answer.count, wall):
            return Wrong("nonce count replayed", answer.username)
        return Passed(answer.username)

    def _new_nonce(self, wall: float) -> str:
        # The serial number keeps nonces apart that are made in one microsecond: each has its own count.
        self._challenges_made = (self._challenges_made + 1) & 0xFFFFFF
        stamp = f"{int(wall * 1e6):014x}{self._challenges_made:06x}"
        return stamp + self._seal(stamp)

    def _made_at(self, nonce: str) -> float | None:
        """When the nonce was made, by us or by a node with our secret; None when by neither."""
        stamp, seal = nonce[:_STAMP_LENGTH], nonce[_STAMP_LENGTH:]
        if len(nonce) != _NONCE_LENGTH or not hmac.compare_digest(_wire(self._seal(stamp)), _wire(seal)):
            return None
        return int(stamp[:14], 16) / 1e6

    def _seal(self, stamp: str) -> str:
        return hmac.digest(self._secret, _wire(f"{stamp}:{self._realm}"), "sha256")[:16].hex()

    def _count(self, nonce: str, count: int | None, wall: float) -> bool:
        """Note that `nonce` was used with `count`; False when that, or a higher one, was used before."""
        if wall >= self._page_ends:
            # A page covers the longest life that a nonce can still have, so two pages cover every live nonce.
            page = self._lifetime + _CLOCK_SKEW
            self._earlier = self._seen if wall < self._page_ends + page else {}
            self._seen = {}
            self._page_ends = wall + page
        highest = self._seen.get(nonce) or self._earlier.get(nonce, 0)
        if count is None:
            # Without qop there is no count (RFC 2069): such an answer uses up the nonce.
            count = _SPENT if highest == 0 else 0
        if count <= highest:
            return False
        self._seen[nonce] = count
        return True


def answer(
    challenges: Sequence[str],
    method: str,
    uri: str,
    username: str,
    password: str,
    cnonce: str,
) -> str | None:
    """The value of (Proxy-)Authorization for the strongest challenge that we can answer, None for none.

    RFC 8760 §2.4 takes the topmost unless a local policy says otherwise. Ours does: a peer that puts MD5
    first does so for clients that read no further. A nonce is answered once, so its count is always 1.
    """
    offers: list[dict[str, str]] = []
    for value in challenges:
        try:
            offers.append(_read_challenge(value))
        except DigestError:
            continue  # one unreadable or foreign challenge does not spoil the others
    if not offers:
        return None
    best = max(offers, key=lambda offer: _RANK[_algorithm(offer)])
    try:
        return _authorization(best, method, uri, (username, password), cnonce)
    except (DigestError, UriError):
        return None  # text that cannot be quoted or encoded, such as a control character in the realm


class _NotForUs(DigestError):
    """Another scheme or another realm: credentials that some other proxy asked for."""


class _Answer:
    """Digest credentials, read and checked for form."""

    __slots__ = ("algorithm", "count", "nonce", "qop_part", "response", "uri", "username")

    def __init__(self, params: dict[str, str], algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.username = _required(params, "username")
        self.nonce = _required(params, "nonce")
        self.uri = _required(params, "uri")
        self.response = _required(params, "response").lower()
        self.count: int | None = None
        self.qop_part = ""
        qop = params.get("qop")
        if qop is None:
            return
        if qop.lower() != "auth":
            raise DigestError(f"qop {qop!r} is not offered")
        count = _required(params, "nc")
        if not _NONCE_COUNT.fullmatch(count):
            raise DigestError(f"nonce count {count!r} is not a hexadecimal number")
        self.count = int(count, 16)
        self.qop_part = f"{count}:{_required(params, 'cnonce')}:{qop}:"

    def matches(self, account: Ha1, method: str) -> bool:
        """Whether the response is the one that this account gives (RFC 7616 §3.4.1), in constant time."""
        secret = account.md5 if self.algorithm is Algorithm.MD5 else account.sha256
        expected = _response(secret, self.nonce, self.qop_part, f"{method}:{self.uri}", self.algorithm)
        return hmac.compare_digest(expected.encode(), _wire(self.response))


def _read_credentials(value: str, realm: str, algorithms: Collection[Algorithm]) -> _Answer:
    params = _read_params(value)
    if params.get("realm") != realm:
        raise _NotForUs(f"credentials are for realm {params.get('realm', '')!r}")
    algorithm = _algorithm(params)
    if algorithm not in algorithms:
        raise DigestError(f"algorithm {algorithm} is not allowed")
    return _Answer(params, algorithm)


def _check_uri(uri: str, request_uri: str) -> None:
    """The credentials must be for this request (RFC 7616 §3.4.6), or at least for its host.

    RFC 3261 §22.4 does not insist on the user part, and SIPp and some SBCs sign `sip:host:port` alone. Another
    user part is refused: it belongs to another call.
    """
    if uri == request_uri:
        return
    try:
        signed, requested = SipUri.parse(uri), SipUri.parse(request_uri)
    except UriError as error:
        raise DigestError(f"the uri of the credentials is not that of the request: {error}") from error
    if signed != requested and (signed.user is not None or signed.host != requested.host):
        raise DigestError(f"the uri of the credentials, {uri!r}, is not that of the request")


def _read_challenge(value: str) -> dict[str, str]:
    params = _read_params(value)
    _required(params, "realm")
    _required(params, "nonce")
    _algorithm(params)
    if "qop" in params and "auth" not in params["qop"].lower().replace(",", " ").split():
        raise DigestError(f"qop {params['qop']!r} holds nothing that we can do")
    return params


def _authorization(challenge: dict[str, str], method: str, uri: str, account: tuple[str, str], cnonce: str) -> str:
    username, password = account
    algorithm = _algorithm(challenge)
    realm, nonce = challenge["realm"], challenge["nonce"]
    # RFC 7616 §3.4: qop, cnonce and nc stand in the answer if, and only if, the challenge has a qop
    qop_part = f"{_FIRST}:{cnonce}:auth:" if "qop" in challenge else ""
    secret = ha1(username, realm, password, algorithm)
    text = (
        f'Digest username="{quoted(username)}", realm="{quoted(realm)}", nonce="{quoted(nonce)}", '
        f'uri="{quoted(uri)}", response="{_response(secret, nonce, qop_part, f"{method}:{uri}", algorithm)}"'
    )
    if "algorithm" in challenge:
        text += f", algorithm={algorithm}"
    if qop_part:
        text += f', cnonce="{quoted(cnonce)}", qop=auth, nc={_FIRST}'
    if "opaque" in challenge:
        text += f', opaque="{quoted(challenge["opaque"])}"'
    return text


def _read_params(value: str) -> dict[str, str]:
    """The auth-params of a Digest challenge or credentials, names in lower case, quoted values unquoted."""
    scheme = _SCHEME.match(value)
    if scheme is None:
        raise _NotForUs(f"scheme {value.split(maxsplit=1)[0][:20]!r}" if value.strip() else "no scheme")
    params: dict[str, str] = {}
    at, end = scheme.end(), len(value)
    while at < end:
        match = _PARAM.match(value, at)
        if match is None:
            raise DigestError(f"unreadable parameter at {value[at : at + 20]!r}")
        name, quoted_text, token = match.groups()
        name = name.lower()
        if name in params:
            raise DigestError(f"parameter {name!r} stands twice")
        if token is None:
            token = re.sub(r"\\(.)", r"\1", quoted_text) if "\\" in quoted_text else quoted_text
        params[name] = token
        at = match.end()
    return params


def _required(params: dict[str, str], name: str) -> str:
    value = params.get(name)
    if value is None:
        raise DigestError(f"parameter {name!r} is missing")
    return value


_ALGORITHMS: Final = {algorithm.lower(): algorithm for algorithm in Algorithm}
_RANK: Final = {algorithm: rank for rank, algorithm in enumerate(Algorithm)}


def _algorithm(params: dict[str, str]) -> Algorithm:
    name = params.get("algorithm")
    if name is None:
        return Algorithm.MD5  # RFC 7616 §3.3: the default of an absent parameter
    algorithm = _ALGORITHMS.get(name.lower())
    if algorithm is None:
        raise DigestError(f"algorithm {name!r} is not known here")
    return algorithm


def _response(secret: str, nonce: str, qop_part: str, a2: str, algorithm: Algorithm) -> str:
    """KD(H(A1), nonce:nc:cnonce:qop:H(A2)), without the three in the middle when there is no qop (§3.4.1)."""
    return _hash(f"{secret}:{nonce}:{qop_part}{_hash(a2, algorithm)}", algorithm)


def _hash(text: str, algorithm: Algorithm) -> str:
    if algorithm is Algorithm.MD5:
        # A Python built for FIPS refuses MD5 otherwise; here the peer decides, not we.
        return hashlib.md5(_wire(text), usedforsecurity=False).hexdigest()
    return hashlib.sha256(_wire(text)).hexdigest()


def _wire(text: str) -> bytes:
    """The bytes that the text had on the wire."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise DigestError("text that never was bytes on a wire") from error
