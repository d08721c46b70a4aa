"""`<Sip>`: one party at one or several addresses, how it is told who asks, and where it must not lead."""

import pytest

from tests.support.build import ANSWER, TLS, CarrierCall, Scene, sdp

SECURE = b"".join(
    [
        b"v=0\r\no=- 1 1 IN IP4 203.0.113.8\r\ns=-\r\nc=IN IP4 203.0.113.8\r\nt=0 0\r\n",
        b"m=audio 4000 RTP/SAVP 0\r\n",
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n",
    ]
)


def dial(*nouns: str, **attributes: str) -> str:
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<Response><Dial{written}>{''.join(nouns)}</Dial></Response>"


def uri(text: str, **attributes: object) -> str:
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<Uri{written}>{text}</Uri>"


async def hang_up(call: CarrierCall, there: CarrierCall) -> None:
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")


# --- several addresses -------------------------------------------------------------------------------------


async def test_the_addresses_of_a_party_are_tried_by_priority(scene: Scene) -> None:
    party = uri("sip:bob@198.51.100.1", priority=20) + uri("sip:bob@198.51.100.2", priority=10)
    scene.starts(twiml=dial(f"<Sip>{party}</Sip>"))
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.second.invited()).refuses(503)
    there = await scene.first.invited()
    there.answers()
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await hang_up(call, there)
    record = await scene.over()
    assert [leg.status for leg in record.legs] == ["completed"]  # one party, one leg
    assert [attempt.outcome for attempt in record.attempts] == ["refused", "answered"]


async def test_addresses_of_one_priority_share_the_calls_by_weight(scene: Scene) -> None:
    party = uri("sip:bob@198.51.100.1", weight=1) + uri("sip:bob@198.51.100.2", weight=99)
    scene.starts(twiml=dial(f"<Sip>{party}</Sip>"))
    scene.draw = lambda: 0.5
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.second.invited()).refuses(486)
    await call.hears(486)
    assert scene.first.heard == []


async def test_each_address_has_headers_and_credentials_of_its_own(scene: Scene) -> None:
    party = uri("sip:bob@198.51.100.1?X-Way=one", priority=1) + uri(
        "sip:bob@198.51.100.2?X-Way=two", priority=2, username="rob", password="Other-Pass-1"
    )
    headers = '<Headers><Header name="X-Ticket" value="7"/></Headers>'
    scene.starts(twiml=dial(f'<Sip username="bob" password="Pass-of-Bob-1">{party}{headers}</Sip>'))
    call = scene.caller.calls()
    await call.hears(180)
    for gateway, way, user in ((scene.first, "one", "bob"), (scene.second, "two", "rob")):
        there = await gateway.invited()
        assert (there.invite.headers.get("x-way"), there.invite.headers.get("x-ticket")) == (way, "7")
        there.refuses(401, headers=['WWW-Authenticate: Digest realm="b", nonce="n", qop="auth", algorithm=MD5'])
        await there.receives("ACK")
        again = await there.receives("INVITE")
        assert f'username="{user}"' in (again.headers.get("authorization") or "")
        there.refuses(503)
        await there.receives("ACK")
    await call.hears(503)


# --- where it must not lead --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["acme.sip.example.test", "nobody.sip.example.test", "SIP.example.test"])
async def test_a_party_cannot_be_this_installation(scene: Scene, host: str) -> None:
    scene.starts(twiml=dial(f"<Sip>sip:bob@{host}</Sip>", action="/after"))
    scene.customer.answers("/after", "<Response><Reject/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    assert scene.customer.asked("/after")[0].params["DialCallStatus"] == "failed"
    await scene.settled()
    assert scene.codes() == [13255]


async def test_a_party_in_a_private_network_is_as_good_as_any(scene: Scene) -> None:
    desk = scene.carrier("10.0.0.7")
    scene.starts(twiml=dial("<Sip>sip:bob@10.0.0.7</Sip>"))
    call = scene.caller.calls()
    await call.hears(180)
    there = await desk.invited()
    there.answers(sdp("10.0.0.7"))
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await hang_up(call, there)


# --- parameters of its URI ---------------------------------------------------------------------------------


async def test_the_transport_of_a_uri_is_the_one_that_is_used(scene: Scene) -> None:
    phone = scene.carrier("198.51.100.9", transport="TCP")
    scene.starts(twiml=dial("<Sip>sip:bob@198.51.100.9;transport=tcp;edge=frankfurt</Sip>"))
    call = scene.caller.calls()
    await call.hears(180)
    there = await phone.invited()
    assert there.invite.uri_text == "sip:bob@198.51.100.9;transport=tcp"
    assert there.invite.via.transport == "TCP"
    there.refuses(486)
    await call.hears(486)
    await scene.settled()
    assert scene.codes() == [32215]


async def test_a_secure_party_is_called_over_tls_and_hears_the_srtp_of_the_caller(scene: Scene) -> None:
    phone = scene.carrier("198.51.100.9", 5061, "TLS")
    scene.starts(TLS, twiml=dial("<Sip>sip:bob@198.51.100.9;secure=true</Sip>"))
    scene.caller.transport = "TLS"
    call = scene.caller.calls(body=SECURE)
    await call.hears(180)
    there = await phone.invited()
    assert there.invite.uri_text == "sip:bob@198.51.100.9;transport=tls"
    assert there.invite.body == SECURE
    there.answers(SECURE)
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await hang_up(call, there)


@pytest.mark.parametrize(("params", "code"), [("secure=true", 12490), ("transport=udp;secure=true", 32209)])
async def test_a_secure_party_is_not_called_in_the_clear(scene: Scene, params: str, code: int) -> None:
    scene.starts(twiml=dial(f"<Sip>sip:bob@198.51.100.1;{params}</Sip>", action="/after"))
    scene.customer.answers("/after", "<Response><Reject/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    await call.hears(404)
    assert scene.first.heard == []
    await scene.settled()
    assert scene.codes() == [code]


async def test_secure_false_asks_for_nothing_and_is_not_sent(scene: Scene) -> None:
    scene.starts(twiml=dial("<Sip>sip:bob@198.51.100.1;secure=false</Sip>"))
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    assert there.invite.uri_text == "sip:bob@198.51.100.1"
    there.answers(ANSWER)
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await hang_up(call, there)


# --- what the party says in headers of its own -------------------------------------------------------------


def heard(scene: Scene) -> dict[str, str]:
    """The headers of the party that the action was told of."""
    (asked,) = scene.customer.asked("/after")
    return {name: value for name, value in asked.params.items() if name.startswith("DialSipHeader_")}


async def test_the_action_hears_the_x_headers_of_a_refusal(scene: Scene) -> None:
    scene.starts(twiml=dial("<Sip>sip:bob@198.51.100.1</Sip>", action="/after"))
    scene.customer.answers("/after", "<Response><Reject/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).refuses(486, headers=["X-Why: lunch", "Warning: 399 x", "x-until: 13:00"])
    await call.hears(404)
    assert heard(scene) == {"DialSipHeader_X-Why": "lunch", "DialSipHeader_x-until": "13:00"}


async def test_the_action_hears_the_x_headers_of_the_best_refusal_among_several_addresses(scene: Scene) -> None:
    party = uri("sip:bob@198.51.100.1", priority=1) + uri("sip:bob@198.51.100.2", priority=2)
    scene.starts(twiml=dial(f"<Sip>{party}</Sip>", action="/after"))
    scene.customer.answers("/after", "<Response><Reject/></Response>")
    call = scene.caller.calls()
    await call.hears(180)
    (await scene.first.invited()).refuses(480, headers=["X-Why: lunch"])
    (await scene.second.invited()).refuses(503, headers=["X-Why: overload"])
    await call.hears(404)
    assert heard(scene) == {"DialSipHeader_X-Why": "lunch"}


async def test_the_action_hears_the_x_headers_of_the_answer_and_of_the_bye(scene: Scene) -> None:
    scene.starts(twiml=dial("<Sip>sip:bob@198.51.100.1</Sip>", action="/after"))
    scene.customer.answers("/after", "<Response/>")
    call = scene.caller.calls()
    await call.hears(180)
    there = await scene.first.invited()
    there.answers(headers=["X-Agent: 17", "X-State: talking"])
    await there.receives("ACK")
    await call.hears(200)
    call.acks()
    await scene.settled()
    there.hangs_up(["X-State: sold", "X-Odd: caf\udce9"])
    await there.hears(200, "BYE")
    await call.receives("BYE")
    assert heard(scene) == {
        "DialSipHeader_X-Agent": "17",
        "DialSipHeader_X-State": "sold",
        "DialSipHeader_X-Odd": "caf\ufffd",
    }


async def test_what_a_carrier_adds_is_between_it_and_us(scene: Scene) -> None:
    scene.starts(twiml=dial("<Number>+14158675309</Number>", action="/after"))
    scene.customer.answers("/after", "<Response/>")
    call, there = await scene.talking(headers=["X-Route: 7"])
    there.hangs_up(["X-Cost: 4"])
    await there.hears(200, "BYE")
    await call.receives("BYE")
    assert heard(scene) == {}
