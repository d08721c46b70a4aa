"""The challenging end of SIP digest (RFC 7616, RFC 8760, RFC 3261 §22): challenges, and the verdict on an answer.

No password and no session is kept: a nonce is a time and a serial number under an HMAC, so every node with the
same secret verifies every challenge. Verified are user, realm, nonce, URI, qop, nonce count, method and algorithm.
Refused are qop `auth-int`, `-sess` algorithms and user name hashing (never offered), and a nonce count that was
used before. `wall` is in seconds since 1970.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.digest import (
    Algorithm,
    DigestError,
    Ha1,
    NotForUs,
    algorithm_of,
    read_params,
    required,
    response_of,
    wire,
)
from byoc_proxy.sip.uri import SipUri, UriError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_NONCE_COUNT: Final = re.compile(r"[0-9A-Fa-f]{1,8}")
_STAMP_LENGTH: Final = 20  # 14 hex digits of microseconds, 6 of a serial number
_SEAL_BYTES: Final = 12  # 16 characters: a challenge must not be longer than the INVITE that it answers
_NONCE_LENGTH: Final = _STAMP_LENGTH + 16
_CLOCK_SKEW: Final = 5.0  # how far ahead the clock of a sibling node may be
_SPENT: Final = 1 << 32  # above every nonce count: eight hex digits
_MOST_CREDENTIALS: Final = 8  # a request has one for each proxy on its path; a flood of them is not worth hashing


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
            except NotForUs as foreign:
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
        if len(nonce) != _NONCE_LENGTH or not hmac.compare_digest(wire(self._seal(stamp)), wire(seal)):
            return None
        return int(stamp[:14], 16) / 1e6

    def _seal(self, stamp: str) -> str:
        seal = hmac.digest(self._secret, wire(f"{stamp}:{self._realm}"), "sha256")[:_SEAL_BYTES]
        return urlsafe_b64encode(seal).decode("ascii")

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


class _Answer:
    """Digest credentials, read and checked for form."""

    __slots__ = ("algorithm", "count", "nonce", "qop_part", "response", "uri", "username")

    def __init__(self, params: dict[str, str], algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.username = required(params, "username")
        self.nonce = required(params, "nonce")
        self.uri = required(params, "uri")
        self.response = required(params, "response").lower()
        self.count: int | None = None
        self.qop_part = ""
        qop = params.get("qop")
        if qop is None:
            return
        if qop.lower() != "auth":
            raise DigestError(f"qop {qop!r} is not offered")
        count = required(params, "nc")
        if not _NONCE_COUNT.fullmatch(count):
            raise DigestError(f"nonce count {count!r} is not a hexadecimal number")
        self.count = int(count, 16)
        self.qop_part = f"{count}:{required(params, 'cnonce')}:{qop}:"

    def matches(self, account: Ha1, method: str) -> bool:
        """Whether the response is the one that this account gives (RFC 7616 §3.4.1), in constant time."""
        secret = account.md5 if self.algorithm is Algorithm.MD5 else account.sha256
        expected = response_of(secret, self.nonce, self.qop_part, f"{method}:{self.uri}", self.algorithm)
        return hmac.compare_digest(expected.encode(), wire(self.response))


def _read_credentials(value: str, realm: str, algorithms: Collection[Algorithm]) -> _Answer:
    params = read_params(value)
    if params.get("realm") != realm:
        raise NotForUs(f"credentials are for realm {params.get('realm', '')!r}")
    algorithm = algorithm_of(params)
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
