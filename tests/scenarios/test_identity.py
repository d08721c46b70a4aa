"""Who calls whom, as both carriers and the application see it: identity, privacy, numbers, headers that cross."""

import pytest

from byoc_proxy.sip.message import Request
from tests.support.build import ANSWER, Scene
from tests.support.carrier import credentials

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
VOUCHED = "P-Asserted-Identity: <sip:+15550199@10.1.2.3>"
BRITISH = "{country_code: '44', national_prefix: '0'}"


def trunk(settings: str) -> str:
    return f"trunks: {{acme-trunk: {{{settings}}}}}"


async def sent(scene: Scene, *headers: str, user: str = "+15550100", display: str = "") -> Request:
    """The INVITE that the first gateway gets, which is busy."""
    call = scene.caller.calls(user=user, headers=headers, display=display)
    await call.hears(180)
    there = await scene.first.invited()
    there.refuses(486)
    await call.hears(486)
    return there.invite


def said(invite: Request, *names: str) -> list[str | None]:
    """Header values, without the tag of From."""
    return [(invite.headers.get(name) or "").rpartition(";tag=")[0] or invite.headers.get(name) for name in names]


async def test_account_domain_contact_and_next_hop_are_four_separate_things(scene: Scene) -> None:
    scene.starts(trunk("from_user: acct42, from_host: 'carrier.example', to_host: voice.carrier.example"))
    invite = await sent(scene)
    assert invite.uri_text == "sip:+14158675309@198.51.100.1"
    assert said(invite, "from", "to", "contact", "p-asserted-identity") == [
        "<sip:acct42@carrier.example>",
        "<sip:+14158675309@voice.carrier.example>",
        "<sip:192.0.2.1:5060>",
        "<sip:+15550100@carrier.example>",
    ]


async def test_what_the_callers_network_vouches_for_reaches_a_trusted_carrier(scene: Scene) -> None:
    scene.starts()
    invite = await sent(scene, VOUCHED)
    assert said(invite, "from", "p-asserted-identity") == [
        "<sip:+15550100@sip.example.test>",
        "<sip:+15550199@sip.example.test>",
    ]


async def test_an_assertion_is_not_believed_on_a_trunk_that_trusts_nobody(scene: Scene) -> None:
    scene.starts(trunk("trust_identity: never"))
    assert said(await sent(scene, VOUCHED), "p-asserted-identity") == ["<sip:+15550100@sip.example.test>"]
    assert (await scene.over()).decisions[-1] == "P-Asserted-Identity is not believed of this source"


@pytest.mark.parametrize(("trust", "believed"), [("acl", False), ("always", True)])
async def test_a_source_known_by_its_password_alone_is_trusted_only_if_the_trunk_says_so(
    scene: Scene, trust: str, believed: bool
) -> None:
    scene.starts(
        "credential_lists: {sbcs: {credentials: [{username: sbc1, password: Correct-Horse-7}]}}\n"
        "domains: {acme: {credential_lists: [sbcs], ip_access_control_lists: []}}\n"
        + trunk(f"trust_identity: {trust}")
    )
    call = scene.caller.calls(headers=[VOUCHED])
    challenge = (await call.hears(407)).headers.get("proxy-authenticate") or ""
    answer = credentials(challenge, "sbc1", "Correct-Horse-7", call.target)
    call.invites(headers=[VOUCHED, f"Proxy-Authorization: {answer}"])
    await call.hears(180)
    there = await scene.first.invited()
    assert ("+15550199" in (there.invite.headers.get("p-asserted-identity") or "")) is believed
    there.refuses(486)
    await call.hears(486)


@pytest.mark.parametrize(
    "headers", [["Privacy: id"], ["Privacy: id", VOUCHED], ["Privacy: user;critical", VOUCHED]]
)
async def test_a_withheld_number_is_nowhere_in_what_an_untrusted_carrier_gets(
    scene: Scene, headers: list[str]
) -> None:
    scene.starts(trunk("identity_header: none, relay_headers: ['P-*', 'Re*', Diversion]"))
    invite = await sent(scene, *headers, "Remote-Party-ID: <sip:+15550100@10.1.2.3>", display='"Ann" ')
    assert said(invite, "from") == [ANONYMOUS]
    for secret in (b"555010", b"555019", b"Ann", b"10.1.2.3"):
        assert secret not in invite.encode()
    assert b"Privacy: " in invite.encode()


async def test_a_trusted_carrier_gets_the_withheld_number_and_the_wish_to_withhold_it(scene: Scene) -> None:
    scene.starts()
    invite = await sent(scene, "Privacy: id", VOUCHED, display='"Ann" ')
    assert said(invite, "from", "p-asserted-identity", "privacy") == [
        ANONYMOUS,
        "<sip:+15550199@sip.example.test>",
        "id",
    ]
    decisions = (await scene.over()).decisions
    assert decisions[-2:] == ["P-Asserted-Identity is believed", "the caller is anonymous: Privacy id"]


async def test_an_application_that_sets_caller_id_takes_the_callers_place(scene: Scene) -> None:
    scene.starts(twiml='<Response><Dial callerId="+15550123"><Number>+14158675309</Number></Dial></Response>')
    invite = await sent(scene, "Privacy: id", VOUCHED)
    assert said(invite, "from", "p-asserted-identity", "privacy") == [
        "<sip:+15550123@sip.example.test>",
        "<sip:+15550123@sip.example.test>",
        None,
    ]


async def test_a_sip_noun_is_no_carrier_and_never_hears_a_withheld_number(scene: Scene) -> None:
    scene.starts(twiml="<Response><Dial><Sip>sip:bob@198.51.100.1</Sip></Dial></Response>")
    invite = await sent(scene, "Privacy: id", VOUCHED)
    assert said(invite, "from", "p-asserted-identity", "privacy") == [ANONYMOUS, None, "id"]


async def test_webhooks_see_from_as_it_came_and_never_the_asserted_identity(scene: Scene) -> None:
    scene.starts()
    await sent(scene, "Privacy: id", VOUCHED, user="anonymous")
    asked = scene.customer.requests[0]
    assert asked.params["From"] == "sip:anonymous@203.0.113.8"
    assert b"5550199" not in asked.body


@pytest.mark.parametrize(("headers", "name"), [([], "M\u00fcller \u2603"), (["Privacy: id"], None)])
async def test_the_carriers_display_name_is_caller_name_where_the_trunk_asks_for_it(
    scene: Scene, headers: list[str], name: str | None
) -> None:
    scene.starts(trunk("cnam_lookup_enabled: true"))
    await sent(scene, *headers, display='"M\u00fcller \u2603" ')
    assert scene.customer.requests[0].params.get("CallerName") == name


async def test_national_numbers_of_a_carrier_are_e164_for_the_application_and_beyond(scene: Scene) -> None:
    scene.starts(trunk(f"inbound_numbers: {{called: {BRITISH}, calling: {BRITISH}}}"))
    call = scene.caller.calls("sip:02079460000@acme.sip.example.test", user="020-7946-0123")
    await call.hears(180)
    there = await scene.first.invited()
    there.refuses(486)
    await call.hears(486)
    params = scene.customer.requests[0].params
    assert (params["From"], params["To"]) == ("+442079460123", "+442079460000")
    assert said(there.invite, "from") == ["<sip:+442079460123@sip.example.test>"]
    record = await scene.over()
    assert (record.caller_raw, record.called_raw) == ("020-7946-0123", "02079460000")
    assert (record.caller, record.called) == ("+442079460123", "+442079460000")
    assert record.decisions[-2:] == [
        "calling number 020-7946-0123 is +442079460123",
        "called number 02079460000 is +442079460000",
    ]


async def test_every_attempt_gets_numbers_in_the_carriers_form_built_afresh(scene: Scene) -> None:
    scene.starts(trunk("outbound_numbers: {called: {plus: remove, tech_prefix: '77#'}, calling: {plus: remove}}"))
    call = scene.caller.calls()
    await call.hears(180)
    for gateway, status in ((scene.first, 500), (scene.second, 486)):
        there = await gateway.invited()
        host = gateway.address[0]
        assert there.invite.uri_text == f"sip:77%2314158675309@{host}"
        assert said(there.invite, "from", "to", "p-asserted-identity") == [
            "<sip:15550100@sip.example.test>",
            f"<sip:77%2314158675309@{host}>",
            "<sip:15550100@sip.example.test>",
        ]
        there.refuses(status)
    await call.hears(486)
    assert [(each.caller, each.called) for each in (await scene.over()).attempts] == [
        ("15550100", "77#14158675309")
    ] * 2


@pytest.mark.parametrize(
    ("uri", "numbers"),
    [
        ("sip:acme.sip.example.test", "{}"),
        ("sip:11@acme.sip.example.test", "{called: {min_digits: 3}}"),
        ("sip:7711@acme.sip.example.test", "{called: {strip_prefix: '77', min_digits: 3}}"),
    ],
)
async def test_a_call_to_an_incomplete_number_is_484_before_anything_is_asked(
    scene: Scene, uri: str, numbers: str
) -> None:
    scene.starts(trunk(f"inbound_numbers: {numbers}"))
    response = await scene.caller.calls(uri).hears(484)
    assert response.reason == "Address Incomplete"
    assert (response.headers.get("x-byoc-error") or "").startswith("32101 ")
    assert scene.customer.requests == []


async def test_listed_headers_cross_and_everything_else_stays(scene: Scene) -> None:
    scene.starts(trunk("relay_headers: [X-Account, 'Y-*', Diversion]"))
    headers = [
        'X-Account: 7; a="b"',
        "x-other: 1",
        "Y-One: 1",
        "y-two: 2",
        "Subject: not listed",
        "Route: <sip:x;lr>",
    ]
    invite = await sent(scene, *headers, "Diversion: <sip:+15550111@10.1.2.3>;reason=unconditional")
    assert said(invite, "x-account", "x-other", "y-one", "y-two", "subject", "route", "diversion") == [
        '7; a="b"',
        None,
        "1",
        "2",
        None,
        None,
        "<sip:+15550111@sip.example.test>;reason=unconditional",
    ]
    assert b"10.1.2.3" not in invite.encode()


async def test_who_diverted_a_call_is_told_in_the_form_of_the_carrier_that_it_goes_to(scene: Scene) -> None:
    numbers = f"inbound_numbers: {{calling: {BRITISH}}}, outbound_numbers: {{calling: {{plus: remove}}}}"
    scene.starts(trunk(f"relay_headers: [Diversion], {numbers}"))
    invite = await sent(scene, "Diversion: <sip:02079460000@10.1.2.3>;reason=no-answer")
    assert said(invite, "diversion") == ["<sip:442079460000@sip.example.test>;reason=no-answer"]


async def test_what_the_callee_says_crosses_to_the_caller_by_the_list_of_the_callers_trunk(scene: Scene) -> None:
    scene.starts(trunk("ringing: relay, relay_headers: [X-Shown, User-to-User]"))
    call = scene.caller.calls()
    there = await scene.first.invited()
    headers = ["X-Shown: 1", "X-Hidden: 2", "User-to-User: 56a3", "Server: Inside/9", "Contact: <sip:10.1.2.3>"]
    there.responds(183, ANSWER, headers)
    early = await call.hears(183)
    there.answers(headers=headers[:-1])
    await there.receives("ACK")
    answer = await call.hears(200)
    call.acks()
    for response in (early, answer):
        shown = [response.headers.get(name) for name in ("x-shown", "x-hidden", "user-to-user", "server")]
        assert shown == ["1", None, "56a3", None]
        assert b"10.1.2.3" not in response.encode()
    call.hangs_up()
    await there.receives("BYE")


async def test_a_180_of_the_callee_brings_its_listed_headers_where_ringing_is_relayed(scene: Scene) -> None:
    scene.starts(trunk("ringing: relay, relay_headers: [Alert-Info]"))
    call = scene.caller.calls()
    there = await scene.first.invited()
    there.responds(180, headers=["Alert-Info: <urn:alert:source:internal>", "X-Hidden: 2"])
    ringing = await call.hears(180)
    assert (ringing.headers.get("alert-info"), "x-hidden" in ringing.headers) == (
        "<urn:alert:source:internal>",
        False,
    )
    there.refuses(486)
    await call.hears(486)


@pytest.mark.parametrize("method", ["INFO", "MESSAGE"])
async def test_requests_inside_a_call_bring_listed_headers_both_ways(scene: Scene, method: str) -> None:
    scene.starts(trunk("relay_headers: [X-Shown]"))
    call, there = await scene.talking()
    headers = ["Content-Type: text/plain", "X-Shown: 1", "X-Hidden: 2", "User-to-User: 56a3"]
    for one, two in ((call, there), (there, call)):
        one.requests(method, b"x", headers)
        request = await two.receives(method)
        two.responds(200, headers=headers[1:], to=request)
        for message in (request, await one.hears(200, method)):
            shown = [message.headers.get(name) for name in ("x-shown", "x-hidden", "user-to-user")]
            assert shown == ["1", None, None]
    call.hangs_up()
    await there.receives("BYE")


async def test_a_display_name_of_any_bytes_reaches_the_other_side_byte_for_byte(scene: Scene) -> None:
    scene.starts()
    for name in (b"\xff\xfe", "\u201eAnn\u201c \u2603".encode(), b'\\"A\\\\B\\"'):
        call = scene.caller.calls(display=f'"{name.decode("utf-8", "surrogateescape")}" ')
        await call.hears(180)
        there = await scene.first.invited()
        assert b'From: "' + name + b'" <sip:+15550100@' in there.invite.encode()
        there.refuses(486)
        await call.hears(486)


async def test_a_user_part_of_any_bytes_reaches_application_record_and_carrier(scene: Scene) -> None:
    scene.starts()
    invite = await sent(scene, user="null-%00-\udcff")
    assert said(invite, "from") == ["<sip:null-%00-%FF@sip.example.test>"]
    assert scene.customer.requests[0].params["From"] == "sip:null-\x00-\ufffd@203.0.113.8"
    assert (await scene.over()).status == "busy"


async def test_a_transfer_to_a_national_number_is_understood_as_the_carrier_means_it(scene: Scene) -> None:
    numbers = f"inbound_numbers: {{called: {BRITISH}}}, outbound_numbers: {{called: {{tech_prefix: '77#'}}}}"
    scene.starts(trunk(f"refer: terminate, {numbers}"))
    call, there = await scene.talking()
    there.requests("REFER", headers=["Refer-To: <sip:02079460000@10.1.2.3>"])
    await there.hears(202, "REFER")
    there.responds(200, to=await there.receives("NOTIFY"))
    desk = await scene.first.invited()
    assert desk.invite.uri_text == "sip:77%23+442079460000@198.51.100.1"
    desk.refuses(486)
    there.responds(200, to=await there.receives("NOTIFY"))
    call.hangs_up()
    await there.receives("BYE")
