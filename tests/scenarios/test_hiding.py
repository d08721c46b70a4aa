"""What one carrier may learn of the other: nothing but the call itself."""

import pytest

from byoc_proxy.sip.message import Message
from tests.support.build import OFFER, Carrier, CarrierCall, Scene

PRIVATE = [
    "Record-Route: <sip:sbc.inside.example;lr>",
    "X-Internal-Account: 4711",
    "User-Agent: InsideSBC/9.1",
    "Server: InsideSBC/9.1",
    "P-Charging-Vector: icid-value=inside-icid",
    "Organization: Inside Ltd",
]
SECRETS = ("sbc.inside.example", "4711", "insidesbc", "inside-icid", "inside ltd")


async def a_long_call(scene: Scene) -> tuple[CarrierCall, CarrierCall]:
    """Ringing, answer, hold, INFO both ways, a refused re-INVITE, hang-up."""
    call = scene.caller.calls(headers=PRIVATE)
    await call.hears(180)
    there = await scene.first.invited()
    there.responds(183, headers=PRIVATE[1:])
    there.answers(headers=PRIVATE[1:])
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    for one, two in ((call, there), (there, call)):
        one.requests("INFO", b"x", ["Content-Type: text/plain", *PRIVATE[1:]])
        two.responds(200, to=await two.receives("INFO"), headers=PRIVATE[1:])
        await one.hears(200, "INFO")
        one.reinvites(OFFER)
        await two.receives("INVITE")
        two.answers(headers=PRIVATE[1:])
        await two.receives("ACK")
        await one.hears(200)
        one.acks()
        await scene.settled()
    there.hangs_up(PRIVATE[1:])
    await there.hears(200, "BYE")
    await call.receives("BYE")
    return call, there


def heads(carrier: Carrier) -> str:
    """Everything that a carrier received, without the bodies."""
    return "\n".join(_head(message) for message in carrier.received).lower()


def _head(message: Message) -> str:
    return message.encode().partition(b"\r\n\r\n")[0].decode()


async def test_no_message_to_one_carrier_names_anything_of_the_other(scene: Scene) -> None:
    scene.starts()
    call, there = await a_long_call(scene)
    to_caller, to_callee = heads(scene.caller), heads(scene.first)
    for secret in ("203.0.113.8", call.call_id, call.tag, "caller@", *SECRETS):
        assert secret not in to_callee
    for secret in ("198.51.100", there.call_id, there.tag, "first-gateway", *SECRETS[1:]):
        assert secret not in to_caller


async def test_the_callee_never_hears_the_private_headers_of_the_caller(scene: Scene) -> None:
    scene.starts()
    await a_long_call(scene)
    assert not [secret for secret in SECRETS if secret in heads(scene.first)]


async def test_the_caller_never_hears_the_private_headers_of_the_callee(scene: Scene) -> None:
    scene.starts()
    await a_long_call(scene)
    assert not [secret for secret in SECRETS[1:] if secret in heads(scene.caller)]


async def test_each_leg_has_its_own_call_id_tags_and_contact(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    invite = there.invite
    assert invite.call_id != call.call_id
    assert len({invite.from_tag, there.tag, call.tag, call.remote_tag}) == 4
    assert invite.headers.get("contact") == "<sip:192.0.2.1:5060>"
    assert len(invite.listed("via")) == 1
    call.hangs_up()
    await there.receives("BYE")


async def test_each_leg_counts_its_own_cseq(scene: Scene) -> None:
    scene.starts()
    await a_long_call(scene)
    for carrier, tag in ((scene.caller, "caller"), (scene.first, "callee")):
        numbers = [
            each.cseq[0] for each in carrier.received if not hasattr(each, "status") and each.cseq[1] != "ACK"
        ]
        assert numbers == sorted(set(numbers)), tag
        assert numbers[0] == 1


async def test_from_and_to_towards_a_carrier_carry_our_domain_and_its_own_host(scene: Scene) -> None:
    scene.starts("trunks: {acme-trunk: {from_domain: acme}}")
    _, there = await scene.talking()
    invite = there.invite
    assert (invite.headers.get("from") or "").startswith("<sip:+15550100@acme.sip.example.test>;tag=")
    assert invite.headers.get("to") == "<sip:+14158675309@198.51.100.1>"
    assert invite.headers.get("p-asserted-identity") == "<sip:+15550100@acme.sip.example.test>"
    assert invite.uri_text == "sip:+14158675309@198.51.100.1"
    assert invite.max_forwards == 69
    there.hangs_up()
    await there.hears(200, "BYE")


@pytest.mark.parametrize(
    ("setting", "header"),
    [("pai", "p-asserted-identity"), ("ppi", "p-preferred-identity"), ("rpid", "remote-party-id"), ("none", None)],
)
async def test_the_identity_header_is_the_one_that_the_trunk_names(
    scene: Scene, setting: str, header: str | None
) -> None:
    scene.starts(f"trunks: {{acme-trunk: {{identity_header: {setting}}}}}")
    call, there = await scene.talking()
    names = ("p-asserted-identity", "p-preferred-identity", "remote-party-id")
    assert [name for name in names if name in there.invite.headers] == ([header] if header else [])
    call.hangs_up()
    await there.receives("BYE")


async def test_user_to_user_and_subject_cross_and_x_headers_do_not(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(headers=["User-to-User: 56a390f3d2b7;encoding=hex", "Subject: hello", "X-Mine: 1"])
    there = await scene.first.invited()
    assert there.invite.headers.get("user-to-user") == "56a390f3d2b7;encoding=hex"
    assert there.invite.headers.get("subject") == "hello"
    assert there.invite.headers.get("x-mine") is None
    await call.hears(180)
    there.refuses(486)
    await call.hears(486)
