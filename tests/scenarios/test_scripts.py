"""What a document makes of a call: verbs in their order, on both wires."""

import pytest

from byoc_proxy.sip.digest import Ha1
from byoc_proxy.sip.sdp import describe
from tests.support.build import ANSWER, OFFER, Carrier, CarrierCall, Scene, sdp
from tests.support.carrier import credentials


def dial(*nouns: str, **attributes: str) -> str:
    """A document with one `<Dial>`."""
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<Response><Dial{written}>{''.join(nouns)}</Dial></Response>"


def number(text: str = "+14158675309", byoc: str = "") -> str:
    return f"<Number{f' byoc={chr(34)}{byoc}{chr(34)}' if byoc else ''}>{text}</Number>"


async def hang_up(call: CarrierCall, there: CarrierCall) -> None:
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")


# --- Reject, Hangup, Pause, Redirect -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "status", "said"),
    [("<Reject/>", 404, "no-answer"), ('<Reject reason="busy"/>', 486, "busy")],
)
async def test_reject_refuses_the_call(scene: Scene, verb: str, status: int, said: str) -> None:
    scene.starts(twiml=f"<Response>{verb}</Response>")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(status)
    record = await scene.over()
    assert (record.status, record.sip_status, record.ended_by) == (said, status, "proxy")


@pytest.mark.parametrize("twiml", ["<Response><Hangup/></Response>", "<Response/>"])
@pytest.mark.parametrize("body", [OFFER, b""], ids=["with an offer", "without an offer"])
async def test_hangup_first_answers_and_ends_the_call_with_nothing_flowing(
    scene: Scene, twiml: str, body: bytes
) -> None:
    scene.starts(twiml=twiml)
    call = scene.caller.calls(body=body)
    await call.hears(180)
    answer = describe((await call.hears(200)).body)
    assert [media.direction for media in answer.media] == ["inactive"]
    call.acks(b"" if body else ANSWER)
    await call.receives("BYE")
    record = await scene.over()
    assert (record.status, record.ended_by) == ("completed", "proxy")


async def test_an_offer_that_cannot_be_read_is_refused_when_we_have_to_answer_it(scene: Scene) -> None:
    scene.starts(twiml="<Response><Hangup/></Response>")
    call = scene.caller.calls(body=b"this is no SDP\r\n")
    await call.hears(180)
    assert (await call.hears(488)).headers.get("x-byoc-error") == "32102 Bad SDP"


async def test_pause_first_lets_the_phone_ring_before_anything_is_answered(scene: Scene) -> None:
    scene.starts(twiml='<Response><Pause length="7"/><Reject reason="busy"/></Response>')
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(486)
    assert scene.caller.times("486 INVITE") == [7.0]


async def test_a_chain_of_redirects_is_followed_relative_to_where_each_stands(scene: Scene) -> None:
    scene.starts(twiml="<Response><Redirect>next/one</Redirect></Response>")
    scene.customer.answers("/next/one", '<Response><Redirect method="GET">two?x=1</Redirect></Response>')
    scene.customer.answers("/next/two", "<Response><Reject/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    assert [asked.method for asked in scene.customer.requests] == ["POST", "POST", "GET"]
    assert scene.customer.requests[2].params["x"] == "1"
    assert len({asked.params["CallSid"] for asked in scene.customer.requests}) == 1


async def test_a_verb_that_needs_media_fails_with_its_own_code_and_is_never_skipped(scene: Scene) -> None:
    scene.starts(twiml="<Response><Say>Hello</Say><Dial>+14158675309</Dial></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    error = (await call.hears(500)).headers.get("x-byoc-error") or ""
    assert error.startswith("12490 ")
    assert "Say" in error
    assert scene.first.heard == []


# --- Dial --------------------------------------------------------------------------------------------------


async def test_text_in_dial_goes_out_on_the_trunk_that_the_call_came_in_on(scene: Scene) -> None:
    scene.starts(twiml="<Response><Dial>+14158675309</Dial></Response>")
    call, there = await scene.talking()
    assert there.invite.uri_text == "sip:+14158675309@198.51.100.1"
    await hang_up(call, there)


async def test_s97_number_byoc_goes_out_through_the_named_trunk(scene: Scene) -> None:
    other = "BY" + "2" * 32
    scene.starts(
        f"""
        trunks: {{other: {{sid: {other}, connection_policy: elsewhere}}}}
        connection_policies: {{elsewhere: {{targets: [{{target: "sip:198.51.100.2"}}]}}}}
        """,
        twiml=dial(number(byoc=other)),
    )
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.second.invited()
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await hang_up(call, there)
    assert scene.first.heard == []
    record = await scene.over()
    assert record.attempts[0].trunk_sid == other != record.trunk_sid


@pytest.mark.parametrize("noun", [number(), "<Sip>sip:alice@phone.example</Sip>"], ids=["Number", "Sip"])
async def test_dialling_for_an_account_that_was_suspended_meanwhile_fails_with_20005(
    scene: Scene, noun: str
) -> None:
    scene.starts(twiml="<Response><Pause length='5'/><Redirect>/dial</Redirect></Response>")
    scene.customer.answers("/dial", dial(noun))
    call = scene.caller.calls()
    await call.hears(180)
    scene.reloads("accounts: {acme: {status: suspended}}")
    await scene.caller.calls().hears(403)
    await call.hears(404)
    assert 20005 in [event.code for event in (await scene.over()).events]
    assert scene.first.heard == scene.second.heard == []


FOREIGN = "BY" + "3" * 32


@pytest.mark.parametrize("sid", ["BY" + "9" * 32, FOREIGN], ids=["unknown", "of another account"])
async def test_s97_a_trunk_that_is_not_the_accounts_fails_the_dial_with_21300(scene: Scene, sid: str) -> None:
    scene.starts(
        f"""
        accounts: {{stranger: {{auth_token: another-token-of-the-tests}}}}
        trunks:
          acme-trunk: {{account: acme}}
          foreign: {{account: stranger, sid: {FOREIGN}, connection_policy: theirs}}
        domains: {{acme: {{account: acme}}}}
        ip_access_control_lists: {{dallas: {{account: acme}}}}
        connection_policies:
          carriers: {{account: acme}}
          theirs: {{account: stranger, targets: [{{target: "sip:198.51.100.2"}}]}}
        """,
        twiml=dial(number(byoc=sid), action="/after"),
    )
    scene.customer.answers("/after", "<Response><Reject/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    assert scene.customer.asked("/after")[0].params["DialCallStatus"] == "failed"
    assert 21300 in [event.code for event in (await scene.over()).events]
    assert scene.first.heard == scene.second.heard == []


async def test_caller_id_is_what_the_called_side_sees(scene: Scene) -> None:
    scene.starts(twiml=dial(number(), callerId="+15559999"))
    call, there = await scene.talking()
    assert "sip:+15559999@sip.example.test" in (there.invite.headers.get("from") or "")
    assert "+15550100" not in there.invite.encode().decode()
    await hang_up(call, there)


async def test_a_call_lasts_no_longer_than_its_time_limit(scene: Scene) -> None:
    scene.starts(twiml=dial(number(), timeLimit="60", action="/after"))
    scene.customer.answers("/after", "<Response/>")
    call, there = await scene.talking()
    await there.receives("BYE")
    await call.receives("BYE")
    assert scene.first.times("BYE")[0] == pytest.approx(60, abs=0.01)
    asked = scene.customer.asked("/after")[0].params
    assert (asked["DialCallStatus"], asked["DialCallDuration"], asked["DialBridged"]) == ("completed", "60", "true")


@pytest.mark.parametrize(
    ("status", "said"),
    [(486, "busy"), (600, "busy"), (603, "busy"), (404, "failed"), (480, "failed"), (408, "no-answer")],
)
async def test_the_action_is_told_how_the_dial_went_and_goes_on_with_the_call(
    scene: Scene, status: int, said: str
) -> None:
    scene.starts(twiml=dial(number(), action="/after?step=2"))
    scene.customer.answers("/after", "<Response><Reject reason='busy'/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    for gateway in (scene.first, scene.second)[: 1 if status in (486, 404, 600, 603) else 2]:
        (await gateway.invited()).refuses(status)
    await call.hears(486)
    asked = scene.customer.asked("/after")[0].params
    assert (asked["DialCallStatus"], asked["DialBridged"], asked["DialCallDuration"]) == (said, "false", "0")
    assert asked["DialCallSid"].startswith("CA")
    assert "DialSipResponseCode" not in asked


async def test_an_unanswered_dial_is_no_answer_and_the_script_goes_on(scene: Scene) -> None:
    scene.starts(twiml='<Response><Dial timeout="10">+14158675309</Dial><Reject reason="busy"/></Response>')
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.rings()
    await there.receives("CANCEL")
    await call.hears(486)
    assert scene.caller.times("486 INVITE") == [15.0]


async def test_after_the_callee_left_the_action_decides_what_follows(scene: Scene) -> None:
    scene.starts(twiml=dial(number(), action="/after"))
    scene.customer.answers("/after", "<Response><Hangup/></Response>")
    call, there = await scene.talking()
    await scene.sleeps(12)
    there.hangs_up()
    await there.hears(200, "BYE")
    await call.receives("BYE")
    asked = scene.customer.asked("/after")[0].params
    assert (asked["DialCallStatus"], asked["DialCallDuration"], asked["CallStatus"]) == (
        "completed",
        "12",
        "in-progress",
    )


# --- several nouns -----------------------------------------------------------------------------------------

BOTH = dial("<Sip>sip:bob@198.51.100.1</Sip>", "<Sip>sip:bob@198.51.100.2</Sip>")


async def ringing(gateway: Carrier) -> CarrierCall:
    there = await gateway.invited()
    there.rings()
    return there


async def test_of_two_phones_that_ring_the_first_to_answer_wins_and_the_other_is_cancelled(scene: Scene) -> None:
    scene.starts(twiml=BOTH)
    call = scene.caller.calls()
    await call.hears(180)
    one, two = await ringing(scene.first), await ringing(scene.second)
    assert scene.first.times("INVITE") == scene.second.times("INVITE") == [0.0]
    two.answers(sdp("198.51.100.2"))
    await two.receives("ACK")
    await one.receives("CANCEL")
    assert (await call.hears(200)).body == sdp("198.51.100.2")
    call.acks()
    await hang_up(call, two)
    assert sorted(attempt.outcome for attempt in (await scene.over()).attempts) == ["answered", "left"]


async def test_of_two_phones_that_answer_at_once_one_is_taken_and_the_other_hung_up(scene: Scene) -> None:
    scene.starts(twiml=BOTH)
    call = scene.caller.calls()
    await call.hears(180)
    one, two = await ringing(scene.first), await ringing(scene.second)
    await scene.settled()
    one.answers()
    two.answers()
    await one.receives("ACK")
    await two.receives("ACK")
    await two.receives("BYE")
    await call.hears(200)
    call.acks()
    await hang_up(call, one)


@pytest.mark.parametrize("answered_first", [True, False])
async def test_a_caller_who_leaves_in_the_instant_in_which_one_of_two_phones_answers_leaves_nobody_behind(
    scene: Scene, answered_first: bool
) -> None:
    scene.starts(twiml=BOTH)
    call = scene.caller.calls()
    await call.hears(180)
    one, two = await ringing(scene.first), await ringing(scene.second)
    await scene.settled()
    for act in (one.answers, call.cancels) if answered_first else (call.cancels, one.answers):
        act()
    await scene.settled()
    assert {"ACK", "BYE"} <= set(scene.first.heard)
    assert "CANCEL" in scene.second.heard
    assert two.is_quiet is False
    assert (await scene.over()).status == "no-answer"


async def test_when_all_of_several_phones_refuse_the_best_failure_is_told(scene: Scene) -> None:
    scene.starts(twiml=BOTH)
    call = scene.caller.calls()
    await call.hears(180)
    one, two = await ringing(scene.first), await ringing(scene.second)
    one.refuses(503)
    two.refuses(486)
    await call.hears(486)


async def test_sequential_nouns_ring_one_after_the_other(scene: Scene) -> None:
    scene.starts(twiml=BOTH.replace("<Dial", '<Dial sequential="true"'))
    call = scene.caller.calls()
    await call.hears(180)
    one = await ringing(scene.first)
    await scene.sleeps(2)
    one.refuses(486)
    two = await scene.second.invited()
    assert scene.second.times("INVITE") == [2.0]
    two.answers()
    await two.receives("ACK")
    await call.hears(200)
    call.acks()
    await hang_up(call, two)


# --- Sip ---------------------------------------------------------------------------------------------------

SIP = "<Sip username='bob' password='Pass-of-Bob-1'>sip:bob@198.51.100.1?X-Ticket=7</Sip>"


@pytest.mark.parametrize(
    ("status", "asked", "answered"),
    [
        (401, "WWW-Authenticate", "authorization"),
        (407, "Proxy-Authenticate", "proxy-authorization"),
    ],
)
async def test_a_sip_noun_with_credentials_answers_one_challenge_at_the_same_address(
    scene: Scene, status: int, asked: str, answered: str
) -> None:
    scene.starts(twiml=dial(SIP))
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    assert there.invite.headers.get("x-ticket") == "7"
    challenge = 'Digest realm="bob.example", nonce="5ccc069c403ebaf9f0171e9517f40e41", qop="auth", algorithm=MD5'
    there.refuses(status, headers=[f"{asked}: {challenge}"])
    await there.receives("ACK")
    again = await there.receives("INVITE")
    assert again.cseq == (2, "INVITE")
    value = again.headers.get(answered) or ""
    cnonce = value.split('cnonce="')[1].split('"')[0]
    expected = credentials(challenge, "bob", "Pass-of-Bob-1", again.uri_text, cnonce=cnonce)
    assert expected.split('response="')[1][:32] in value
    there.answers()
    ack = await there.receives("ACK")
    assert ack.headers.get(answered) == value  # RFC 3261 §22.1
    await call.hears(200)
    call.acks()
    await hang_up(call, there)


async def test_a_second_challenge_is_not_answered(scene: Scene) -> None:
    scene.starts(twiml=dial(SIP))
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    for _ in range(2):
        there.refuses(401, headers=['WWW-Authenticate: Digest realm="b", nonce="n", qop="auth"'])
        await there.receives("ACK")
        if there.invite.cseq[0] == 1:
            await there.receives("INVITE")
    await call.hears(403)
    assert Ha1.of("bob", "b", "Pass-of-Bob-1").md5 not in str(scene.logged)


async def test_the_action_of_a_sip_noun_is_told_the_sip_side_of_it(scene: Scene) -> None:
    scene.starts(twiml=dial("<Sip>sip:bob@198.51.100.1</Sip>", action="/after"))
    scene.customer.answers("/after", "<Response/>")
    call, there = await scene.talking()
    there.hangs_up()
    await there.hears(200, "BYE")
    await call.receives("BYE")
    asked = scene.customer.asked("/after")[0].params
    assert (asked["DialSipResponseCode"], asked["DialSipCallId"]) == ("200", there.call_id)


async def test_the_action_of_a_refused_sip_noun_is_told_the_code(scene: Scene) -> None:
    scene.starts(twiml=dial("<Sip>sip:bob@198.51.100.1</Sip>", action="/after"))
    scene.customer.answers("/after", "<Response><Reject/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).refuses(486)
    await call.hears(404)
    assert scene.customer.asked("/after")[0].params["DialSipResponseCode"] == "486"


# --- what the webhook returns runs on the call -------------------------------------------------------------

NEXT = "<Response><Reject reason='busy'/></Response>"
VERBS = {
    "Dial": ("<Dial>+14158675309</Dial>", [180, 486]),
    "Reject": ("<Reject reason='busy'/>", [180, 486]),
    "Redirect": ("<Redirect>/next</Redirect>", [180, 486]),
    "Hangup": ("<Hangup/>", [180, 200]),
    "Pause": ("<Pause length='3'/><Reject reason='busy'/>", [180, 486]),
    "Refer": ("<Refer><Sip>sip:alice@desk.example</Sip></Refer>", [180, 200]),
    **{verb: (f"<{verb}>x</{verb}>", [180, 500]) for verb in ("Say", "Play", "Gather", "Record", "Enqueue")},
}


@pytest.mark.parametrize("verb", VERBS)
async def test_s3_the_verb_that_the_webhook_returns_runs_on_that_call_or_names_the_engine_that_it_lacks(
    scene: Scene, verb: str
) -> None:
    inside, heard = VERBS[verb]
    scene.starts(twiml=f"<Response>{inside}</Response>")
    scene.customer.answers("/next", NEXT)
    call = scene.caller.calls()
    if verb == "Dial":
        (await scene.first.invited()).refuses(486)
    for status in heard:
        response = await call.hears(status)
    if heard[-1] == 200:
        call.acks()
        await call.receives("REFER" if verb == "Refer" else "BYE")
    if heard[-1] == 500:
        error = response.headers.get("x-byoc-error") or ""
        assert error.startswith("12490 ")
        assert f"<{verb}>" in error
    if verb == "Refer":
        call.hangs_up()
    await scene.settled()
    assert len(scene.records) == 1
