"""What comes from scanners, broken peers and attackers, and how little it gets."""

import pytest

from tests.support.build import DIALLED, PROXY, Scene

REJECT = "<Response><Reject/></Response>"
STRANGER = "203.0.113.99"


def raw(start: str, *extra: str, source: str = STRANGER, drop: str = "") -> bytes:
    """An INVITE whose start line and some headers are as told."""
    lines = [
        f"Via: SIP/2.0/UDP {source}:5060;branch=z9hG4bKraw;rport",
        f"From: <sip:{source}>;tag=raw",
        f"To: <{DIALLED}>",
        "Call-ID: raw",
        "CSeq: 1 INVITE",
        "Max-Forwards: 70",
        "Contact: <sip:203.0.113.99>",
    ]
    kept = [line for line in lines if not (drop and line.startswith(drop))]
    return "\r\n".join([start, *kept, *extra, "", ""]).encode("latin-1")


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "MESSAGE"])
async def test_a_stranger_who_names_none_of_our_domains_hears_nothing(scene: Scene, method: str) -> None:
    scene.starts()
    stranger = scene.carrier(STRANGER)
    stranger.asks(method, "sip:100@192.0.2.1")
    await scene.sleeps(5)
    assert stranger.heard == []
    assert scene.leftovers() == []


async def test_a_known_source_that_names_a_wrong_domain_is_told_404(scene: Scene) -> None:
    scene.starts()
    response = await scene.caller.calls("sip:+1@wrong.sip.example.test").hears(404)
    assert (response.headers.get("x-byoc-error") or "").startswith("32002 ")


async def test_an_installation_may_answer_strangers_with_404_and_no_explanation(scene: Scene) -> None:
    scene.starts("unknown_domain: 404")
    response = await scene.carrier(STRANGER).calls("sip:+1@wrong.example").hears(404)
    assert response.headers.get("x-byoc-error") is None


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("REGISTER", "send INVITEs, do not register"),
        ("SUBSCRIBE", "it has no events to subscribe to"),
        ("PUBLISH", "it keeps no presence"),
        ("MESSAGE", "it carries calls, no messages"),
    ],
)
async def test_who_takes_a_trunk_for_an_account_is_told_in_plain_words(
    scene: Scene, method: str, words: str
) -> None:
    scene.starts()
    response = await scene.caller.asks(method, "sip:acme.sip.example.test").hears(405, method)
    assert response.reason == f"This is a trunk: {words}"
    assert "INVITE" in (response.headers.get("allow") or "")
    (noted,) = scene.node.rejections.recent()
    assert (noted["kind"], noted["source"]) == ("405", "UDP 203.0.113.8:5060")
    assert words in str(noted["reason"])


@pytest.mark.parametrize("method", ["REFER", "NOTIFY", "FOO"])
async def test_methods_that_we_do_not_serve_are_405(scene: Scene, method: str) -> None:
    scene.starts()
    await scene.caller.asks(method, "sip:acme.sip.example.test").hears(405, method)


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE"])
async def test_a_request_of_no_dialog_is_481(scene: Scene, method: str) -> None:
    scene.starts()
    await scene.caller.asks(method, "sip:acme.sip.example.test").hears(481, method)


async def test_a_bye_with_the_tags_of_another_call_is_481_and_ends_nothing(scene: Scene) -> None:
    scene.starts()
    call, there = await scene.talking()
    tag, call.tag = call.tag, "forged"
    call.hangs_up()
    await call.hears(481, "BYE")
    call.tag = tag
    assert there.is_quiet
    call.hangs_up()
    await call.hears(200, "BYE")
    await there.receives("BYE")


MALFORMED = {
    "no CSeq": raw(f"INVITE {DIALLED} SIP/2.0", drop="CSeq"),
    "no To": raw(f"INVITE {DIALLED} SIP/2.0", drop="To"),
    "two Call-IDs": raw(f"INVITE {DIALLED} SIP/2.0", "Call-ID: another"),
    "a CSeq of another method": raw(f"INVITE {DIALLED} SIP/2.0", "CSeq: 1 BYE", drop="CSeq"),
    "a body that is too short": raw(f"INVITE {DIALLED} SIP/2.0", "Content-Length: 999"),
    "a hundred headers and more": raw(f"INVITE {DIALLED} SIP/2.0", *[f"X-{n}: 1" for n in range(120)]),
    "a broken request line": raw(f"INVITE  {DIALLED} SIP/2.0"),
}


@pytest.mark.parametrize("fault", MALFORMED)
async def test_a_request_that_can_be_answered_is_400_when_it_has(scene: Scene, fault: str) -> None:
    scene.starts()
    scene.caller.speaks(MALFORMED[fault])
    await scene.settled()
    assert [each.data[:12] for each in scene.network.log[1:]] == [b"SIP/2.0 400 "]
    assert scene.customer.requests == []


SILENCED = {
    "no Via": raw(f"INVITE {DIALLED} SIP/2.0", drop="Via"),
    "noise": b"\x00\x01\x02 what is this \xff\xfe",
    "HTTP": b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
    "only line ends": b"\r\n\r\n\r\n\r\n",
    "70 kB": raw(f"INVITE {DIALLED} SIP/2.0", "X-Long: " + "x" * 70_000),
    "a bare LF in a header": raw(f"INVITE {DIALLED} SIP/2.0", "Subject: a\nVia: evil"),
    "a bare CR in a header": raw(f"INVITE {DIALLED} SIP/2.0", "Subject: a\rVia: evil"),
    "a response to nothing": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
    b"From: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n",
    "an ACK of nothing": raw(f"ACK {DIALLED} SIP/2.0", "CSeq: 1 ACK", drop="CSeq"),
}


@pytest.mark.parametrize("bytes_of", SILENCED)
async def test_what_cannot_be_answered_is_dropped_and_costs_nothing(scene: Scene, bytes_of: str) -> None:
    scene.starts()
    scene.carrier(STRANGER).speaks(SILENCED[bytes_of])
    await scene.sleeps(5)
    assert len(scene.network.log) == 1
    assert scene.leftovers() == []


async def test_an_escaped_line_break_in_the_user_part_starts_no_new_header(scene: Scene) -> None:
    scene.starts()
    call = scene.caller.calls(user="evil%0d%0aX-Injected:%201")
    await call.hears(180)
    for there in [await scene.first.invited()]:
        assert "x-injected" not in there.invite.headers
        there.refuses(486)
    await call.hears(486)
    assert "x-injected" not in {name.lower() for name in scene.customer.requests[0].headers}


async def test_an_extension_that_is_required_and_not_ours_is_420(scene: Scene) -> None:
    scene.starts()
    response = await scene.caller.calls(headers=["Require: 100rel, foo"]).hears(420)
    assert response.headers.get("unsupported") == "foo"


async def test_an_invite_that_has_no_hop_left_is_483(scene: Scene) -> None:
    scene.starts()
    scene.caller.speaks(raw(f"INVITE {DIALLED} SIP/2.0", "Max-Forwards: 0", source="203.0.113.8", drop="Max"))
    await scene.settled()
    assert scene.network.log[1].data.startswith(b"SIP/2.0 483 ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [(["Content-Type: application/json"], 415), (["Content-Encoding: gzip"], 415)],
)
async def test_a_body_that_is_no_sdp_is_415(scene: Scene, headers: list[str], status: int) -> None:
    scene.starts()
    await scene.caller.calls(headers=headers).hears(status)


@pytest.mark.parametrize("fault", MALFORMED)
async def test_a_stranger_hears_nothing_of_what_is_wrong(scene: Scene, fault: str) -> None:
    scene.starts()
    scene.carrier(STRANGER).speaks(MALFORMED[fault])
    await scene.settled()
    assert len(scene.network.log) == 1


async def test_a_flood_of_a_stranger_leaves_no_trace_and_soon_has_no_answer(scene: Scene) -> None:
    scene.starts()
    stranger = scene.carrier(STRANGER)
    for _ in range(200):
        stranger.calls("sip:100@192.0.2.1")
        stranger.calls(DIALLED)
    await scene.settled()
    assert scene.leftovers() == []
    assert stranger.heard == ["403 INVITE"] * 10
    assert [event["source"] for event in scene.events("source.banned")] == [STRANGER]


async def test_a_repeated_refused_invite_gets_the_same_answer_byte_for_byte(scene: Scene) -> None:
    scene.starts()
    stranger = scene.carrier(STRANGER)
    stranger.silent = True
    call = stranger.calls()
    call.repeats()
    await scene.settled()
    answers = [each.data for each in scene.network.log if each.source == PROXY]
    assert len(answers) == 2
    assert answers[0] == answers[1]


async def test_an_invite_with_a_control_character_in_its_via_leaves_nothing_behind(scene: Scene) -> None:
    scene.starts()
    invite = raw(f"INVITE {DIALLED} SIP/2.0", source="203.0.113.8")
    scene.caller.speaks(invite.replace(b";branch=", b";odd=\x06;branch="))
    await scene.settled()
    core = scene.node.endpoint.core
    assert (list(core.transactions), list(core.sessions)) == ([], [])
    assert scene.caller.heard == ["400 INVITE"]  # by way of what can be read of its Via (RFC 4475 §3.1.2.1)
