"""Flows: where a message came from and can go back to."""

from __future__ import annotations

from typing import NamedTuple

Address = tuple[str, int]


class Flow(NamedTuple):
    """Where a message came from and can go back to (RFC 3261 §18, the word of RFC 5626).

    `sent_by` is our advertised `host:port` for Via and Contact; `connection` numbers a stream connection (0 on
    UDP); `server_name` is the name a TLS peer was verified as.
    """

    transport: str
    local: Address
    remote: Address
    sent_by: str
    connection: int = 0
    server_name: str = ""

    @property
    def reliable(self) -> bool:
        return self.transport != "UDP"
