"""A stock Kamailio, as a record-routing proxy and as a load balancer: the configurations in `tests/wire/peers`."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.daemon import free_for_both
from tests.support.programs import Program, Protocol, installed, program
from tests.support.sipp import free_port

__all__ = ["OURS", "Address", "balancer", "kamailio"]

Address = tuple[str, int]
OURS = "127.0.0.10"  # where the daemon of the tests is
CONFIGURATIONS = Path(__file__).resolve().parent.parent / "wire" / "peers"
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
    async with _kamailio(directory, "kamailio.cfg", values, strict, ("udp", "tcp")) as running:
        yield address
    assert stranded or "ERROR" not in running.said, running.said


@contextlib.asynccontextmanager
async def balancer(
    directory: Path, *nodes: Address, host: str = "127.0.0.30"
) -> AsyncIterator[tuple[Address, Program]]:
    """A load balancer over UDP that asks its nodes each second with OPTIONS, and says `node is down: URI`."""
    address = (host, free_port(host))
    _write(directory / "nodes", "".join(f"1 sip:{node[0]}:{node[1]}\n" for node in nodes))
    values = {"PLACE": f"{host}:{address[1]}", "NODES": f'"{directory}/nodes"'}
    async with _kamailio(directory, "balancer.cfg", values, False, ("udp",)) as running:
        yield address, running
    assert "ERROR" not in running.said, running.said


@contextlib.asynccontextmanager
async def _kamailio(
    directory: Path, configuration: str, values: dict[str, str], strict: bool, protocols: tuple[Protocol, ...]
) -> AsyncIterator[Program]:
    defines = [f"{name}={value}" for name, value in values.items()] + ["STRICT"] * strict
    command = [installed("kamailio", "kamailio"), "-DD", "-E", "-e", "-f", str(CONFIGURATIONS / configuration)]
    places = ["-w", str(directory), "-Y", str(directory)]
    arguments = [*command, *LITTLE, *places, *(word for each in defines for word in ("-A", each))]
    host, port = values["PLACE"].split(":")
    async with program(directory, *arguments) as running:
        await running.listening((protocol, host, int(port)) for protocol in protocols)
        yield running


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
