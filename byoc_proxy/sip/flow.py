"""Flows: where a message came from and can go back to."""

from __future__ import annotations

from typing import Literal, NamedTuple

Address = tuple[str, int]
Verify = Literal["full", "chain", "off"]


class TlsTerms(NamedTuple):
    """What a TLS connection of ours asks of the far end and shows it. What is empty is as the node has it.

    `verify`: the chain and the name (`full`, RFC 5922), the chain alone, or nothing. `name`: the identity that the
    far end's certificate must hold, where that is not the host of the target. The rest are names of PEM files.
    """

    verify: Verify | Literal[""] = ""
    name: str = ""
    ca_file: str = ""
    certificate: str = ""
    private_key: str = ""


class PeerCertificate(NamedTuple):
    """What a verified certificate of the far end says.

    `names` are its SIP domain identities (RFC 5922 §7.1), `chain` the SHA-256 fingerprints of all certificates on
    the verified way from it to an authority, as hex digits.
    """

    names: tuple[str, ...]
    chain: frozenset[str]


class Flow(NamedTuple):
    """Where a message came from and can go back to (RFC 3261 §18, the word of RFC 5626).

    `sent_by` is our advertised `host:port` for Via and Contact; `connection` numbers a stream connection (0 on
    UDP); `server_name` is the name a TLS peer that we connected to was verified as, on which `terms`;
    `certificate` is what a TLS peer that connected to us has shown. `tentative`: a connection that is not there is
    worth a short wait only, because there is another way.
    """

    transport: str
    local: Address
    remote: Address
    sent_by: str
    connection: int = 0
    server_name: str = ""
    terms: TlsTerms | None = None
    certificate: PeerCertificate | None = None
    tentative: bool = False

    @property
    def reliable(self) -> bool:
        return self.transport != "UDP"
