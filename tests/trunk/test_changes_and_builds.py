"""A snapshot that was changed row by row is the one that would be built: same answers, same problems."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from byoc_proxy.sip.digest import Ha1
from byoc_proxy.trunk.changes import SECTIONS, Change, applied
from byoc_proxy.trunk.directory import Directory, DirectoryProblems
from byoc_proxy.trunk.findings import Finding, Rule
from byoc_proxy.trunk.model import (
    Account,
    AccountSid,
    Application,
    ApplicationSid,
    ByocTrunk,
    ByocTrunkSid,
    ConnectionPolicy,
    ConnectionPolicySid,
    Credential,
    CredentialList,
    CredentialListSid,
    CredentialSid,
    IpAccessControlList,
    IpAccessControlListSid,
    IpAddress,
    IpAddressSid,
    Resources,
    SipDomain,
    SipDomainSid,
    TwimlBin,
    TwimlBinSid,
)
from tests.trunk.records import BASE, INSTALLATION, target

PREFIXES = dict(zip(SECTIONS, ("AC", "BY", "SD", "AL", "CL", "NY", "EH", "AP"), strict=True))
NAMES = ("a", "b", "x.a", "y.b", "z.y.b", "de1", "Bad_", "x.a.de1", "A")
HOSTS = [
    *(f"{name}.{place}" for name in NAMES for place in (BASE, f"de1.{BASE}", "sip.us2.example.test")),
    *("A.sip.example.test.", "10.9.0.5", "10.8.0.5", "10.9.0.6", BASE, "sip.de1.example.test", "other.test", ""),
]
CIDRS = ("10.0.0.0/8", "10.9.0.0/16", "10.9.0.5", "10.9.0.6/31", "0.0.0.0/0", "2001:db8::/32", "host.example")
SOURCES = ("10.0.0.1", "10.9.0.5", "10.9.0.6", "192.0.2.1", "::ffff:10.9.0.5", "2001:db8::1", "fe80::1")
USERS = ("sbc1", "sbc2")
TARGETS = ("sip:gw.example", f"sip:b.{BASE}", f"sip:a.{{region}}.{BASE}", "sip:x.a.sip.us2.example.test", "sips:gw")
COUNTS = dict(zip(SECTIONS, (3, 2, 5, 3, 2, 2, 3, 2), strict=True))
USER = re.compile(r"\(([A-Z]{2}\d)\)")


def sid(section: str, at: int) -> str:
    return f"{PREFIXES[section]}{at}"


def sids(section: str) -> st.SearchStrategy[str]:
    return st.integers(0, COUNTS[section] - 1).map(lambda at: sid(section, at))


def maybe(section: str) -> st.SearchStrategy[str | None]:
    return st.none() | sids(section)


def some(section: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(sids(section), max_size=2, unique=True).map(tuple)


# Mostly one account, so that a good part of what is drawn fits together
OWNER = st.sampled_from(["AC0", "AC0", "AC0", "AC0", "AC1", "AC2"])


HANDLERS = st.sampled_from([None, None, None, "https://a.example/", "twiml:one", "twiml:two", "twiml:EH0"])


def accounts(own: str) -> st.SearchStrategy[Any]:
    ranges = st.sampled_from([(), ("10.9.0.0/24",), ("10.0.0.0/8", "oops")])
    names = st.just("Account")
    return st.builds(
        Account, st.just(AccountSid(own)), names, st.just(""), st.none() | maybe("accounts"), st.booleans(), ranges
    )


def trunks(own: str) -> st.SearchStrategy[Any]:
    return st.builds(
        ByocTrunk,
        st.just(ByocTrunkSid(own)),
        OWNER,
        voice_url=HANDLERS,
        voice_fallback_url=HANDLERS,
        connection_policy_sid=maybe("connection_policies"),
        from_domain_sid=maybe("domains"),
        fallback_connection_policy_sid=maybe("connection_policies"),
    )


def domains(own: str) -> st.SearchStrategy[Any]:
    return st.builds(
        SipDomain,
        st.just(SipDomainSid(own)),
        OWNER,
        st.sampled_from(NAMES[:5] + NAMES).map(lambda name: f"{name}.{BASE}"),
        byoc_trunk_sid=maybe("trunks"),
        ip_access_control_list_sids=some("ip_access_control_lists"),
        credential_list_sids=some("credential_lists"),
        static_ips=st.sampled_from([(), (), (), ("10.9.0.5",), ("10.9.0.5", "10.9.0.6"), ("10.8.0.5",)]),
    )


def access_control_lists(own: str) -> st.SearchStrategy[Any]:
    address = st.sampled_from(CIDRS).map(lambda cidr: IpAddress(IpAddressSid(cidr), cidr, cidr))
    addresses = st.lists(address, max_size=4, unique=True).map(tuple)
    return st.builds(IpAccessControlList, st.just(IpAccessControlListSid(own)), OWNER, st.just(own), addresses)


def credential_lists(own: str) -> st.SearchStrategy[Any]:
    credential = st.sampled_from(USERS).map(lambda user: Credential(CredentialSid(user), user, Ha1(own, user)))
    held = st.lists(credential, max_size=3).map(tuple)
    return st.builds(CredentialList, st.just(CredentialListSid(own)), OWNER, st.just(own), held)


def policies(own: str) -> st.SearchStrategy[Any]:
    targets = st.lists(st.sampled_from(TARGETS).map(target), max_size=2).map(tuple)
    return st.builds(ConnectionPolicy, st.just(ConnectionPolicySid(own)), OWNER, st.just(own), targets)


def twiml_bins(own: str) -> st.SearchStrategy[Any]:
    name = st.sampled_from(["one", "one", "two", "three"])
    return st.builds(TwimlBin, st.just(TwimlBinSid(own)), OWNER, st.just(own), name, st.just("<Response/>"))


def applications(own: str) -> st.SearchStrategy[Any]:
    handlers = {"voice_url": HANDLERS, "voice_fallback_url": HANDLERS}
    return st.builds(Application, st.just(ApplicationSid(own)), OWNER, st.just(own), **handlers)


MAKERS = dict(
    zip(
        SECTIONS,
        (accounts, trunks, domains, access_control_lists, credential_lists, policies, twiml_bins, applications),
        strict=True,
    )
)


def changes_of(section: str) -> st.SearchStrategy[Change]:
    own = sids(section)
    kept = own.flatmap(lambda sid: MAKERS[section](sid).map(lambda row: Change(section, sid, row)))
    removed = own.map(lambda sid: Change(section, sid, None))
    return st.one_of(kept, kept, kept, removed)


CHANGES = st.sampled_from((*SECTIONS, "domains", "domains", "ip_access_control_lists", "twiml_bins")).flatmap(
    changes_of
)
BATCHES = st.lists(CHANGES, min_size=1, max_size=4, unique_by=lambda change: (change.section, change.sid))

START = Resources(
    INSTALLATION,
    accounts=(Account(AccountSid("AC0"), "Acme", "", None, True, ("10.9.0.0/24",)), Account(AccountSid("AC1"))),
    trunks=(
        ByocTrunk(
            ByocTrunkSid("BY0"),
            AccountSid("AC0"),
            connection_policy_sid=ConnectionPolicySid("NY0"),
            from_domain_sid=SipDomainSid("SD0"),
        ),
    ),
    domains=(
        SipDomain(
            SipDomainSid("SD0"),
            AccountSid("AC0"),
            f"a.{BASE}",
            byoc_trunk_sid=ByocTrunkSid("BY0"),
            ip_access_control_list_sids=(IpAccessControlListSid("AL0"),),
            credential_list_sids=(CredentialListSid("CL0"),),
            static_ips=("10.9.0.5",),
        ),
        SipDomain(SipDomainSid("SD1"), AccountSid("AC0"), f"x.a.{BASE}"),
    ),
    ip_access_control_lists=(
        IpAccessControlList(
            IpAccessControlListSid("AL0"),
            AccountSid("AC0"),
            "",
            (IpAddress(IpAddressSid("IP0"), "", "10.9.0.6/31"),),
        ),
    ),
    credential_lists=(
        CredentialList(
            CredentialListSid("CL0"),
            AccountSid("AC0"),
            "",
            (Credential(CredentialSid("CR0"), "sbc1", Ha1("CL0", "sbc1")),),
        ),
    ),
    connection_policies=(
        ConnectionPolicy(ConnectionPolicySid("NY0"), AccountSid("AC0"), "", (target(f"sip:b.{BASE}"),)),
    ),
    twiml_bins=(
        TwimlBin(TwimlBinSid("EH0"), AccountSid("AC0"), "", "one", "<Response/>"),
        TwimlBin(TwimlBinSid("EH1"), AccountSid("AC0"), "", "two", "<Response/>"),
    ),
    applications=(Application(ApplicationSid("AP0"), AccountSid("AC0"), "", "twiml:one"),),
)


def with_changed_rows_last(rows: Resources, batch: Iterable[Change]) -> Resources:
    """Of two rows that claim one thing the later is blamed: in a change, that is the changed one."""
    changes = list(batch)
    return applied(applied(rows, [Change(each.section, each.sid, None) for each in changes]), changes)


def outcome(make: Callable[[], Directory]) -> Directory | list[Finding]:
    try:
        return make()
    except DirectoryProblems as error:
        return list(error.problems)


def answers(snapshot: Directory) -> list[object]:
    """All that can be asked, of everything there is."""
    found = [snapshot.find(host) for host in HOSTS]
    return [
        {section: dict(snapshot.section(section)) for section in SECTIONS},
        [
            (host, match[:3], match.region, match.static_ip)
            for host, match in zip(HOSTS, found, strict=True)
            if match
        ],
        [[str(table.match(source)) for table in match.sources] for match in found if match for source in SOURCES],
        [snapshot.knows(source) for source in SOURCES],
        [snapshot.bin_of(owner, name) for owner in ("AC0", "AC1", "AC2") for name in ("one", "two", "EH0", "EH2")],
        [snapshot.credentials(domain, user) for _, domain in sorted(snapshot.domains.items()) for user in USERS],
        sorted(map(str, snapshot.warnings)),
    ]


def judged_by_build(problems: Sequence[Finding], touched: set[tuple[str, str]]) -> tuple[set[Finding], set[str]]:
    """Problems, and who is left without what has been removed."""
    missing = {Rule.NO_SUCH_REFERENCE, Rule.HIGHER_MISSING}
    left = [each for each in problems if each.rule in missing and each.path[:2] not in touched]
    return set(problems) - set(left), {str(each.path[1]) for each in left}


def judged_by_change(problems: Sequence[Finding]) -> tuple[set[Finding], set[str]]:
    in_use = [each for each in problems if each.rule in (Rule.IN_USE, Rule.HAS_SUBDOMAINS)]
    users = {sid for each in in_use for sid in USER.findall(each.text)}
    return set(problems) - set(in_use), users


@settings(max_examples=200)
@given(st.lists(BATCHES, min_size=1, max_size=6))
def test_changing_rows_comes_to_the_same_as_building_from_the_changed_rows(batches: list[list[Change]]) -> None:
    snapshot = Directory.build(START)
    for batch in batches:
        rows = snapshot.resources
        built = outcome(partial(Directory.build, with_changed_rows_last(rows, batch)))
        changed = outcome(partial(snapshot.changed, batch))
        if isinstance(built, Directory):
            assert isinstance(changed, Directory), changed
            assert answers(changed) == answers(built)
            assert changed.resources == applied(rows, batch)
            assert answers(snapshot.changed(batch[::-1])) == answers(changed)
            snapshot = changed
        else:
            assert not isinstance(changed, Directory), built
            touched = {(change.section, change.sid) for change in batch}
            assert judged_by_change(changed) == judged_by_build(built, touched)


NARROW = ("10.9.0.5", "10.9.0.6/31", "192.0.2.0/28", "2001:db8::/32")
RANGES = st.lists(st.sampled_from(NARROW), max_size=3, unique=True)
MAPPED = st.lists(st.integers(0, 2), max_size=2, unique=True)


def list_of(at: int, cidrs: Iterable[str]) -> Change:
    addresses = tuple(IpAddress(IpAddressSid(cidr), "", cidr) for cidr in cidrs)
    own = IpAccessControlListSid(f"AL{at}")
    return Change("ip_access_control_lists", own, IpAccessControlList(own, AccountSid("AC0"), "", addresses))


def domain_with(at: int, lists: Iterable[int]) -> Change:
    own, mapped = SipDomainSid(f"SD{at}"), tuple(IpAccessControlListSid(f"AL{each}") for each in lists)
    row = SipDomain(own, AccountSid("AC0"), f"d{at}.{BASE}", ip_access_control_list_sids=mapped)
    return Change("domains", own, row)


STEPS = st.one_of(
    st.builds(list_of, st.integers(0, 2), RANGES),
    st.builds(domain_with, st.integers(0, 2), MAPPED),
    st.integers(0, 2).map(lambda at: Change("domains", f"SD{at}", None)),
)


@given(st.lists(STEPS, min_size=1, max_size=20))
def test_who_is_known_follows_the_lists_and_the_domains_that_they_are_mapped_to(steps: list[Change]) -> None:
    rows = Resources(INSTALLATION, accounts=(Account(AccountSid("AC0")),))
    snapshot = Directory.build(rows).changed([list_of(at, ()) for at in range(3)])
    for step in steps:
        snapshot = snapshot.changed([step])
        assert answers(snapshot) == answers(Directory.build(snapshot.resources))
