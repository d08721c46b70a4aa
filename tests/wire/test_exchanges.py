"""Exchanges that SBCs have and telephones seldom show, played by SIPp on both sides of the running daemon."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.daemon import Document, configuration, daemon
from tests.support.sipp import Report, Sipp, Transport

pytestmark = pytest.mark.wire

SUFFIX: dict[Transport, str] = {"u1": "", "t1": ";transport=tcp"}


async def passed(
    directory: Path, caller: str, callee: str, transport: Transport, hold: float = 0.05
) -> tuple[Report, Report, Document]:
    """One call from a scenario to a scenario: what both say of it, and its record."""
    sipp = Sipp(directory)
    async with sipp.uas(callee, transport=transport, hold=hold) as uas:
        host, port = uas.address
        async with daemon(directory, configuration(f"sip:{host}:{port}{SUFFIX[transport]}")) as proxy:
            report = await sipp.uac(caller, proxy.udp, transport=transport, hold=hold)
            await proxy.record()
    assert uas.report is not None
    return report, uas.report, await proxy.record()  # as it is now: what comes late makes it anew


async def over_udp_and_tcp(directory: Path, caller: str, callee: str) -> list[tuple[Report, Report, Document]]:
    """The same call over each, at the same time."""
    return await asyncio.gather(*(passed(directory / way, caller, callee, way) for way in SUFFIX))


@pytest.mark.parametrize(
    ("caller", "callee"),
    [
        pytest.param(
            "uac_late_offer.xml", "uas_late_offer.xml", id="an INVITE without an offer: the callee makes it"
        ),
        pytest.param("uac_early_media.xml", "uas_early_media.xml", id="an announcement before the call is taken"),
        pytest.param("uac_plain.xml", "uas_forked.xml", id="two branches of a fork are taken: the second is ended"),
        pytest.param("uac_early_media.xml", "uas_100rel.xml", id="an announcement that must arrive, here only"),
        pytest.param("uac_100rel.xml", "uas_early_media.xml", id="an announcement that must arrive, there only"),
        pytest.param("uac_100rel.xml", "uas_100rel.xml", id="provisional responses that must arrive"),
    ],
)
async def test_an_exchange_of_carriers_passes_through(tmp_path: Path, caller: str, callee: str) -> None:
    for there, here, record in await over_udp_and_tcp(tmp_path, caller, callee):
        assert (there.exit_code, there.retransmissions) == (0, 0), there.errors + there.messages
        assert (here.successful, here.failed, here.retransmissions) == (1, 0, 0), here.errors + here.messages
        assert record["status"] == "completed"


async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended(tmp_path: Path) -> None:
    for there, here, record in await over_udp_and_tcp(tmp_path, "uac_cancel.xml", "uas_late_200.xml"):
        assert there.exit_code == 0, there.errors + there.messages
        assert (here.successful, here.failed) == (1, 0), here.errors + here.messages
        assert (record["status"], record["sip_status"]) == ("no-answer", 487)
        assert record["attempts"][0]["late"] == ["200 OK"]


async def test_a_carrier_that_acknowledges_late_hears_the_200_again(tmp_path: Path) -> None:
    there, here, record = await passed(tmp_path, "uac_late_ack.xml", "uas_answer.xml", "u1", hold=1.7)
    assert there.exit_code == 0, there.errors + there.messages
    heard = there.messages.count("SIP/2.0 200 OK")
    assert heard == 3 + 1  # at 0, 0.5 and 1.5 s (RFC 3261 §13.3.1.4); and that of the BYE
    assert (here.successful, here.failed) == (1, 0), here.errors + here.messages
    assert record["status"] == "completed"


async def test_what_a_trunk_does_not_do_is_refused_with_its_reason(tmp_path: Path) -> None:
    async with daemon(tmp_path, configuration("sip:127.0.0.20:5060")) as proxy:
        report = await Sipp(tmp_path).uac("uac_other_methods.xml", proxy.udp)
    assert report.exit_code == 0, report.errors + report.messages
    assert re.findall(r"SIP/2.0 405 (.*?)\r?\n", report.messages) == [
        "This is a trunk: send INVITEs, do not register",
        "This is a trunk: it has no events to subscribe to",
        "This is a trunk: it keeps no presence",
        "This is a trunk: it carries calls, no messages",
    ]
    assert report.messages.count("Allow: INVITE, ACK, CANCEL, BYE") == 4
