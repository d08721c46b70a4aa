"""Bad input: every parameter of every resource, wrong in every way, is refused with its code and changes nothing.

`PARAMETERS` is the contract's word (sections 1.2 to 1.7 and 5), written down here and not read from the catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from byoc_proxy.api.catalogue import RESOURCES
from byoc_proxy.api.resource import Resource, Verb
from byoc_proxy.storage.database import Database
from tests.api.one_of_each import SAME, Owned, one_of_each
from tests.support.api import Installation

pytestmark = pytest.mark.store


@dataclass(frozen=True)
class Wrong:
    """How a parameter can be wrong: `code` of it, `values` that are never right, `required` by a create, `always`
    by an update too, `update`: whether an update takes it, `refers_to` what another account has.
    """

    code: int
    values: tuple[str, ...]
    required: bool = False
    always: bool = False
    update: bool = True
    create: bool = True
    refers_to: str = ""


CONTROL = ("a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7fb", "a\u2028b")
BOOLEANS = ("yes", "1", "truefalse", " true", *CONTROL)
URLS = (
    *("not a url", "ftp://app.example.test/", "/voice", "https://", "http://a b/", "javascript:alert(1)"),
    *("https://" + "x" * 4000 + ".test/", "https://app.example.test:99999/", *CONTROL),
    *("https://app.example.test/#rp=never", "https://app.example.test/#rc=6", "https://app.example.test/#e=moon"),
)
HANDLERS = (
    *URLS,
    *("python:app.voice:answer", "python:", "twiml:", "twiml:a b", "twiml:" + "x" * 65),
    *("twiml:nobody", "twiml:EH" + "0" * 32),
)
METHODS = ("PUT", "get post", "POST,GET", *CONTROL)
ADDRESSES = ("gw.example", "1.2.3", "1.2.3.256", "1.2.3.4/30", ":::", "1" * 46, *CONTROL)
TARGETS = ("gw.example", "sips:gw.example", "sip:", "http://gw.example", "sip:gw.example;transport=sctp", *CONTROL)


def text(longest: int, code: int, *, required: bool = False, always: bool = False) -> Wrong:
    return Wrong(code, ("x" * (longest + 1), "ü" * (longest + 1), *CONTROL), required, always)


def whole(least: int, most: int, code: int, *, update: bool = True) -> Wrong:
    return Wrong(
        code, (str(least - 1), str(most + 1), "ten", "1.5", "1e1", "0x1", "9" * 40, "٣", *CONTROL), update=update
    )


def sid(
    prefix: str, refers_to: str, code: int, *, required: bool = False, update: bool = True, always: bool = False
) -> Wrong:
    values = (
        prefix,
        f"{prefix}{'0' * 31}",
        f"{prefix}{'0' * 33}",
        f"{prefix}{'g' * 32}",
        f"XX{'0' * 32}",
        *CONTROL,
    )
    nobody = () if prefix == "PN" else (f"{prefix}{'0' * 32}",)
    return Wrong(code, (*values, *nobody), required, always, update, refers_to=refers_to)


def urls(*names: str, code: int = 20422) -> dict[str, Wrong]:
    found = {f"{name}Url": Wrong(code, URLS) for name in names}
    return found | {f"{name}Method": Wrong(code, METHODS) for name in names}


STATUS = Wrong(20422, ("asleep", "active closed", *CONTROL), create=False)
LISTED = {
    "CredentialListSid": sid("CL", "SipCredentialList", 21231, required=True, update=False),
    "IpAccessControlListSid": sid("AL", "SipIpAccessControlList", 21231, required=True, update=False),
}
PARAMETERS: dict[str, dict[str, Wrong]] = {
    "Account": {"FriendlyName": text(64, 20002), "Status": STATUS},
    "Key": {"FriendlyName": text(64, 20002)},
    "ByocTrunk": {
        "FriendlyName": text(255, 20002),
        **urls("Voice", "VoiceFallback", "StatusCallback"),
        **dict.fromkeys(("VoiceUrl", "VoiceFallbackUrl"), Wrong(20422, HANDLERS)),
        "CnamLookupEnabled": Wrong(20422, BOOLEANS),
        "ConnectionPolicySid": sid("NY", "ConnectionPolicy", 20423),
        "FromDomainSid": sid("SD", "SipDomain", 20423),
    },
    "ConnectionPolicy": {"FriendlyName": text(255, 20002)},
    "ConnectionPolicyTarget": {
        "Target": Wrong(20422, (*TARGETS, "sip:" + "x" * 1000), required=True),
        "FriendlyName": text(255, 20002),
        "Priority": whole(0, 65535, 20422),
        "Weight": whole(1, 65535, 20422),
        "Enabled": Wrong(20422, BOOLEANS),
    },
    "SipDomain": {
        "DomainName": Wrong(
            21232, ("x" * 254, "acme", "a_b.sip.example.test", "a b.sip.example.test", *CONTROL), required=True
        ),
        "FriendlyName": text(64, 21231),
        **urls("Voice", "VoiceFallback", "VoiceStatusCallback", code=21231),
        **dict.fromkeys(("SipRegistration", "EmergencyCallingEnabled", "Secure"), Wrong(21231, BOOLEANS)),
        "ByocTrunkSid": sid("BY", "ByocTrunk", 21300),
        "EmergencyCallerSid": sid("PN", "", 21231),
    },
    "SipIpAccessControlList": {"FriendlyName": text(255, 21235, required=True, always=True)},
    "SipIpAddress": {
        "FriendlyName": text(255, 21238, required=True),
        "IpAddress": Wrong(21238, ADDRESSES, required=True),
        "CidrPrefixLength": whole(0, 128, 21238),
    },
    "SipCredentialList": {"FriendlyName": text(64, 21240, required=True, always=True)},
    "SipCredential": {
        "Username": Wrong(21243, ("x" * 33, "a:b", 'a"b', "a\\b", *CONTROL), required=True, update=False),
        "Password": Wrong(
            21243, ("Short-1", "no-capital-letter-1", "No-Digit-At-All", "x" * 256, *CONTROL), required=True
        ),
    },
    "IpRecord": {
        "IpAddress": Wrong(20422, ADDRESSES, required=True, update=False),
        "FriendlyName": text(255, 20002),
        "CidrPrefixLength": whole(32, 128, 20422, update=False),
    },
    "SourceIpMapping": {
        "IpRecordSid": sid("IL", "IpRecord", 20423, required=True, update=False),
        "SipDomainSid": sid("SD", "SipDomain", 20423, required=True, always=True),
    },
    "Application": {
        "FriendlyName": text(64, 20002),
        "ApiVersion": Wrong(20422, ("2008-08-01", "2010", *CONTROL)),
        "VoiceUrl": Wrong(20422, HANDLERS),
        "VoiceMethod": Wrong(20422, METHODS),
        "VoiceFallbackUrl": Wrong(20422, HANDLERS),
        "VoiceFallbackMethod": Wrong(20422, METHODS),
        "StatusCallback": Wrong(20422, URLS),
        "StatusCallbackMethod": Wrong(20422, METHODS),
        **urls("Sms", "SmsFallback"),
        **dict.fromkeys(("SmsStatusCallback", "MessageStatusCallback"), Wrong(20422, URLS)),
        **dict.fromkeys(("VoiceCallerIdLookup", "PublicApplicationConnectEnabled"), Wrong(20422, BOOLEANS)),
    },
    "TwimlBin": {
        "UniqueName": Wrong(20422, ("a b", "ü", "-a", "x" * 65, "EH" + "0" * 32, *CONTROL), required=True),
        "FriendlyName": text(255, 20002),
        "Twiml": Wrong(20422, ("x" * 16385,), required=True),
    },
    "SipAuthCallsCredentialListMapping": {"CredentialListSid": LISTED["CredentialListSid"]},
    "SipAuthCallsIpAccessControlListMapping": {"IpAccessControlListSid": LISTED["IpAccessControlListSid"]},
    "SipAuthRegistrationsCredentialListMapping": {"CredentialListSid": LISTED["CredentialListSid"]},
    "SipCredentialListMapping": {"CredentialListSid": LISTED["CredentialListSid"]},
    "SipIpAccessControlListMapping": {"IpAccessControlListSid": LISTED["IpAccessControlListSid"]},
}
# A well-formed SID of nothing that the account has: the list of a mapping is looked for, and not found.
NOT_THERE = {21231: (21231, 20423)}

NEEDED_BY_AN_UPDATE = {"FriendlyName": "n3", "SipDomainSid": "{SipDomain}"}


@dataclass(frozen=True)
class Case:
    """One request that must be refused."""

    what: str
    path: str
    parameters: list[tuple[str, str]]
    codes: tuple[int, ...]


def cases(resource: Resource, mine: Owned, theirs: Owned) -> Iterator[Case]:
    """Everything that is wrong with a create, then with an update."""
    needed = {name: value for name, value in NEEDED_BY_AN_UPDATE.items() if name in PARAMETERS[resource.name]}
    updated = {name: value.format_map(mine.sids) for name, value in needed.items()}
    places = [(Verb.CREATE, mine.list_path(resource), mine.creates(resource, 3))]
    if Verb.UPDATE in resource.verbs:
        places.append((Verb.UPDATE, mine.instance_path(resource), updated))
    for verb, path, good in places:
        for name, wrong in PARAMETERS[resource.name].items():
            foreign = theirs.sids[wrong.refers_to] if wrong.refers_to else ""
            for what, parameters, codes in wrong_ways(name, wrong, verb, good, foreign):
                yield Case(what, path, parameters, codes)
        for name in ("Nonsense", "friendly_name", "Sid", "AccountSid", "x" * 500, ""):
            yield Case(f"unknown {name[:20]}", path, [*good.items(), (name, "x")], (20001,))


def wrong_ways(
    name: str, wrong: Wrong, verb: Verb, good: dict[str, str], foreign: str
) -> Iterator[tuple[str, list[tuple[str, str]], tuple[int, ...]]]:
    """In which ways one parameter is wrong, in the company of `good` others, and the codes of that."""
    if not (wrong.create if verb is Verb.CREATE else wrong.update):
        yield f"{name} is not taken", [*good.items(), (name, "x")], (20001,)
        return
    others = [(each, value) for each, value in good.items() if each != name]
    codes = NOT_THERE.get(wrong.code, (wrong.code,)) if wrong.refers_to else (wrong.code,)
    for value in (*wrong.values, *([foreign] if foreign else [])):
        yield f"{name}={value[:40]!r}", [*others, (name, value)], codes
    value = good.get(name, "")
    yield f"{name} twice", [*good.items(), (name, value), (name, value)], (wrong.code,)
    if wrong.required:
        yield f"{name} is empty", [*others, (name, "")], (wrong.code,)
    if wrong.required and (verb is Verb.CREATE or wrong.always):
        yield f"{name} is missing", others, (wrong.code,)


def test_the_table_has_every_parameter_of_the_catalogue() -> None:
    catalogue = {each.name: {parameter.name for parameter in each.parameters} for each in RESOURCES}
    assert {name: set(parameters) for name, parameters in PARAMETERS.items()} == catalogue


@pytest.mark.timeout(180)
async def test_whatever_is_wrong_with_a_parameter_is_refused_with_its_code_and_changes_nothing(
    database: Database, tmp_path: Path
) -> None:
    """Out of range, of the wrong type, too long, foreign, with CR/LF or NUL, unknown, duplicated or missing."""
    api, mine, theirs = await one_of_each(database, tmp_path)
    tables, directory = await api.tables(), api.directory
    wrong = []
    for resource in RESOURCES:
        for case in cases(resource, mine, theirs):
            reply = await mine.client.post(case.path, case.parameters)
            if (reply.status, reply.code) not in [(400, code) for code in case.codes]:
                wrong.append((resource.name, case.path, case.what, reply.status, reply.code, case.codes))
    assert wrong == []
    assert await api.tables() == tables
    assert api.directory is directory


async def test_no_path_leads_into_another_account(database: Database, tmp_path: Path) -> None:
    """404 for every SID of another account, in every place of a path, by every method; nothing changes."""
    api, mine, theirs = await one_of_each(database, tmp_path)
    tables, directory = await api.tables(), api.directory
    opened = []
    for resource in RESOURCES:
        for path in foreign_paths(resource, mine, theirs):
            replies = [
                await mine.client.get(path),
                await mine.client.delete(path),
                await mine.client.post(path, good_for(resource, path, mine)),
            ]
            opened += [(path, each.status, each.json) for each in replies if each.status not in (404, 405)]
    assert opened == []
    assert await api.tables() == tables
    assert api.directory is directory


def good_for(resource: Resource, path: str, mine: Owned) -> dict[str, str]:
    """What would be right, were the path ours."""
    good = mine.creates(resource, 3)
    if path.partition("?")[0].endswith(resource.path.rpartition("/")[2] + resource.suffix):
        return good
    return {name: value for name, value in good.items() if PARAMETERS[resource.name][name].update}


def foreign_paths(resource: Resource, mine: Owned, theirs: Owned) -> Iterator[str]:
    """An instance of theirs under our parents, and everything of theirs under theirs."""
    ours, foreign = mine.names(resource), theirs.names(resource)
    mapped = resource.name in SAME or resource.name.endswith("Mapping")
    if resource.name != "Account" and not (mapped and resource.parent):
        yield resource.instance_path.format_map({**ours, "sid": foreign["sid"]})
    if resource.parent is not None:
        for path in (resource.instance_path, resource.list_path):
            yield path.format_map({**foreign, "account_sid": ours["account_sid"]})
    if "{account_sid}" in resource.path:
        for path in (resource.instance_path, resource.list_path):
            yield path.format_map(foreign)
    if resource.name == "Account":
        yield resource.instance_path.format_map(foreign)


NO_SIDS = (
    "%00",
    "BY%00" + "0" * 30,
    "BY" + "0" * 31,
    "x" * 5000,
    "..",
    "%2e%2e",
    "BY" + "g" * 32,
)


async def test_what_is_no_sid_in_a_path_names_nothing(api: Installation) -> None:
    for sid in NO_SIDS:
        for path in (f"/v1/ByocTrunks/{sid}", f"/v1/ConnectionPolicies/{sid}/Targets", f"/SIP/Domains/{sid}.json"):
            for method in ("GET", "POST", "DELETE"):
                reply = await api.acme.ask(method, path)
                assert (reply.status, reply.code) in ((404, 20404), (405, 20004))


NO_FORMS = (
    (b'{"FriendlyName": "x"}', "application/json", 415),
    (b"FriendlyName=x", "", 415),
    (b"FriendlyName=x", "multipart/form-data; boundary=x", 415),
    (b"FriendlyName=%FF%FE", "application/x-www-form-urlencoded", 400),
    (b"FriendlyName=\xff", "application/x-www-form-urlencoded", 400),
    (b"&".join(b"FriendlyName=x" for _ in range(300)), "application/x-www-form-urlencoded", 400),
    (b"FriendlyName=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
)


async def test_a_body_that_is_no_form_is_refused(api: Installation) -> None:
    for body, content_type, status in NO_FORMS:
        reply = await api.acme.ask("POST", "/v1/ByocTrunks", body, content_type)
        assert (reply.status, reply.code) == (status, 20422)
        assert (await api.tables())["byoc_trunks"] == []


async def test_all_that_is_wrong_is_told_at_once(api: Installation) -> None:
    reply = await api.acme.post("/v1/ByocTrunks", VoiceUrl="nonsense", VoiceMethod="PUT", FriendlyNme="x")
    assert (reply.status, reply.code) == (400, 20001)
    assert "did you mean FriendlyName?" in reply.message
    told = [(each["parameter"], each["code"]) for each in reply.json["details"]["errors"]]
    assert told == [("FriendlyNme", 20001), ("VoiceUrl", 20422), ("VoiceMethod", 20422)]


async def test_a_method_that_a_place_does_not_have_is_refused_with_those_it_has(api: Installation) -> None:
    """Contract 5: 405, 20004."""
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE"):
        reply = await api.acme.ask(method, "/v1/ByocTrunks")
        assert (reply.status, reply.code) == (405, 20004)
        assert {each.strip() for each in reply.headers["Allow"].split(",")} == {"GET", "HEAD", "POST"}


async def test_a_bug_is_answered_in_json_and_logged_and_ends_nothing_else(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("a bug of the test")

    with monkeypatch.context() as patch:
        patch.setattr(type(api.provisioning), "reading", broken)
        reply = await api.acme.get("/v1/ByocTrunks")
    assert (reply.status, reply.code) == (500, 20500)
    assert "RQ" in reply.message
    assert "ZeroDivisionError" not in reply.message
    assert any("api.crashed" in line for _, (line,), _ in api.logged)
    assert (await api.acme.get("/v1/ByocTrunks")).status == 200
