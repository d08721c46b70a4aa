"""Flows: where a message came from and can go back to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from byoc_proxy.sip.uri import bracketed

if TYPE_CHECKING:
    from byoc_proxy.sip.headers import Via

Address = tuple[str, int]
Verify = Literal["full", "chain", "off"]


def place_of(transport: str, place: Address) -> str:
    """A place as logs and records have it: `UDP 192.0.2.1:5060`, `TCP [2001:db8::1]:5060`."""
    return f"{transport} {bracketed(place[0])}:{place[1]}"


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

    def went_over(self, stream: Flow) -> bool:
        """Whether what was sent on this flow went over that connection: its own, or the one opened in its place."""
        if self.connection or not self.reliable:
            return self.connection == stream.connection
        return (self.transport, self.remote) == (stream.transport, stream.remote)

    @property
    def reliable(self) -> bool:
        return self.transport != "UDP"


def reply_flow(via: Via, flow: Flow) -> Flow:
    """Where a response goes (§18.2.2, RFC 3581 §4): the stream it came on; on UDP the source.

    Without `rport` the RFC names the port of the Via. That is right for a peer that is where its Via says it is
    (it may send from another port than it listens on), and wrong for one behind a NAT, whose Via names an address
    we cannot see: there the source port is the only one that leads back.
    """
    if flow.reliable or "rport" in via.params or "received" in via.params:
        return flow
    return flow._replace(remote=(flow.remote[0], via.port or 5060))


def reopened(flow: Flow, host: str, port: int | None, name: str = "") -> Flow:
    """A flow in the place of one whose connection is gone: it has none until something is sent on it.

    Over TLS it leads to who was there before (RFC 5922 §7.3): the name that was verified, whichever side connected,
    else to `name`.
    """
    if flow.transport != "TLS":
        return flow._replace(remote=(host, port or 5060), connection=0)
    proved = flow.certificate.names if flow.certificate is not None else ()
    name = flow.server_name or next(iter(proved), name)
    return flow._replace(remote=(host, port or 5061), connection=0, server_name=name)


def contact_of(flow: Flow) -> str:
    """Our Contact on a flow: the advertised address of its listener, never `sips` (one per leg and transport)."""
    transport = "" if flow.transport == "UDP" else f";transport={flow.transport.lower()}"
    return f"<sip:{flow.sent_by}{transport}>"
