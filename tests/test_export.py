"""What is exported is what a configuration file says: it comes back as the same rows."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from byoc_proxy.config import handlers_schema, schema
from byoc_proxy.config.document import read_document
from byoc_proxy.config.export import export
from byoc_proxy.config.keys import readable_keys, variable_name
from byoc_proxy.config.load import load
from byoc_proxy.config.yaml_text import Line, Variable, yaml_text
from byoc_proxy.sip.digest import Ha1
from byoc_proxy.trunk import model
from byoc_proxy.trunk.model import Resources, stable_sid
from tests.support import rows
from tests.trunk import records

LISTENERS = '\nlisteners:\n  - {transport: udp, bind: "127.0.0.1:5060"}\n'
SECTIONS = [each.name for each in fields(Resources) if each.name != "installation"]
EXAMPLE = Path(__file__).resolve().parent.parent / "config.example.yaml"

# Without shrinking: an installation that fails takes longer to make small than a test may last.
by_files = settings(
    max_examples=30,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def loaded(text: str, directory: Path, environ: dict[str, str] | None = None) -> Resources:
    file = directory / "exported.yaml"
    file.write_text(text + LISTENERS, encoding="utf-8")
    return load(file, environ or {}).resources


def in_order(found: Resources) -> dict[str, Any]:
    """The rows of each section by SID: a file has them in the order of its keys."""
    return {
        "installation": found.installation,
        **{name: {row.sid: row for row in getattr(found, name)} for name in SECTIONS},
    }


@by_files
@given(data=st.data())
def test_an_export_comes_back_as_the_same_resources(data: st.DataObject, tmp_path: Path) -> None:
    drawn = data.draw(rows.resources(tmp_path))
    text = yaml_text(export(drawn).sections, ["first line\nsecond line"])
    assert in_order(loaded(text, tmp_path)) == in_order(drawn)


@by_files
@given(data=st.data())
def test_an_export_without_secrets_comes_back_when_the_environment_has_them(
    data: st.DataObject, tmp_path: Path
) -> None:
    drawn = data.draw(rows.resources(tmp_path))
    exported = export(drawn, secrets_in_file=False)
    text = yaml_text(exported.sections)
    environ = {name: f"value of {name}" for name in exported.variables}
    found = in_order(loaded(text, tmp_path, environ))
    expected = in_order(drawn)
    for sid, account in expected["accounts"].items():
        token = found["accounts"][sid].auth_token
        assert token.startswith("value of BYOC_TOKEN_")
        expected["accounts"][sid] = replace(account, auth_token=token)
    for sid, policy in expected["connection_policies"].items():
        if policy.credentials is not None:
            password = found["connection_policies"][sid].credentials.password
            assert password.startswith("value of BYOC_CARRIER_PASSWORD_")
            credentials = replace(policy.credentials, password=password)
            expected["connection_policies"][sid] = replace(policy, credentials=credentials)
    assert found == expected


@by_files
@given(data=st.data())
def test_an_export_of_what_was_exported_is_the_same_text(data: st.DataObject, tmp_path: Path) -> None:
    text = yaml_text(export(data.draw(rows.resources(tmp_path))).sections)
    assert yaml_text(export(loaded(text, tmp_path)).sections) == text


def test_the_example_comes_back(tmp_path: Path) -> None:
    example = load(EXAMPLE, {}).resources
    text = yaml_text(export(example).sections)
    assert in_order(loaded(text, tmp_path)) == in_order(example)
    assert yaml.safe_load(text).keys() >= {"base_domain", "accounts", "domains", "connection_policies"}


def test_a_file_without_accounts_is_exported_without_accounts(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(
        f"base_domain: sip.example.test{LISTENERS}trunks: {{main: {{}}}}\n", encoding="utf-8"
    )
    found = load(tmp_path / "small.yaml", {}).resources
    exported = export(found)
    assert list(exported.sections) == ["base_domain", "trunks"]
    assert loaded(yaml_text(exported.sections), tmp_path) == found


def test_the_account_of_a_file_without_accounts_is_written_beside_others_only_when_it_has_rows() -> None:
    nobody = model.Account(model.AccountSid(stable_sid("AC", "default")), "default")
    both = (nobody, records.account())
    assert list(export(records.resources(accounts=both)).sections["accounts"]) == ["acme"]
    sections = export(records.resources(accounts=both, trunks=(records.trunk(account_sid=nobody.sid),))).sections
    assert list(sections["accounts"]) == ["acme", "default"]
    assert sections["trunks"]["acme-trunk"]["account"] == "default"


def test_what_is_as_by_default_is_left_out() -> None:
    sections = export(records.resources()).sections
    assert sections["domains"] == {
        "acme": {
            "sid": records.DOMAIN,
            "friendly_name": "",
            "trunk": "acme-trunk",
            "ip_access_control_lists": ["dallas"],
            "credential_lists": ["sbcs"],
        }
    }
    assert sections["trunks"]["acme-trunk"].keys() == {"sid", "friendly_name", "voice_url", "connection_policy"}


def test_rows_stand_in_the_same_order_whatever_order_they_came_in() -> None:
    names = ("c", "a", "b")
    domains = tuple(records.domain(name) for name in names)
    lists = tuple(
        records.acl(sid=model.IpAccessControlListSid(stable_sid("AL", name)), name="Same") for name in names
    )
    lists += (records.acl("203.0.113.8/30"),)
    one = yaml_text(export(records.resources(domains=domains, ip_access_control_lists=lists)).sections)
    other = yaml_text(
        export(records.resources(domains=domains[::-1], ip_access_control_lists=lists[::-1])).sections
    )
    assert one == other
    assert list(yaml.safe_load(one)["domains"]) == ["a", "b", "c"]
    assert list(yaml.safe_load(one)["ip_access_control_lists"]) == ["dallas", "same", "same-2", "same-3"]


def test_a_secret_that_is_not_known_becomes_a_variable() -> None:
    (held,) = records.credentials("sbc 1").credentials
    unknown = replace(records.credentials(), credentials=(replace(held, ha1=Ha1("", "")),))
    exported = export(records.resources(accounts=(records.account(auth_token=""),), credential_lists=(unknown,)))
    assert exported.variables == {
        "BYOC_TOKEN_ACME": "auth token of account acme",
        "BYOC_PASSWORD_SBCS_SBC_1": "password of sbc 1 in credential list sbcs",
    }
    text = yaml_text(exported.sections)
    assert "auth_token: ${BYOC_TOKEN_ACME}\n" in text
    assert "username: sbc 1, password: '${BYOC_PASSWORD_SBCS_SBC_1}'}" in text


def test_names_become_keys_that_a_file_may_have() -> None:
    named = [("BY1", "Größe & Co."), ("BY3", "a"), ("BY2", "a"), ("BY4", "a-2"), ("BY5", "☎"), ("BY6", "x" * 80)]
    keys = readable_keys(named)
    assert keys == {"BY1": "groe-co", "BY2": "a", "BY3": "a-2", "BY4": "a-2-2", "BY5": "by5", "BY6": "x" * 48}


@given(st.lists(st.tuples(st.uuids().map(lambda id: f"BY{id.hex}"), rows.texts(255)), unique_by=lambda row: row[0]))
def test_every_row_has_a_key_of_its_own(named: list[tuple[str, str]]) -> None:
    keys = readable_keys(named)
    assert len(set(keys.values())) == len(named)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", key) for key in keys.values())


def test_a_variable_is_free_and_spelt_as_shells_spell_them() -> None:
    assert variable_name((), "BYOC_PASSWORD", "dallas-sbcs", "é.1") == "BYOC_PASSWORD_DALLAS_SBCS_E_1"
    assert variable_name({"A_B", "A_B_2"}, "a", "b") == "A_B_3"


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | rows.texts(80)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(rows.texts(20, 1), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400)
@given(st.dictionaries(rows.texts(20, 1), PLAIN, min_size=1, max_size=4), st.lists(rows.texts(30)))
def test_any_plain_value_is_read_as_it_was_written(value: dict[str, Any], comments: list[str]) -> None:
    for text in (yaml_text(value, comments), yaml_text({"line": Line(value)})):
        document = read_document(text, {})
        assert document.problems == []
        assert document.value in (value, {"line": value})


def test_a_variable_is_filled_in_and_what_only_looks_like_one_is_not() -> None:
    text = yaml_text({"a": Variable("NAME"), "b": "${NAME}", "c": "$${NAME} ${"})
    assert read_document(text, {"NAME": "x"}).value == {"a": "x", "b": "${NAME}", "c": "$${NAME} ${"}


def test_every_key_of_the_installation_is_written_when_it_is_not_as_by_default() -> None:
    place = model.Installation(
        base_domain="sip.example.test",
        realm="calls of example",
        region="x1",
        regions={"x1": model.Region("x1", "X 1", (), ("203.0.113.5",))},
        unknown_domain="404",
        static_ip_regions=(),
        default_region="x1",
        signalling_ports=(("UDP", 5070),),
        media=model.Media(("203.0.113.0/28",), 10000, 20000),
    )
    assert set(export(Resources(place)).sections) == set(schema.InstallationSection.model_fields)


def record_fields() -> Iterator[tuple[str, str]]:
    for record, entry in (
        (model.Account, schema.AccountEntry),
        (model.ByocTrunk, schema.TrunkEntry),
        (model.SipDomain, schema.DomainEntry),
        (model.IpAccessControlList, schema.AccessControlListEntry),
        (model.IpAddress, schema.AddressEntry),
        (model.CredentialList, schema.CredentialListEntry),
        (model.ConnectionPolicy, schema.PolicyEntry),
        (model.ConnectionPolicyTarget, schema.TargetEntry),
        (model.TwimlBin, handlers_schema.TwimlBinEntry),
        (model.Application, handlers_schema.ApplicationEntry),
        (model.Installation, schema.InstallationSection),
    ):
        assert is_dataclass(record)
        keys = entry.model_fields
        spelt = {"account_sid": "account", "parent_sid": "parent", "byoc_trunk_sid": "trunk"}
        for each in fields(record):
            key = spelt.get(each.name) or re.sub("_sid(s?)$", r"\1", each.name) if each.name != "sid" else "sid"
            yield f"{record.__name__}.{each.name}", key if key in keys else ""


@pytest.mark.parametrize(("field", "key"), list(record_fields()))
def test_every_field_of_a_record_has_a_key_in_the_file(field: str, key: str) -> None:
    assert key, f"{field} would be lost in an export; give it a key in config.schema"
