"""RFC 4475 and RFC 5118: every torture message, over UDP and over TCP, leads to what its RFC allows."""

import pytest

from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.inspection import inspect
from byoc_proxy.sip.message import Request, Response
from byoc_proxy.sip.outputs import Invited
from byoc_proxy.sip.parser import ParseError, StreamParser
from byoc_proxy.sip.screening import Accept, Answer, Ignore
from byoc_proxy.sip.uas import UasSession
from tests.support.torture import FOLDER, INDEX, Torture
from tests.support.wires import ANSWER, Lab, request

each_message = pytest.mark.parametrize("torture", INDEX, ids=[row.name for row in INDEX])


def server(request: Request, flow: Flow) -> Accept | Answer | Ignore:
    """What a plain B2BUA does with a request that it has never heard of."""
    refusal = inspect(request)
    if refusal is not None:
        return Answer(*refusal)
    if request.method == "INVITE":
        return Accept()
    return Answer(200 if request.method == "OPTIONS" else 481)


def finals(lab: Lab) -> list[int]:
    """The final responses so far, after every call that came in has been answered."""
    for event in lab.heard(Invited):
        assert isinstance(event.session, UasSession)
        event.session.answer(ANSWER, lab.now)
    lab.flush()
    lab.events.clear()
    return [
        sent.message.status for sent in lab.sent if isinstance(sent.message, Response) and sent.message.status > 199
    ]


def assert_alive(lab: Lab) -> None:
    """The core still answers a probe, and forgets all that came before."""
    sent = lab.hears(request("OPTIONS", branch="z9hG4bKalive", call_id="alive"))
    assert [each.what for each in sent] == ["200 OPTIONS"]
    assert lab.is_empty()


@each_message
def test_a_torture_message_in_a_datagram_gets_the_answer_of_its_rfc(torture: Torture) -> None:
    lab = Lab(server)
    lab.hears(torture.data)
    statuses = finals(lab)
    assert statuses == ([torture.datagram] if torture.datagram is not None else [])
    assert torture.allows(torture.datagram), torture.why
    assert_alive(lab)


@each_message
def test_a_torture_message_on_a_stream_is_framed_or_closes_it(torture: Torture) -> None:
    lab, parser = Lab(server, transport="TCP"), StreamParser()
    parser.feed(torture.data)
    try:
        while (message := parser.next_message()) is not None:
            lab.core.deliver(message, lab.flow, lab.now)
    except ParseError as error:
        lab.core.refuse_garbage(error, lab.flow)
    lab.flush()
    assert finals(lab) == torture.stream
    assert_alive(lab)


def test_every_message_of_both_rfcs_is_in_the_index() -> None:
    files = {path.stem for path in FOLDER.glob("rfc*/*.dat")}
    assert files == {row.name for row in INDEX}
    assert [sum(row.rfc == rfc for row in INDEX) for rfc in ("4475", "5118")] == [49, 12]


def test_the_refusal_of_an_unknown_extension_lists_what_is_unsupported() -> None:
    lab = Lab(server)
    lab.hears(by_name("bext01").data)
    assert lab.sent[0].message.listed("unsupported") == [
        "nothingSupportsThis",
        "nothingSupportsThisEither",
        "noProxiesSupportThis",
        "norDoAnyProxiesSupportThis",
    ]


def test_the_escaped_route_in_a_request_uri_never_becomes_a_header() -> None:
    lab = Lab(server)
    lab.hears(by_name("escruri").data)
    assert not any(b"\r\nRoute:" in sent.data for sent in lab.sent)
    invited = lab.heard(Invited)[0]
    assert "route" not in invited.request.headers


def test_the_call_in_the_tail_of_a_datagram_is_not_heard() -> None:
    lab = Lab(server)
    lab.hears(by_name("dblreq").data)
    assert lab.heard(Invited) == []
    assert [sent.message.call_id for sent in lab.sent] == ["dblreq.0ha0isndaksdj99sdfafnl3lk233412"]


def test_the_oddly_folded_invite_is_read_as_it_is_meant() -> None:
    lab = Lab(server)
    lab.hears(by_name("wsinv").data)
    answer = lab.sent[-1].message
    assert answer.cseq == (9, "INVITE")
    assert answer.from_.display_name == 'J Rosenberg \\"'
    assert answer.to_tag == "1918181833n"
    assert answer.from_tag == "98asjd8"
    assert [via.split(";")[0] for via in answer.listed("via")][1:] == [
        "SIP  / 2.0  / TCP     spindle.example.com   ",
        "SIP  /    2.0   / UDP  192.168.255.111   ",
    ]


def by_name(name: str) -> Torture:
    return next(row for row in INDEX if row.name == name)
