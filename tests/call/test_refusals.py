"""The memory of refusals: the same request hears the same, and the memory has an end."""

from byoc_proxy.call.refusals import Refusals
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.headers import Headers
from byoc_proxy.sip.message import Request
from byoc_proxy.sip.screening import Answer

FLOW = Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.8", 5060), "192.0.2.1:5060")


def invite(branch: str, number: int = 1) -> Request:
    fields = [("Via", f"SIP/2.0/UDP 203.0.113.8;branch={branch}"), ("Call-ID", "c"), ("CSeq", f"{number} INVITE")]
    return Request("INVITE", "sip:+1@acme.example", Headers(fields))


def test_a_request_is_known_by_source_call_id_branch_and_cseq() -> None:
    refusals = Refusals()
    answer = refusals.keep(invite("z9hG4bK1"), FLOW, Answer(503))
    assert refusals.of(invite("z9hG4bK1"), FLOW) is answer
    assert refusals.of(invite("z9hG4bK2"), FLOW) is None
    assert refusals.of(invite("z9hG4bK1", 2), FLOW) is None
    assert refusals.of(invite("z9hG4bK1"), FLOW._replace(remote=("203.0.113.9", 5060))) is None


def test_the_oldest_refusal_is_forgotten_first() -> None:
    refusals = Refusals(most=2)
    for branch in ("z9hG4bK1", "z9hG4bK2", "z9hG4bK3"):
        refusals.keep(invite(branch), FLOW, Answer(503))
    assert len(refusals) == 2
    assert refusals.of(invite("z9hG4bK1"), FLOW) is None
    assert refusals.of(invite("z9hG4bK3"), FLOW) is not None
