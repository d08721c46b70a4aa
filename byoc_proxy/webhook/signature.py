"""X-Twilio-Signature: how an application knows that a request comes from its own installation.

Base64 of HMAC-SHA1 (RFC 2104) keyed with the account's auth token, over the URL as requested and, for a
form, the decoded parameters sorted by name and value, repeated pairs once, without separators. A GET has
its parameters in the URL; a JSON body is covered by `bodySHA256` in the query. Published by Twilio under
"Webhooks security"; the validators of its SDKs are the judges.
"""

from __future__ import annotations

import hmac
import re
from binascii import b2a_base64
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT_PORT: Final = re.compile(r"(http://[^/?#]*):80(?=[/?#]|$)|(https://[^/?#]*):443(?=[/?#]|$)", re.IGNORECASE)


def sign(url: str, params: Sequence[tuple[str, str]] | None, token: str) -> str:
    """The signature of a request to `url`; `params` are those of a POSTed form, None for anything else."""
    text = signed_url(url)
    if params:
        # Pairs sort by name, then value, and a set drops repeats: the algorithm in one expression
        text += "".join(name + value for name, value in sorted(set(params)))
    digest = hmac.digest(token.encode(), text.encode(), "sha1")
    return b2a_base64(digest, newline=False).decode("ascii")


def signed_url(url: str) -> str:
    """`url` as a server can see it: no fragment, and no port where it is the scheme's own (RFC 9110 §4.2)."""
    url = url.partition("#")[0]
    match = _DEFAULT_PORT.match(url)
    return url if match is None else (match[1] or match[2]) + url[match.end() :]


def body_sha256(body: bytes) -> str:
    """The value of `bodySHA256` for a body that is not a form: lower-case hexadecimal."""
    return sha256(body).hexdigest()
