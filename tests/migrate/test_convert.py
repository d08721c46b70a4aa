"""What is read of an account becomes our rows with the same SIDs; what cannot move as it is, is said."""

from typing import Any

import pytest

from byoc_proxy.commands.output import list_variables
from byoc_proxy.config.export import export
from byoc_proxy.config.yaml_text import yaml_text
from byoc_proxy.migrate.api import Api, ImportFailed
from byoc_proxy.migrate.convert import Imported, converted
from byoc_proxy.migrate.review import faults_of
from byoc_proxy.migrate.rows import read_account
from byoc_proxy.migrate.transport import Key
from byoc_proxy.trunk.model import Resources
from tests.support.twilio import (
    ACCOUNT,
    ACL,
    DOMAIN,
    HOST,
    PLAIN_DOMAIN,
    POLICY,
    TOKEN,
    TRUNK,
    USERS,
    FakeTwilio,
    InMemory,
    an_account,
    domain,
    sid,
    target,
)

BASE = "sip.example.test"


async def imported(fake: FakeTwilio) -> Imported:
    api = Api(InMemory(fake), Key(ACCOUNT, TOKEN), HOST, HOST)
    return converted(await read_account(api, ACCOUNT), BASE)


async def rows(fake: FakeTwilio) -> Resources:
    return (await imported(fake)).resources


async def test_everything_keeps_its_sid() -> None:
    found = await rows(an_account())
    assert [row.sid for row in found.accounts] == [ACCOUNT]
    assert [row.sid for row in found.trunks] == [TRUNK]
    assert [row.sid for row in found.domains] == [DOMAIN, PLAIN_DOMAIN]
    assert [row.sid for row in found.ip_access_control_lists] == [ACL]
    assert [row.sid for row in found.ip_access_control_lists[0].addresses] == [sid("IP", 1), sid("IP", 2)]
    assert [row.sid for row in found.credential_lists] == [USERS]
    assert [row.sid for row in found.credential_lists[0].credentials] == [sid("CR", 1), sid("CR", 2)]
    assert [row.sid for row in found.connection_policies] == [POLICY]
    assert [row.sid for row in found.connection_policies[0].targets] == [sid("NE", 1), sid("NE", 2)]


async def test_a_trunk_keeps_its_urls_methods_and_references() -> None:
    (trunk,) = (await rows(an_account())).trunks
    assert (trunk.friendly_name, trunk.voice_url, trunk.voice_method) == (
        "Main trunk",
        "https://app.example.test/voice",
        "GET",
    )
    assert (trunk.voice_fallback_url, trunk.status_callback_url) == (None, "https://app.example.test/status")
    assert (trunk.connection_policy_sid, trunk.from_domain_sid) == (POLICY, DOMAIN)


async def test_a_domain_moves_under_the_own_base_domain_with_its_trunk_and_lists() -> None:
    first, _ = (await rows(an_account())).domains
    assert (first.domain_name, first.byoc_trunk_sid, first.secure) == (f"acme.{BASE}", TRUNK, True)
    assert (first.ip_access_control_list_sids, first.credential_list_sids) == ((ACL,), (USERS,))


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("acme.sip.twilio.com", f"acme.{BASE}"),
        ("a.b.sip.twilio.com", f"a.b.{BASE}"),
        ("Acme.SIP.Twilio.com", f"acme.{BASE}"),
        ("acme.sip.us1.twilio.com", f"acme.{BASE}"),
        (f"acme.{BASE}", f"acme.{BASE}"),
    ],
)
async def test_names_of_domains_are_rewritten(name: str, moved: str) -> None:
    fake = an_account()
    fake.put("/SIP/Domains.json", "domains", domain(DOMAIN, "x", domain_name=name))
    result = await imported(fake)
    assert [row.domain_name for row in result.resources.domains] == [moved]
    assert not any("rename" in note for note in result.notes)


async def test_addresses_and_ranges_are_kept() -> None:
    (acl,) = (await rows(an_account())).ip_access_control_lists
    assert [(row.friendly_name, row.cidr) for row in acl.addresses] == [
        ("SBCs", "203.0.113.8/30"),
        ("Spare", "198.51.100.7"),
    ]


async def test_targets_keep_priority_weight_and_whether_they_are_used() -> None:
    (policy,) = (await rows(an_account())).connection_policies
    first, second = policy.targets
    assert (str(first.target), first.priority, first.weight, first.enabled) == (
        "sip:gw1.carrier.example:5060",
        10,
        70,
        True,
    )
    assert (first.friendly_name, second.friendly_name) == ("First", "sip:gw2.carrier.example;transport=tls")
    assert (second.target.transport, second.priority, second.enabled) == ("tls", 20, False)


async def test_sips_over_any_transport_becomes_tls() -> None:
    uris = ("sips:a@gw.example", "sips:gw.example:5061;transport=tcp;lr", "SIPS:[2001:db8::1];Transport=UDP")
    fake = spoilt(TARGETS, "targets", *(target(number, uri) for number, uri in enumerate(uris)))
    (policy,) = (await rows(fake)).connection_policies
    assert [str(each.target) for each in policy.targets] == [
        "sip:a@gw.example;transport=tls",
        "sip:gw.example:5061;transport=tls;lr",
        "sip:[2001:db8::1];transport=tls",
    ]


async def test_a_page_more_or_less_makes_no_difference() -> None:
    assert await imported(an_account(page_size=1)) == await imported(an_account())


async def test_what_was_imported_is_a_configuration_once_the_passwords_are_there() -> None:
    exported = export(await rows(an_account()))
    assert exported.variables == {
        "BYOC_TOKEN_IMPORTED": "auth token of account imported",
        "BYOC_PASSWORD_SBCS_SBC1": "password of sbc1 in credential list sbcs",
        "BYOC_PASSWORD_SBCS_SBC_2": "password of sbc-2 in credential list sbcs",
    }
    assert faults_of(yaml_text(exported.sections), exported.variables, "x.yaml") == []


async def test_what_a_configuration_cannot_hold_is_told_with_its_line() -> None:
    fake = an_account()
    fake.put("/SIP/Domains.json", "domains", domain(DOMAIN, "x", domain_name="acme.elsewhere.example"))
    exported = export(await rows(fake))
    (fault,) = faults_of(yaml_text(exported.sections), exported.variables, "x.yaml")
    assert fault.startswith("x.yaml:")
    assert "must end in .sip.example.test" in fault


def spoilt(path: str, section: str, *rows: dict[str, Any]) -> FakeTwilio:
    fake = an_account()
    fake.put(path, section, *rows)
    return fake


TARGETS = f"/ConnectionPolicies/{POLICY}/Targets"
ADDRESSES = f"/SIP/IpAccessControlLists/{ACL}/IpAddresses.json"
TRUNKS, DOMAINS = "/ByocTrunks", "/SIP/Domains.json"


@pytest.mark.parametrize(
    ("fake", "note"),
    [
        (
            an_account(),
            "domain phones.sip.twilio.com: its own voice_url, https://app.example.test/phones, is not used",
        ),
        (an_account(), "domain phones.sip.twilio.com: SIP registration has no equivalent"),
        (
            spoilt(DOMAINS, "domains", domain(DOMAIN, "acme", emergency_calling_enabled=True)),
            "domain acme.sip.twilio.com: emergency calling has no equivalent",
        ),
        (
            spoilt(DOMAINS, "domains", domain(DOMAIN, "acme", domain_name="acme.elsewhere.example")),
            "domain acme.elsewhere.example: ends neither in sip.twilio.com nor in sip.example.test; rename it",
        ),
        (
            spoilt(TRUNKS, "byoc_trunks", {"sid": TRUNK, "cnam_lookup_enabled": True}),
            f"trunk {TRUNK}: no names are looked up here",
        ),
        (
            spoilt(
                TRUNKS, "byoc_trunks", {"sid": TRUNK, "friendly_name": "T", "connection_policy_sid": sid("NY", 9)}
            ),
            f"trunk 'T' ({TRUNK}): {sid('NY', 9)} is not there any more; the reference was left out",
        ),
        (
            spoilt(TARGETS, "targets", target(1, "sips:a@gw.example;lr")),
            f"target sips:a@gw.example;lr of policy 'Carriers' ({POLICY}): sips: is written sip:a@gw.example;lr;t",
        ),
        (
            spoilt(TARGETS, "targets", target(1, "sip:gw.example", weight=0)),
            f"target sip:gw.example of policy 'Carriers' ({POLICY}): weight 0 is 1 now, the least there is",
        ),
        (
            spoilt(TARGETS, "targets", target(1, "sip:gw.example;transport=ws")),
            f"target sip:gw.example;transport=ws of policy 'Carriers' ({POLICY}) was left out: transport 'ws'",
        ),
        (
            spoilt(TARGETS, "targets", target(1, "tel:+15551234")),
            f"target tel:+15551234 of policy 'Carriers' ({POLICY}) was left out: not a SIP URI",
        ),
        (
            spoilt(ADDRESSES, "ip_addresses", {"sid": sid("IP", 1), "ip_address": "gw.example"}),
            f"address list 'Dallas' ({ACL}): {sid('IP', 1)} was left out: 'gw.example' is not an IP address",
        ),
        (
            spoilt(
                ADDRESSES,
                "ip_addresses",
                {"sid": sid("IP", 1), "ip_address": "192.0.2.0", "cidr_prefix_length": 28},
                {"sid": sid("IP", 2), "ip_address": "192.0.2.1", "cidr_prefix_length": 28},
            ),
            f"address list 'Dallas' ({ACL}): {sid('IP', 2)} was left out: 192.0.2.0/28 is there already",
        ),
        (
            spoilt("/IpRecords", "ip_records", {"sid": sid("IL", 1), "ip_address": "10.9.0.5"}),
            "IP record 10.9.0.5: no domain uses it, and it was left out",
        ),
    ],
)
async def test_what_cannot_move_as_it_is_becomes_a_note(fake: FakeTwilio, note: str) -> None:
    result = await imported(fake)
    assert any(each.startswith(note) for each in result.notes), result.notes
    exported = export(result.resources)
    faults = faults_of(yaml_text(exported.sections), exported.variables, "x.yaml")
    assert all("must end in" in fault for fault in faults), faults


async def test_notes_and_variables_hold_no_line_breaks_whatever_was_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = spoilt(DOMAINS, "domains", domain(DOMAIN, "acme", domain_name="a\r\n\x1b[31m", sip_registration=True))
    path = f"/SIP/CredentialLists/{USERS}/Credentials.json"
    fake.put(path, "credentials", {"sid": sid("CR", 1), "username": "b\n\x1b[31m"})
    result = await imported(fake)
    assert result.notes
    assert all(note.isprintable() for note in result.notes)
    list_variables(export(result.resources).variables, "set these:")
    assert "\x1b" not in capsys.readouterr().err


async def test_static_addresses_are_told_with_their_domain() -> None:
    fake = spoilt(
        "/IpRecords", "ip_records", {"sid": sid("IL", 1), "ip_address": "10.9.0.4", "cidr_prefix_length": 30}
    )
    fake.put(
        "/SourceIpMappings",
        "source_ip_mappings",
        {"sid": sid("IB", 1), "ip_record_sid": sid("IL", 1), "sip_domain_sid": DOMAIN},
    )
    result = await imported(fake)
    (note,) = [each for each in result.notes if "IP record" in each]
    assert note.startswith("IP record 10.9.0.4/30 of domain acme.sip.twilio.com: static addresses are those of the")
    assert all(row.static_ips == () for row in result.resources.domains)


@pytest.mark.parametrize(
    ("path", "section", "row", "text"),
    [
        (TRUNKS, "byoc_trunks", {"sid": "BY1"}, "GET /ByocTrunks: byoc_trunks.0.sid: String should match pattern"),
        (TRUNKS, "byoc_trunks", {}, "GET /ByocTrunks: byoc_trunks.0.sid: Field required"),
        (
            TRUNKS,
            "byoc_trunks",
            {"sid": TRUNK, "voice_url": 5},
            "byoc_trunks.0.voice_url: Input should be a valid st",
        ),
        (TARGETS, "targets", {"sid": sid("NE", 1)}, f"GET {TARGETS}: targets.0.target: Field required"),
        (
            TARGETS,
            "targets",
            target(1, "sip:a", priority="high"),
            "targets.0.priority: Input should be a valid integer",
        ),
        (DOMAINS, "domains", {"sid": "../../../../v1"}, "domains.0.sid: String should match pattern"),
    ],
)
async def test_rows_that_are_none_are_told_by_field(
    path: str, section: str, row: dict[str, Any], text: str
) -> None:
    with pytest.raises(ImportFailed) as failed:
        await imported(spoilt(path, section, row))
    assert text in str(failed.value)
    assert str(failed.value).endswith("this is not the API that was expected")


async def test_a_key_of_another_account_is_refused() -> None:
    other = f"AC{'b' * 32}"
    with pytest.raises(ImportFailed) as failed:
        await imported(spoilt(TRUNKS, "byoc_trunks", {"sid": TRUNK, "account_sid": other}))
    assert str(failed.value) == (
        f"the key shows {TRUNK} of account {other}, not {ACCOUNT}; use a key of the account itself"
    )
