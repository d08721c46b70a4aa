"""Probes of others: whether we are alive, asked by a monitoring tool (RFC 3261 §11)."""

from pathlib import Path

import pytest

from tests.support.daemon import configuration, daemon
from tests.support.programs import installed, run

pytestmark = pytest.mark.wire


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_probe_with_sipsak_is_answered(tmp_path: Path, transport: str) -> None:
    sipsak = installed("sipsak", "sipsak")
    async with daemon(tmp_path, configuration("sip:127.0.0.20:5060")) as proxy:
        host, port = proxy.udp
        code, said = await run(tmp_path / "probe", sipsak, "-vv", "-E", transport, "-s", f"sip:{host}:{port}")
    assert code == 0, said
    assert "SIP/2.0 200" in said
    assert "Allow: INVITE" in said
