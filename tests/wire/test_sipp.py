"""The foreign peer by itself: every caller of the kit gets along with the callee it will meet."""

from pathlib import Path

import pytest

from tests.support.sipp import Sipp, Transport

pytestmark = pytest.mark.wire


@pytest.mark.parametrize("transport", ["u1", "t1"])
@pytest.mark.parametrize(
    ("caller", "callee", "final"),
    [
        pytest.param("uac_plain.xml", "uas_answer.xml", 0, id="a call is answered and ended by the caller"),
        pytest.param("uac_hung_up.xml", "uas_hangup.xml", 0, id="a call is ended by the callee"),
        pytest.param("uac_held.xml", "uas_reinvite.xml", 0, id="a call is put on hold by the callee"),
        pytest.param("uac_late_offer.xml", "uas_late_offer.xml", 0, id="the callee makes the offer"),
        pytest.param(
            "uac_early_media.xml", "uas_early_media.xml", 0, id="an announcement is heard before the answer"
        ),
        pytest.param("uac_cancel.xml", "uas_ringing_forever.xml", 0, id="a call is given up while it rings"),
        pytest.param("uac_refused.xml", "uas_refuse.xml", 486, id="a busy callee is heard"),
        pytest.param("uac_refused.xml", "uas_refuse.xml", 503, id="a failing callee is heard"),
    ],
)
async def test_the_scenarios_agree_with_each_other(
    tmp_path: Path, caller: str, callee: str, final: int, transport: Transport
) -> None:
    sipp = Sipp(tmp_path)
    async with sipp.uas(callee, final=final, transport=transport, hold=0.02) as uas:
        report = await sipp.uac(caller, uas.address, final=final, transport=transport, hold=0.05, calls=2)
    assert (report.exit_code, report.successful, report.failed) == (0, 2, 0), report.errors + report.messages
    assert uas.report is not None
    assert (uas.report.successful, uas.report.failed) == (2, 0), uas.report.errors
    assert "INVITE sip:+15550100@acme.sip.example.test SIP/2.0" in uas.report.messages


async def test_a_call_that_ends_otherwise_than_expected_is_a_failed_call(tmp_path: Path) -> None:
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_refuse.xml", final=486) as uas:
        report = await sipp.uac("uac_refused.xml", uas.address, final=404)
    assert (report.exit_code, report.successful, report.failed) == (1, 0, 1)
    assert "486" in report.errors


async def test_a_machine_without_sipp_fails_the_test_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssertionError, match="apt-get install sip-tester"):
        Sipp(tmp_path)
