"""Transfers by a telephone of somebody else's making: what each `refer` of a trunk comes to in its display."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.baresip import Baresip, baresip
from tests.support.daemon import DOMAIN, Daemon, configuration, daemon

pytestmark = pytest.mark.wire


@dataclass(frozen=True, slots=True)
class Office:
    """A caller, who talks to the first of two telephones of an office."""

    caller: Baresip
    first: Baresip
    second: Baresip
    proxy: Daemon


@contextlib.asynccontextmanager
async def office(directory: Path, refer: str) -> AsyncIterator[Office]:
    """The caller has called, and the first telephone is about to transfer the call."""
    async with (
        baresip(directory / "first") as first,
        baresip(directory / "second", host="127.0.0.42", user="+15550198") as second,
    ):
        document = configuration(f"sip:{first.place}", f"sip:{second.place}", refer=refer)
        # a telephone says 404 to the number of another: that is not the end here
        document["connection_policies"]["carriers"]["failover_stop_codes"] = [486]
        async with daemon(directory, document) as proxy:
            way = f"sip:{proxy.udp[0]}:{proxy.udp[1]}"
            async with baresip(directory / "caller", host="127.0.0.41", user="alice", outbound=way) as caller:
                await caller.does("dial", f"sip:+15550100@{DOMAIN}")
                await caller.has("CALL_ESTABLISHED")
                await first.has("CALL_ESTABLISHED")
                yield Office(caller, first, second, proxy)


async def test_a_transfer_that_the_trunk_does_not_allow_fails_at_the_telephone(tmp_path: Path) -> None:
    async with office(tmp_path, "reject") as scene:
        await scene.first.does("transfer", f"sip:+15550198@{DOMAIN}")
        failed = await scene.first.has("TRANSFER_FAILED")
        await scene.caller.has("CALL_CLOSED")  # baresip hangs up then, by itself
        record = await scene.proxy.record()
    assert failed["param"] == "405 Method Not Allowed"
    assert [event["code"] for event in record["events"]] == [13802]


async def test_a_transfer_that_we_carry_out_rings_the_other_telephone_and_lets_the_first_go(tmp_path: Path) -> None:
    async with office(tmp_path, "terminate") as scene:
        await scene.first.does("transfer", f"sip:+15550198@{DOMAIN}")
        await scene.second.has("CALL_ESTABLISHED")
        await scene.first.has("CALL_CLOSED")
        await scene.caller.does("hangup")
        await scene.second.has("CALL_CLOSED")
        record = await scene.proxy.record()
        told = fragments(scene.first)
    assert (told[0], told[-1]) == ("SIP/2.0 100 Trying", "SIP/2.0 200 OK")
    assert (record["status"], record["ended_by"]) == ("completed", "caller")


async def test_a_transfer_that_is_passed_on_makes_the_caller_call_anew(tmp_path: Path) -> None:
    async with office(tmp_path, "relay") as scene:
        await scene.first.does("transfer", f"sip:+15550198@{DOMAIN}")
        await scene.first.has("CALL_CLOSED")  # told by the caller that its new call was taken
        await scene.caller.does("hangup")
        records = await scene.proxy.records(2)
        told = fragments(scene.first)
    assert (told[0], told[-1]) == ("SIP/2.0 100 Trying", "SIP/2.0 200 OK")
    assert {record["to"] for record in records} == {"+15550100", "+15550198"}


def fragments(asker: Baresip) -> list[str]:
    """What the one who asked for a transfer was told of it."""
    notifies = [each.text for each in asker.received if each.start.startswith("NOTIFY")]
    return [text.rstrip().splitlines()[-1].strip() for text in notifies]
