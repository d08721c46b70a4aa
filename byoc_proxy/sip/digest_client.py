"""The answering end of SIP digest (RFC 7616, RFC 8760, RFC 3261 §22)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.digest import RANK, DigestError, algorithm_of, ha1, read_params, required, response_of
from byoc_proxy.sip.uri import UriError, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST: Final = "00000001"  # the nonce count of our own answers


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
