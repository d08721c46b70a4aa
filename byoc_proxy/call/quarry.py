"""Who a hunt is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from byoc_proxy.call.intent import CallIntent
    from byoc_proxy.sip.digest_client import Credentials
    from byoc_proxy.trunk.model import ByocTrunk, ConnectionPolicy
    from byoc_proxy.trunk.origination import Destination
    from byoc_proxy.trunk.relaying import Border


@dataclass(slots=True)
class Quarry:
    """Who is to be reached: the leg's CallSid, what it says, where it may go, and under which policy.

    `credentials` are for a far end that asks: those of a `<Sip>` noun, or else of the policy. `border` decides
    what it may hear of the other leg later on. `fallback`: the same by the trunk's other policy, for when none of
    these destinations could place the call.
    """

    call_sid: str
    intent: CallIntent
    destinations: Sequence[Destination]
    policy: ConnectionPolicy
    trunk: ByocTrunk | None = None
    credentials: Credentials | None = None
    border: Border | None = None
    fallback: Quarry | None = None

    @property
    def is_fallback(self) -> bool:
        """Whether it goes another way than the trunk's own policy."""
        return self.trunk is not None and self.policy.sid != self.trunk.connection_policy_sid

    @property
    def trunk_sid(self) -> str | None:
        """The trunk that the call leaves on; a `<Sip>` noun leaves on none."""
        return self.trunk.sid if self.trunk is not None else None

    @property
    def called(self) -> str:
        """The number; where no trunk has numbers, the URI without password and headers."""
        if self.trunk is not None:
            return self.intent.number
        uri = self.destinations[0].uri
        return str(uri.with_user(uri.user).without_headers())
