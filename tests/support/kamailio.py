"""A stock Kamailio as a record-routing proxy: `tests/wire/peers/kamailio.cfg`."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.daemon import free_for_both
from tests.support.programs import Protocol, installed, program

__all__ = ["Address", "kamailio"]

Address = tuple[str, int]
CONFIGURATION = Path(__file__).resolve().parent.parent / "wire" / "peers" / "kamailio.cfg"
LITTLE = ("-m", "16", "-M", "4")  # megabytes of memory, shared and per child


@contextlib.asynccontextmanager
async def kamailio(
    directory: Path,
    next_hop: str,
    *,
    host: str = "127.0.0.30",
    port: int = 0,
    strict_for: str = "",
    stranded: bool = False,
) -> AsyncIterator[Address]:
    """A proxy that listens at the address it gives, over UDP and TCP, and sends new calls to the URI `next_hop`.

    `strict_for`: it is a strict router (RFC 3261 §16.12.1.2), and drops requests inside a dialog that come from
    this address and do not treat it as one. `stranded`: it may complain, as it cannot reach its next hop.
    """
    address = (host, port or free_for_both(host))
    defines = ["-A", f"PLACE={host}:{address[1]}", "-A", f"HOST={host}", "-A", f'NEXT_HOP="{next_hop}"']
    if strict_for:
        defines += ["-A", f"STRICT={strict_for}"]
    command = [installed("kamailio", "kamailio"), "-DD", "-E", "-e", "-f", str(CONFIGURATION)]
    places = ["-w", str(directory), "-Y", str(directory)]
    protocols: tuple[Protocol, ...] = ("udp", "tcp")
    async with program(directory, *command, *LITTLE, *places, *defines) as running:
        await running.listening((protocol, *address) for protocol in protocols)
        yield address
    assert stranded or "ERROR" not in running.said, running.said
