"""In whose name a request comes, and which account it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.trunk.model import Account


@dataclass(frozen=True, slots=True)
class Scope:
    """`principal` has shown its token, or `key_sid` a key of it; `account` is it or one of its sub-accounts.

    `base` is the address that the client reached us at, `https://host:port`, for the absolute links of v1.
    """

    principal: Account
    account: Account
    directory: Directory
    base: str
    key_sid: str | None = None
