"""NSD, an authoritative name server that refuses what is not right, with zones of the tests on loopback."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tests.support.daemon import free_for_both
from tests.support.programs import Program, installed, program, run

__all__ = ["checked", "name_server"]

HOST = "127.0.0.53"
PACKAGE = "nsd"
CONFIGURATION = """
server:
  ip-address: {host}@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  database: ""
  pidfile: ""
  xfrdfile: "{directory}/xfrd.state"
  xfrdir: "{directory}"
  zonelistfile: "{directory}/zone.list"
  hide-version: yes
remote-control:
  control-enable: no
"""
ZONE = """
zone:
  name: "{origin}"
  zonefile: "{origin}.zone"
"""


async def checked(directory: Path, origin: str, zone: str) -> str:
    """What nsd-checkzone says of a zone; fails if it would not be loaded."""
    (directory / f"{origin}.zone").write_text(zone, encoding="utf-8")
    binary = installed("nsd-checkzone", PACKAGE)
    code, said = await run(directory, binary, origin, f"{directory}/{origin}.zone")
    assert code == 0, said
    return said


@contextlib.asynccontextmanager
async def name_server(directory: Path, zones: Mapping[str, str]) -> AsyncIterator[tuple[str, int]]:
    """A server of these zones (origin to text); yields its address and port, the same for UDP and TCP."""
    port = free_for_both(HOST)
    text = CONFIGURATION.format(host=HOST, port=port, directory=directory)
    for origin, zone in zones.items():
        (directory / f"{origin}.zone").write_text(zone, encoding="utf-8")
        text += ZONE.format(origin=origin)
    (directory / "nsd.conf").write_text(text, encoding="utf-8")
    server: Program
    async with program(directory, installed("nsd", PACKAGE), "-d", "-c", f"{directory}/nsd.conf") as server:
        await server.listening([("udp", HOST, port), ("tcp", HOST, port)])
        yield HOST, port
        assert "error" not in server.said, server.said
