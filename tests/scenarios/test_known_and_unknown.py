"""Requests that belong to no call of ours: what a known peer hears of them, and what a stranger does."""

import pytest

from tests.support.build import DIALLED, Scene

OPEN = """
credential_lists: {sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}}
domains: {open: {trunk: acme-trunk, credential_lists: [sbcs]}}
"""


async def test_options_from_a_listed_address_is_answered_with_all_that_a_peer_wants_to_know(scene: Scene) -> None:
    scene.starts()
    response = await scene.caller.asks("OPTIONS").hears(200, "OPTIONS")
    said = {
        name: response.headers.get(name) for name in ("contact", "accept", "accept-encoding", "accept-language")
    }
    assert said == {
        "contact": "<sip:192.0.2.1:5060>",
        "accept": "application/sdp, multipart/mixed",
        "accept-encoding": "identity",
        "accept-language": "en",
    }
    assert "supported" in response.headers
    assert {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"} <= set((response.headers.get("allow") or "").split(", "))


@pytest.mark.parametrize("uri", ["sip:192.0.2.1", "sip:sip.example.test", "sip:100@acme.sip.example.test"])
async def test_options_from_a_stranger_is_silence_even_where_it_names_a_domain(scene: Scene, uri: str) -> None:
    scene.starts()
    stranger = scene.carrier("203.0.113.99")
    stranger.asks("OPTIONS", uri)
    await scene.sleeps(1)
    assert stranger.heard == []


async def test_options_to_a_domain_that_anybody_may_call_with_credentials_is_answered(scene: Scene) -> None:
    scene.starts(OPEN)
    await scene.carrier("203.0.113.99").asks("OPTIONS", "sip:open.sip.example.test").hears(200, "OPTIONS")


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "INVITE", "OPTIONS"])
async def test_a_request_in_a_dialog_that_is_gone_is_481(scene: Scene, method: str) -> None:
    scene.starts()
    call = scene.caller.asks("OPTIONS", DIALLED)
    await call.hears(200, "OPTIONS")
    call.remote_tag = "of-another-life"
    call.requests(method)
    await call.hears(481, method)


async def test_a_stranger_hears_nothing_of_dialogs_nor_of_its_cancel(scene: Scene) -> None:
    scene.starts()
    stranger = scene.carrier("203.0.113.99")
    for method, tag in (("BYE", "guessed"), ("INVITE", "guessed"), ("CANCEL", "")):
        call = stranger.asks("OPTIONS", "sip:192.0.2.1")
        call.remote_tag = tag
        call.requests(method)
    await scene.sleeps(1)
    assert stranger.heard == []


async def test_a_gateway_of_a_call_that_a_restart_has_ended_hears_481(scene: Scene) -> None:
    # it is in no access list, but the tag that it names is of our making
    scene.starts()
    call, there = await scene.talking()
    call.hangs_up()
    await there.receives("BYE")
    await scene.sleeps(40)
    there.requests("BYE")
    await there.hears(481, "BYE")


# --- the same request twice --------------------------------------------------------------------------------


async def test_a_request_that_was_forked_on_its_way_here_is_one_call_and_482(scene: Scene) -> None:
    # RFC 3261 §8.2.2.2: same Call-ID, From tag and CSeq, another branch
    scene.starts()
    call = scene.caller.calls()
    await call.hears(180)
    scene.caller.speaks(scene.network.log[0].data.replace(b";branch=z9hG4bK", b";branch=z9hG4bKother"))
    merged = await call.hears(482)
    assert merged.reason == "Merged Request"
    there = await scene.first.invited()
    there.refuses(486)
    await call.hears(486)
    assert len(scene.customer.requests) == 1


async def test_a_copy_of_a_call_that_was_refused_a_moment_ago_is_482_as_well(scene: Scene) -> None:
    scene.starts(twiml="<Response><Reject/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    scene.caller.speaks(scene.network.log[0].data.replace(b";branch=z9hG4bK", b";branch=z9hG4bKother"))
    await call.hears(482)
    assert len(scene.customer.requests) == 1


# --- loops -------------------------------------------------------------------------------------------------


async def test_an_invite_of_ours_that_comes_back_to_its_trunk_is_a_loop(scene: Scene) -> None:
    scene.starts("ip_access_control_lists: {dallas: {addresses: [203.0.113.8, 198.51.100.1]}}")
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    via = b"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKproxied\r\nVia: "
    head, rest = there.invite.encode().split(b"\r\nVia: ", 1)
    scene.first.speaks(head.replace(b"198.51.100.1", b"acme.sip.example.test") + b"\r\n" + via + rest)
    assert "32006 " in ((await there.hears(482)).headers.get("x-byoc-error") or "")
    there.refuses(482)
    await call.hears(482)


async def test_a_call_between_two_trunks_over_one_carrier_is_no_loop(scene: Scene) -> None:
    scene.starts("""
    ip_access_control_lists: {dallas: {addresses: [203.0.113.8, 198.51.100.1]}}
    trunks: {other-trunk: {voice_twiml: "<Response><Reject reason='busy'/></Response>"}}
    domains: {other: {trunk: other-trunk, ip_access_control_lists: [dallas]}}
    """)
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    via = b"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKproxied\r\nVia: "
    head, rest = there.invite.encode().split(b"\r\nVia: ", 1)
    scene.first.speaks(head.replace(b"198.51.100.1", b"other.sip.example.test") + b"\r\n" + via + rest)
    await there.hears(180)
    await there.hears(486)
    there.refuses(486)
    await call.hears(486)
