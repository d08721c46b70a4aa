"""A stock Kamailio as a record-routing proxy: `tests/wire/peers/kamailio.cfg`."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.daemon import free_for_both
from tests.support.programs import Protocol, installed, program

__all__ = ["OURS", "Address", "kamailio"]

Address = tuple[str, int]
OURS = "127.0.0.10"  # where the daemon of the tests is
CONFIGURATION = Path(__file__).resolve().parent.parent / "wire" / "peers" / "kamailio.cfg"
LITTLE = ("-m", "16", "-M", "4")  # megabytes of memory, shared and per child


@contextlib.asynccontextmanager
async def kamailio(
    directory: Path,
    next_hop: str,
    *,
    host: str = "127.0.0.30",
    strict: bool = False,
    password: str = "",
    algorithm: str = "MD5",
    stranded: bool = False,
) -> AsyncIterator[Address]:
    """A proxy that listens at the address it gives, over UDP and TCP, and sends new calls to the URI `next_hop`.

    `strict`: it is a strict router (RFC 3261 §16.12.1.2), and drops requests inside a dialog that come from `OURS`
    and do not treat it as one. `password`: it challenges every request from `OURS` (RFC 3261 §22.3).
    `stranded`: it may complain, as it cannot reach its next hop.
    """
    address = (host, free_for_both(host))
    values = {"PLACE": f"{host}:{address[1]}", "HOST": host, "NEXT_HOP": f'"{next_hop}"', "OURS": OURS}
    if password:
        values |= {"PASSWORD": f'"{password}"', "ALGORITHM": f'"{algorithm}"'}
    defines = [f"{name}={value}" for name, value in values.items()] + ["STRICT"] * strict
    command = [installed("kamailio", "kamailio"), "-DD", "-E", "-e", "-f", str(CONFIGURATION)]
    places = ["-w", str(directory), "-Y", str(directory)]
    protocols: tuple[Protocol, ...] = ("udp", "tcp")
    async with program(
        directory, *command, *LITTLE, *places, *(word for each in defines for word in ("-A", each))
    ) as running:
        await running.listening((protocol, *address) for protocol in protocols)
        yield address
    assert stranded or "ERROR" not in running.said, running.said
