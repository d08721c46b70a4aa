"""A carrier that wants to know who we are: its challenges are answered, once, where they were asked."""

import re

import pytest

from byoc_proxy.sip.digest import Ha1
from byoc_proxy.sip.message import Request
from tests.support.build import OFFER, Carrier, CarrierCall, Scene
from tests.support.carrier import credentials

PASSWORD = "Secret-of-Carrier-1"
REALM = 'Digest realm="carrier.example", '
FIRST = f'{REALM}nonce="first", qop="auth", algorithm=MD5'
SECOND = f'{REALM}nonce="second", qop="auth", algorithm=MD5'
STALE = f"{SECOND}, stale=true"


def account(more: str = "") -> str:
    login = f"{{username: acct42, password: {PASSWORD}{more}}}"
    return f"connection_policies: {{carriers: {{credentials: {login}}}}}"


async def challenged(there: CarrierCall, challenge: str = FIRST, status: int = 407) -> Request:
    """The INVITE that comes after a challenge."""
    there.refuses(status, headers=[f"{'Proxy' if status == 407 else 'WWW'}-Authenticate: {challenge}"])
    await there.receives("ACK")
    return await there.receives("INVITE")


def proves(request: Request, challenge: str = FIRST, header: str = "proxy-authorization") -> bool:
    """Whether the answer is the one that knows the password, computed without the proxy's code."""
    value = request.headers.get(header) or ""
    cnonce = re.search(r'cnonce="(\w+)"', value)
    if cnonce is None:
        return False
    expected = credentials(challenge, "acct42", PASSWORD, request.uri_text, cnonce=cnonce[1], method=request.method)
    return expected.split('response="')[1][:32] in value and 'username="acct42"' in value


async def dialled(scene: Scene, gateway: Carrier | None = None) -> tuple[CarrierCall, CarrierCall]:
    call = scene.caller.calls()
    await call.hears(180)
    return call, await (gateway or scene.first).invited()


async def answered(call: CarrierCall, there: CarrierCall) -> None:
    there.answers(headers=["Allow: INVITE, ACK, BYE, INFO, UPDATE"])
    await there.receives("ACK")
    await call.hears(200)
    call.acks()


@pytest.mark.parametrize(("status", "header"), [(401, "authorization"), (407, "proxy-authorization")])
async def test_a_carriers_challenge_is_answered_in_the_same_call_with_the_next_cseq(
    scene: Scene, status: int, header: str
) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    first = there.invite
    again = await challenged(there, status=status)
    assert proves(again, header=header)
    assert (first.cseq[0], again.cseq[0]) == (1, 2)
    assert (again.call_id, again.from_tag, again.to_tag) == (first.call_id, first.from_tag, "")
    assert again.branch != first.branch
    there.answers()
    ack = await there.receives("ACK")
    assert ack.headers.get(header) == again.headers.get(header)  # RFC 3261 §22.1
    await call.hears(200)
    call.acks()
    there.hangs_up()
    await there.hears(200, "BYE")
    await call.receives("BYE")
    record = await scene.over()
    assert [(each.outcome, each.username) for each in record.attempts] == [("answered", "acct42")]


async def test_a_server_behind_a_proxy_may_ask_too(scene: Scene) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    await challenged(there, FIRST, 407)
    again = await challenged(there, SECOND, 401)
    assert proves(again, FIRST, "proxy-authorization")
    assert proves(again, SECOND, "authorization")
    assert again.cseq[0] == 3
    there.refuses(486)
    await call.hears(486)


async def test_a_stale_nonce_is_answered_once_more_and_then_no_more(scene: Scene) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    await challenged(there)
    again = await challenged(there, STALE)
    assert proves(again, SECOND)
    assert again.cseq[0] == 3
    there.refuses(407, headers=[f"Proxy-Authenticate: {STALE}"])
    await there.receives("ACK")
    (await scene.second.invited()).refuses(486)
    await call.hears(486)
    assert scene.record.attempts[0].code == 32106


async def test_a_carrier_that_does_not_believe_us_is_left_for_the_next_target(scene: Scene) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    await challenged(there)
    there.refuses(407, headers=[f"Proxy-Authenticate: {SECOND}"])
    await there.receives("ACK")
    (await scene.second.invited()).refuses(486)
    await call.hears(486)
    assert len(scene.first.got("INVITE")) == 2
    assert [(each.status, each.code) for each in scene.record.attempts] == [(407, 32106), (486, 32011)]


@pytest.mark.parametrize(("realm", "invites"), [("carrier.example", 2), ("other.example", 1)])
async def test_credentials_for_one_realm_are_told_to_no_other(scene: Scene, realm: str, invites: int) -> None:
    scene.starts(account(f", realm: {realm}"))
    call, there = await dialled(scene)
    there.refuses(407, headers=[f"Proxy-Authenticate: {FIRST}"])
    await there.receives("ACK")
    if invites == 2:
        await there.receives("INVITE")
        there.refuses(486)
    else:
        (await scene.second.invited()).refuses(486)
    await call.hears(486)
    assert len(scene.first.got("INVITE")) == invites


async def test_the_answer_goes_over_the_connection_that_asked(scene: Scene) -> None:
    scene.starts(
        account()
        + "\n"
        + "connection_policies: {carriers: {targets: [{target: 'sip:198.51.100.1;transport=tcp'}], "
        f"credentials: {{username: acct42, password: {PASSWORD}}}}}}}"
    )
    call, there = await dialled(scene)
    again = await challenged(there)
    assert again.via.transport == "TCP"
    assert len(scene.network.streams) == 1
    there.refuses(486)
    await call.hears(486)


async def test_silence_after_the_answer_is_four_seconds_like_any_other(scene: Scene) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    started = scene.now
    await challenged(there)
    (await scene.second.invited()).refuses(486)
    assert scene.now - started == pytest.approx(4.0, abs=0.01)
    await call.hears(486)
    there.refuses(487)


async def test_a_challenged_bye_is_said_again(scene: Scene) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    await answered(call, there)
    there.carrier.bye_challenge = FIRST
    call.hangs_up()
    first, again = await there.receives("BYE"), await there.receives("BYE")
    assert proves(again)
    assert again.cseq[0] == first.cseq[0] + 1
    assert len(there.carrier.got("BYE")) == 2
    await call.hears(200, "BYE")


@pytest.mark.parametrize(
    ("method", "content_type", "body"),
    [("INFO", "application/dtmf-relay", b"Signal=5\r\n"), ("UPDATE", "application/sdp", OFFER)],
)
async def test_a_challenged_request_of_a_call_is_said_again_and_its_answer_crosses(
    scene: Scene, method: str, content_type: str, body: bytes
) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    await answered(call, there)
    await scene.settled()
    call.requests(method, body, [f"Content-Type: {content_type}"])
    first = await there.receives(method)
    there.responds(401, headers=[f"WWW-Authenticate: {FIRST}"], to=first)
    again = await there.receives(method)
    assert proves(again, header="authorization")
    assert (again.body, again.content_type) == (body, content_type)
    assert again.cseq[0] == first.cseq[0] + 1
    there.responds(200, to=again)
    await call.hears(200, method)
    call.hangs_up()
    await there.receives("BYE")


async def test_a_challenged_re_invite_is_said_again_with_its_offer_and_its_ack_carries_the_proof(
    scene: Scene,
) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    await answered(call, there)
    await scene.settled()
    call.reinvites(OFFER)
    await there.receives("INVITE")
    again = await challenged(there)
    assert proves(again)
    assert again.sdp == OFFER
    there.answers()
    assert (await there.receives("ACK")).headers.get("proxy-authorization") == again.headers.get(
        "proxy-authorization"
    )
    await call.hears(200)
    call.acks()
    call.hangs_up()
    await there.receives("BYE")


async def test_a_call_that_is_being_ended_repeats_nothing_but_its_bye(scene: Scene) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    await answered(call, there)
    await scene.settled()
    call.requests("INFO", b"x", ["Content-Type: text/plain"])
    info = await there.receives("INFO")
    call.hangs_up()
    await there.receives("BYE")
    there.responds(407, headers=[f"Proxy-Authenticate: {FIRST}"], to=info)
    await scene.settled()
    assert len(there.carrier.got("INFO")) == 1


@pytest.mark.parametrize(("realm", "byes"), [(", realm: carrier.example", 2), ("", 1)])
async def test_the_callers_carrier_gets_an_answer_only_in_the_realm_that_the_policy_names(
    scene: Scene, realm: str, byes: int
) -> None:
    scene.starts(account(realm))
    call, there = await dialled(scene)
    await answered(call, there)
    scene.caller.bye_challenge = FIRST
    there.hangs_up()
    await there.hears(200, "BYE")
    for _ in range(byes):
        await call.receives("BYE")
    await scene.settled()
    assert len(scene.caller.got("BYE")) == byes


async def test_the_password_is_nowhere_to_be_seen(scene: Scene) -> None:
    scene.starts(account())
    call, there = await dialled(scene)
    again = await challenged(there)
    there.refuses(486)
    await call.hears(486)
    directory = scene.node.directories.current
    policy = next(iter(directory.connection_policies.values()))
    seen = f"{scene.logged} {scene.record.as_dict()} {policy!r} {policy.credentials!r} {directory!r}"
    ha1 = Ha1.of("acct42", "carrier.example", PASSWORD)
    for secret in (PASSWORD, ha1.md5, (again.headers.get("proxy-authorization") or "").split('response="')[1][:32]):
        assert secret not in seen
