"""A foreign server that wants to know who calls: SIPp asks with 401 and verifies the answer."""

from pathlib import Path

import pytest

from tests.support.daemon import configuration, daemon
from tests.support.sipp import Sipp, Transport

pytestmark = pytest.mark.wire

LOGIN = {"username": "acct42", "password": "Secret-of-Carrier-1", "realm": "carrier.example"}
SUFFIX: dict[Transport, str] = {"u1": "", "t1": ";transport=tcp"}


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_verifies_the_answer_of_an_invite(tmp_path: Path, transport: Transport) -> None:
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_401.xml", transport=transport) as uas:
        document = configuration(f"sip:{uas.address[0]}:{uas.address[1]}{SUFFIX[transport]}")
        document["connection_policies"]["carriers"]["credentials"] = LOGIN
        async with daemon(tmp_path, document) as proxy:
            report = await sipp.uac("uac_plain.xml", proxy.udp, transport=transport, hold=0.05)
    assert (report.exit_code, report.successful) == (0, 1), report.errors + report.messages
    assert uas.report is not None
    assert (uas.report.exit_code, uas.report.successful) == (0, 1), uas.report.errors
