"""Secrets at rest: sealed where they are needed again, hashed where recognising them is enough. And fresh ones.

Sealed text is `version (1 byte) | nonce (12) | AES-256-GCM ciphertext and tag`, with the SID of its row as
associated data: a sealed token that is copied to another row does not open there.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import string
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_ALPHABET: Final = string.ascii_letters + string.digits
_SECRET_LENGTH: Final = 32


class Unsealable(Exception):
    """Sealed with another key, for another row, or damaged."""


class Vault:
    """Seals and opens with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)

    def seal(self, text: str, sid: str) -> bytes:
        """`text` for the row `sid`; never twice the same bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), sid.encode())

    def open(self, sealed: bytes, sid: str) -> str:
        """What was sealed for the row `sid`. `Unsealable`."""
        if sealed[:1] != _VERSION:
            raise Unsealable(f"the secret of {sid} has a format that this program does not know")
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, sid.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise Unsealable(f"the secret of {sid} was sealed with another key, or for another row") from error


def new_sid(prefix: str) -> str:
    """A SID that nobody has: the two letters and 32 hex digits."""
    return prefix + secrets.token_hex(16)


def new_token() -> str:
    """An auth token: 32 hex digits."""
    return secrets.token_hex(16)


def new_secret() -> str:
    """The secret of an API key: 32 letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))


def hashed_secret(secret: str) -> bytes:
    """What is stored of an API key's secret. It is random and long, so a plain SHA-256 gives nothing away."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret(secret: str, stored: bytes) -> bool:
    """Whether `secret` is the one whose hash is stored; takes the same time either way."""
    return secrets.compare_digest(hashed_secret(secret), stored)
