"""The answering end of SIP digest (RFC 7616, RFC 8760, RFC 3261 §22)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.digest import RANK, DigestError, algorithm_of, ha1, read_params, required, response_of
from byoc_proxy.sip.uri import UriError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from byoc_proxy.sip.message import Response

_FIRST: Final = "00000001"  # the nonce count of our own answers
# Who asks, in which header, and where the answer stands (RFC 3261 §22.2, §22.3)
_ASKED: Final = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
# What a dialog writes into every request of its own (RFC 3261 §12.2.1.1), and the answers to challenges
_WRITTEN_ANEW: Final = frozenset(
    "via max-forwards route from to call-id cseq contact content-length authorization proxy-authorization".split()
)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What we say to a far end that asks who we are; to that `realm` only if one is given. Never in a `repr`."""

    username: str
    password: str
    realm: str | None = None


class Proof:
    """What one request has answered to challenges so far: a server (401) and a proxy before it (407) may both ask.

    Each is answered once, and once more if it finds the nonce stale (RFC 7616 §3.3). Who asks again after that does
    not believe us, and would ask for ever.
    """

    __slots__ = ("_answers", "_credentials", "_renewed")

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._answers: dict[str, str] = {}
        self._renewed: set[str] = set()

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The headers that the request carries now."""
        return tuple(self._answers.items())

    def takes(self, response: Response, method: str, uri: str, cnonce: str) -> bool:
        """Answer `response`; False when it is no challenge, or none that we (still) have an answer to."""
        asked = _ASKED.get(response.status)
        if asked is None:
            return False
        header, field = asked
        challenges = [value for value in response.headers.all(header) if self._is_for_us(value)]
        if field in self._answers:
            challenges = [value for value in challenges if _is_stale(value)]
            if field in self._renewed:
                return False
            self._renewed.add(field)
        login = self._credentials
        value = answer(challenges, method, uri, login.username, login.password, cnonce)
        if value is None:
            return False
        self._answers[field] = value
        return True

    def _is_for_us(self, challenge: str) -> bool:
        return self._credentials.realm is None or _params(challenge).get("realm") == self._credentials.realm


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
    best = max(offers, key=lambda offer: RANK[algorithm_of(offer)])
    try:
        return _authorization(best, method, uri, (username, password), cnonce)
    except (DigestError, UriError):
        return None  # text that cannot be quoted or encoded, such as a control character in the realm


def without_proof(fields: Iterable[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """What of a challenged in-dialog request is said again: not the dialog's own headers, and no old answers."""
    return [(name, value) for key, name, value in fields if key not in _WRITTEN_ANEW]


def _is_stale(challenge: str) -> bool:
    return _params(challenge).get("stale", "").lower() == "true"


def _params(challenge: str) -> dict[str, str]:
    try:
        return read_params(challenge)
    except DigestError:
        return {}


def _read_challenge(value: str) -> dict[str, str]:
    params = read_params(value)
    required(params, "realm")
    required(params, "nonce")
    algorithm_of(params)
    if "qop" in params and "auth" not in params["qop"].lower().replace(",", " ").split():
        raise DigestError(f"qop {params['qop']!r} holds nothing that we can do")
    return params


def _authorization(challenge: dict[str, str], method: str, uri: str, account: tuple[str, str], cnonce: str) -> str:
    username, password = account
    algorithm = algorithm_of(challenge)
    realm, nonce = challenge["realm"], challenge["nonce"]
    # RFC 7616 §3.4: qop, cnonce and nc stand in the answer if, and only if, the challenge has a qop
    qop_part = f"{_FIRST}:{cnonce}:auth:" if "qop" in challenge else ""
    secret = ha1(username, realm, password, algorithm)
    text = (
        f'Digest username="{quoted(username)}", realm="{quoted(realm)}", nonce="{quoted(nonce)}", '
        f'uri="{quoted(uri)}", response="{response_of(secret, nonce, qop_part, f"{method}:{uri}", algorithm)}"'
    )
    if "algorithm" in challenge:
        text += f", algorithm={algorithm}"
    if qop_part:
        text += f', cnonce="{quoted(cnonce)}", qop=auth, nc={_FIRST}'
    if "opaque" in challenge:
        text += f', opaque="{quoted(challenge["opaque"])}"'
    return text
