"""What both ends of SIP digest authentication share: parameters, hashes, HA1 (RFC 7616, RFC 8760, RFC 3261 §22).

`digest_server` challenges and verifies, `digest_client` answers. Header text is what the parser makes of wire
bytes: UTF-8 with surrogate escapes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_SCHEME: Final = re.compile(r"[ \t]*digest[ \t]+", re.IGNORECASE)
# One auth-param and the comma after it (RFC 3261 §25.1). Possessive: hostile text costs linear time.
_PARAM: Final = re.compile(
    r"[ \t,]*+([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*+=[ \t]*+"
    r"(?:\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)\"|([^\s,\"]++))[ \t]*+(?:,[ \t,]*+|\Z)",
    re.DOTALL,
)


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


def ha1(username: str, realm: str, password: str, algorithm: Algorithm) -> str:
    """H(username:realm:password) in hex (RFC 7616 §3.4.2)."""
    return hashed(f"{username}:{realm}:{password}", algorithm)


class NotForUs(DigestError):
    """Another scheme or another realm: credentials that some other proxy asked for."""


def read_params(value: str) -> dict[str, str]:
    """The auth-params of a Digest challenge or credentials, names in lower case, quoted values unquoted."""
    scheme = _SCHEME.match(value)
    if scheme is None:
        raise NotForUs(f"scheme {value.split(maxsplit=1)[0][:20]!r}" if value.strip() else "no scheme")
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


def required(params: dict[str, str], name: str) -> str:
    """A parameter that must be there; `DigestError` when it is not."""
    value = params.get(name)
    if value is None:
        raise DigestError(f"parameter {name!r} is missing")
    return value


_ALGORITHMS: Final = {algorithm.lower(): algorithm for algorithm in Algorithm}
RANK: Final = {algorithm: rank for rank, algorithm in enumerate(Algorithm)}


def algorithm_of(params: dict[str, str]) -> Algorithm:
    """The algorithm that the parameters name; `DigestError` for one that is not ours."""
    name = params.get("algorithm")
    if name is None:
        return Algorithm.MD5  # RFC 7616 §3.3: the default of an absent parameter
    algorithm = _ALGORITHMS.get(name.lower())
    if algorithm is None:
        raise DigestError(f"algorithm {name!r} is not known here")
    return algorithm


def response_of(secret: str, nonce: str, qop_part: str, a2: str, algorithm: Algorithm) -> str:
    """KD(H(A1), nonce:nc:cnonce:qop:H(A2)), without the three in the middle when there is no qop (§3.4.1)."""
    return hashed(f"{secret}:{nonce}:{qop_part}{hashed(a2, algorithm)}", algorithm)


def hashed(text: str, algorithm: Algorithm) -> str:
    """H(text) in hex."""
    if algorithm is Algorithm.MD5:
        # A Python built for FIPS refuses MD5 otherwise; here the peer decides, not we.
        return hashlib.md5(wire(text), usedforsecurity=False).hexdigest()
    return hashlib.sha256(wire(text)).hexdigest()


def wire(text: str) -> bytes:
    """The bytes that the text had on the wire."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise DigestError("text that never was bytes on a wire") from error
