"""TLS with a stack that is not Python's: baresip at both ends, each side looks at the other's certificate."""

from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.baresip import baresip
from tests.support.daemon import DOMAIN, configuration, daemon

pytestmark = pytest.mark.wire


async def test_two_telephones_talk_over_tls_and_the_callee_holds_on_a_connection_of_its_own(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    async with baresip(tmp_path / "callee", authority=authority) as callee:
        host, port = callee.address
        document = authority.secure(configuration(f"sip:{host}:{port + 1};transport=tls"), tmp_path)
        async with daemon(tmp_path, document) as proxy:
            way = f"sip:{proxy.tls[0]}:{proxy.tls[1]};transport=tls"
            async with baresip(
                tmp_path / "caller", host="127.0.0.41", user="alice", outbound=way, authority=authority
            ) as caller:
                await caller.does("dial", f"sip:+15550100@{DOMAIN}")
                await caller.has("CALL_ESTABLISHED")
                await callee.has("CALL_ESTABLISHED")
                await callee.does("hold")
                await caller.has("CALL_REMOTE_SDP", param="offer")
                await callee.has("CALL_REMOTE_SDP", param="answer")
                await caller.does("hangup")
                await callee.has("CALL_CLOSED")
                record = await proxy.record()
    assert record["status"] == "completed"
    assert (record["source"].split()[0], record["attempts"][0]["address"].split()[0]) == ("TLS", "TLS")
