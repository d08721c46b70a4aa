from dataclasses import replace
from typing import Any

import pytest

from byoc_proxy.sip.digest_server import Absent, Passed, Stale, Wrong
from byoc_proxy.sip.flow import PeerCertificate
from byoc_proxy.trunk.admission import Admission, Admit, Arrival, Challenge, Drop, Refuse, admit
from byoc_proxy.trunk.changes import Change
from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.model import ClientCertificates, SipDomain
from byoc_proxy.trunk.numbers import NumberFormat, NumberFormats
from tests.trunk.records import BASE, DALLAS, INSTALLATION, SBCS, account, directory, domain, trunk

CARRIER = "203.0.113.9"
STRANGER = "198.51.100.7"
HOST = f"acme.{BASE}"
Answer = Passed | Absent | Stale | Wrong


def judged(
    snapshot: Directory,
    source: str = CARRIER,
    *,
    answer: Answer | None = None,
    host: str = HOST,
    **arrival: Any,
) -> Admission:
    """The verdict; without `answer` it is an error to ask for digest at all."""

    def authenticate(domain: SipDomain) -> Answer:
        assert answer is not None, "digest was asked"
        return answer

    return admit(
        Arrival(host, source, **{"transport": "UDP", "called": "+15550199", **arrival}), snapshot, authenticate
    )


def test_a_call_that_passes_both_lists_comes_in_with_the_whole_story() -> None:
    verdict = judged(directory(), answer=Passed("sbc1"), host=f"acme.de1.{BASE}")
    assert isinstance(verdict, Admit)
    assert verdict.trunk == trunk()
    assert (verdict.region, verdict.username, str(verdict.acl_entry)) == (
        "de1",
        "sbc1",
        "'Production SBC' 203.0.113.8/30",
    )
    assert verdict.trail == (
        f"domain {HOST} matched host acme.de1.{BASE}, region de1",
        f"trunk {trunk().sid} 'Acme Trunk'",
        "source 203.0.113.9 matched 'Production SBC' 203.0.113.8/30",
        "digest user 'sbc1' passed",
    )


@pytest.mark.parametrize("answer", [Absent(), Passed("sbc1"), Wrong("response")])
def test_a_wrong_source_is_refused_and_never_challenged_whatever_it_knows(answer: Answer) -> None:
    verdict = judged(directory(), STRANGER)
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.reason, verdict.code, verdict.known) == (403, "Forbidden", 32201, False)
    assert verdict.text == "Authentication failure - source IP Address not in ACL"
    assert f"source {STRANGER} is in no access control list of {HOST}" in verdict.trail


def test_the_right_source_without_credentials_is_challenged() -> None:
    verdict = judged(directory(), answer=Absent())
    assert isinstance(verdict, Challenge)
    assert (verdict.domain.domain_name, verdict.stale, verdict.wrong) == (HOST, False, None)


def test_the_right_source_with_a_wrong_digest_is_challenged_again_and_the_reason_is_kept() -> None:
    verdict = judged(directory(), answer=Wrong("response does not match"))
    assert isinstance(verdict, Challenge)
    assert (verdict.stale, verdict.wrong) == (False, "response does not match")
    assert verdict.trail[-1] == "digest refused: response does not match"


def test_an_expired_nonce_is_challenged_as_stale() -> None:
    verdict = judged(directory(), answer=Stale("sbc1"))
    assert isinstance(verdict, Challenge)
    assert verdict.stale is True


@pytest.mark.parametrize("status", ["suspended", "closed"])
@pytest.mark.parametrize("source", [CARRIER, STRANGER])
def test_a_call_to_a_domain_of_an_account_that_is_not_active_is_refused_before_any_list_is_asked(
    status: str, source: str
) -> None:
    verdict = judged(directory(accounts=(account(status=status),)), source)
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code, verdict.known) == (403, 20005, source == CARRIER)
    assert verdict.text == f"Account {account().sid} is not active"


def test_an_account_that_is_active_again_is_served_with_the_next_call() -> None:
    before = directory(accounts=(account(status="suspended"),))
    after = before.changed([Change("accounts", account().sid, account())])
    assert isinstance(judged(before), Refuse)
    assert isinstance(judged(after, answer=Passed("sbc1")), Admit)


def test_a_domain_with_access_control_lists_alone_asks_for_no_digest() -> None:
    verdict = judged(directory(domains=(domain(credential_list_sids=()),)))
    assert isinstance(verdict, Admit)
    assert verdict.username is None


def test_a_domain_with_credential_lists_alone_takes_any_source() -> None:
    snapshot = directory(domains=(domain(ip_access_control_list_sids=()),))
    verdict = judged(snapshot, STRANGER, answer=Passed("sbc1"))
    assert isinstance(verdict, Admit)
    assert verdict.acl_entry is None


def test_a_domain_without_authentication_lets_nobody_in_and_says_why() -> None:
    snapshot = directory(domains=(domain(ip_access_control_list_sids=(), credential_list_sids=()),))
    verdict = judged(snapshot)
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.text) == (403, f"no authentication is configured on {HOST}")
    assert verdict.trail[-2:] == (
        f"source {CARRIER}: no access control list to ask",
        f"refused: no authentication is configured on {HOST}",
    )


def test_an_empty_access_control_list_lets_nobody_in() -> None:
    empty = replace(directory().resources.ip_access_control_lists[0], addresses=())
    verdict = judged(directory(ip_access_control_lists=(empty,)))
    assert isinstance(verdict, Refuse)
    assert verdict.status == 403


def test_a_domain_without_a_trunk_is_not_found_before_anything_else_is_asked() -> None:
    verdict = judged(directory(domains=(domain(byoc_trunk_sid=None),)))
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.known, verdict.text) == (404, True, f"no trunk linked to {HOST}")


def test_a_scanner_that_names_no_domain_hears_nothing() -> None:
    verdict = judged(directory(), STRANGER, host="192.0.2.1")
    assert isinstance(verdict, Drop)
    assert verdict.reason == "no domain has the host 192.0.2.1"
    assert f"source {STRANGER}" in verdict.trail


def test_a_carrier_that_names_a_wrong_domain_is_told_so() -> None:
    verdict = judged(directory(), CARRIER, host=f"acmee.{BASE}")
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code, verdict.known) == (404, 32002, True)


def test_an_installation_may_answer_404_to_strangers_but_still_tells_them_nothing() -> None:
    snapshot = directory(installation=replace(INSTALLATION, unknown_domain="404"))
    verdict = judged(snapshot, STRANGER, host="192.0.2.1")
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.known) == (404, False)


SECURE = directory(domains=(domain(secure=True),))


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_secure_domain_refuses_plain_transports(transport: str) -> None:
    verdict = judged(SECURE, transport=transport, secure_media=True)
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code, verdict.text) == (488, 32209, "Secure SIP transport required")


@pytest.mark.parametrize("offer", [False, None], ids=["plain RTP", "no offer"])
def test_a_secure_domain_refuses_what_is_not_srtp_over_tls(offer: bool | None) -> None:
    verdict = judged(SECURE, transport="TLS", secure_media=offer)
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code) == (488, 32208)


def test_a_secure_domain_takes_srtp_over_tls() -> None:
    assert isinstance(judged(SECURE, transport="TLS", secure_media=True, answer=Passed("sbc1")), Admit)


def test_a_wrong_source_learns_nothing_about_secure_media() -> None:
    verdict = judged(SECURE, STRANGER)
    assert isinstance(verdict, Refuse)
    assert verdict.status == 403


def test_a_domain_that_is_not_secure_takes_tls_and_srtp_as_well() -> None:
    assert isinstance(judged(directory(), transport="TLS", secure_media=True, answer=Passed("sbc1")), Admit)


STATIC = "10.9.0.5"


def static_directory(**fields: Any) -> Directory:
    rich = account(static_ip=True, interconnect=("10.9.0.0/24",))
    return directory(accounts=(rich,), domains=(domain(static_ips=(STATIC,), **fields),))


def test_over_a_static_address_the_access_control_lists_are_not_asked_but_digest_is() -> None:
    verdict = judged(static_directory(), STRANGER, host=STATIC, local=(STATIC,), answer=Absent())
    assert isinstance(verdict, Challenge)


def test_over_a_static_address_a_domain_without_credential_lists_trusts_the_interconnect() -> None:
    snapshot = static_directory(credential_list_sids=())
    verdict = judged(snapshot, STRANGER, host=STATIC, local=(STATIC,))
    assert isinstance(verdict, Admit)
    assert f"source {STRANGER} at static address {STATIC}: access control lists are not asked" in verdict.trail


def test_naming_a_static_address_at_a_public_listener_opens_nothing() -> None:
    snapshot = static_directory(credential_list_sids=())
    assert isinstance(judged(snapshot, STRANGER, host=STATIC, local=("203.0.113.5",)), Drop)
    assert isinstance(judged(snapshot, STRANGER, host=STATIC), Drop)


def test_the_same_domain_by_name_still_asks_its_access_control_lists() -> None:
    verdict = judged(static_directory(credential_list_sids=()), STRANGER, local=(STATIC,))
    assert isinstance(verdict, Refuse)
    assert verdict.code == 32201


@pytest.mark.parametrize("source", [CARRIER, STRANGER])
@pytest.mark.parametrize("answer", [Passed("sbc1"), Wrong("response"), Absent()])
@pytest.mark.parametrize("acls", [(), (DALLAS,)])
@pytest.mark.parametrize("lists", [(), (SBCS,)])
def test_nobody_comes_in_past_a_list_that_is_mapped(
    source: str, answer: Answer, acls: tuple[str, ...], lists: tuple[str, ...]
) -> None:
    mapped = domain(ip_access_control_list_sids=acls, credential_list_sids=lists)
    verdict = judged(directory(domains=(mapped,)), source, answer=answer)
    source_passes = not acls or source == CARRIER
    digest_passes = not lists or isinstance(answer, Passed)
    assert isinstance(verdict, Admit) is (bool(acls or lists) and source_passes and digest_passes)
    assert isinstance(verdict, Challenge) is (bool(lists) and source_passes and not digest_passes)


@pytest.mark.parametrize(
    ("called", "least", "complete"),
    [("", 0, False), ("", 3, False), ("alice", 0, True), ("alice", 3, False), ("11", 3, False), ("112", 3, True)],
)
def test_a_call_to_nobody_or_to_too_few_digits_is_incomplete(called: str, least: int, complete: bool) -> None:
    numbers = NumberFormats(called=NumberFormat(min_digits=least))
    verdict = judged(directory(trunks=(trunk(inbound_numbers=numbers),)), called=called, answer=Passed("sbc1"))
    assert isinstance(verdict, Admit) is complete
    if isinstance(verdict, Refuse):
        assert (verdict.status, verdict.reason, verdict.code) == (484, "Address Incomplete", 32101)


def test_who_has_not_authenticated_learns_nothing_about_numbers() -> None:
    assert isinstance(judged(directory(), called="", answer=Absent()), Challenge)


# --- client certificates -----------------------------------------------------------------------------------

OURS = ClientCertificates("ca.pem", frozenset({"aa"}), ("sbc.carrier.example",))
CERTIFIED = domain(ip_access_control_list_sids=(), credential_list_sids=(), client_certificates=OURS)


def shown(*names: str, authority: str = "aa") -> PeerCertificate:
    return PeerCertificate(names, frozenset({"00", authority}))


def test_a_client_certificate_of_the_right_authority_and_name_is_authentication_enough() -> None:
    snapshot = directory(domains=(CERTIFIED,))
    verdict = judged(snapshot, STRANGER, transport="TLS", certificate=shown("x.example", "sbc.carrier.example"))
    assert isinstance(verdict, Admit)
    assert verdict.trail[-1] == "client certificate of x.example, sbc.carrier.example passed"


@pytest.mark.parametrize(
    ("transport", "certificate", "fault"),
    [
        ("TLS", None, "none was shown"),
        ("TCP", None, "there is none over TCP"),
        ("UDP", None, "there is none over UDP"),
        ("TLS", shown("sbc.carrier.example", authority="bb"), "its authority is not one of this domain"),
        ("TLS", PeerCertificate(("sbc.carrier.example",), frozenset()), "its authority is not one of this domain"),
        ("TLS", shown("sbc.other.example"), "it names sbc.other.example"),
        ("TLS", shown(), "it names nobody"),
    ],
)
def test_without_the_right_client_certificate_the_answer_is_403_and_says_why(
    transport: str, certificate: PeerCertificate | None, fault: str
) -> None:
    snapshot = directory(domains=(replace(CERTIFIED, ip_access_control_list_sids=(DALLAS,)),))
    verdict = judged(snapshot, transport=transport, certificate=certificate)
    assert isinstance(verdict, Refuse)
    assert (verdict.status, verdict.code, verdict.known) == (403, 32290, True)
    assert verdict.text == f"Client certificate required: {fault}"
    assert f"client certificate: {fault}" in verdict.trail


def test_without_a_list_of_names_any_certificate_of_the_authority_will_do() -> None:
    anybody = replace(CERTIFIED, client_certificates=replace(OURS, names=()))
    verdict = judged(directory(domains=(anybody,)), STRANGER, transport="TLS", certificate=shown())
    assert isinstance(verdict, Admit)


def test_a_client_certificate_and_digest_are_both_required_where_both_are_set() -> None:
    both = replace(CERTIFIED, credential_list_sids=(SBCS,))
    verdict = judged(
        directory(domains=(both,)),
        STRANGER,
        answer=Absent(),
        transport="TLS",
        certificate=shown("sbc.carrier.example"),
    )
    assert isinstance(verdict, Challenge)
    assert isinstance(judged(directory(domains=(both,)), STRANGER, transport="TLS"), Refuse)  # never challenged
