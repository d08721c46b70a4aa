"""The watch over what far ends learn of each other, which every scenario is under, sees what it should see."""

import pytest

from byoc_proxy.sim.network import Carried
from byoc_proxy.sim.zone import Zone
from tests.support.leaks import leaks
from tests.support.wires import request

PROXY = {"192.0.2.1"}


def message(source: str, destination: str, data: bytes) -> Carried:
    return Carried(0.0, "UDP", (source, 5060), (destination, 5060), data, "delivered")


CALLER = message(
    "203.0.113.8",
    "192.0.2.1",
    request("INVITE", call_id="inner-call", from_tag="inner-tag", contact="sip:sbc@203.0.113.8:5070"),
)


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ("X-Trace: inner-call", "inner-call"),
        ("X-Trace: inner-tag", "inner-tag"),
        ("X-Trace: sip:sbc@203.0.113.8", "203.0.113.8"),
        ("Via: SIP/2.0/UDP 10.1.2.3;branch=z9hG4bKone", "10.1.2.3"),
    ],
)
def test_what_belongs_to_another_peer_or_to_a_private_network_is_a_leak(header: str, secret: str) -> None:
    onward = request(
        "INVITE", header, call_id="outer", from_tag="ours", branch="z9hG4bKours", via="SIP/2.0/UDP 192.0.2.1"
    )
    found = leaks([CALLER, message("192.0.2.1", "198.51.100.1", onward)], PROXY, Zone())
    assert any(line.startswith(f"{secret} to 198.51.100.1") for line in found)


def test_a_peer_may_hear_what_it_said_itself_and_at_the_place_that_it_named() -> None:
    back = request("BYE", call_id="inner-call", from_tag="ours", to_tag="inner-tag", via="SIP/2.0/UDP 192.0.2.1")
    behind = CALLER.data.replace(b"sbc@203.0.113.8:5070", b"sbc@10.1.2.3")
    log = [message("203.0.113.8", "192.0.2.1", behind), message("192.0.2.1", "10.1.2.3", back)]
    assert leaks(log, PROXY, Zone()) == []
