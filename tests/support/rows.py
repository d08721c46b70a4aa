"""Installations drawn at random, each one that a `Directory` accepts, for properties over all of them."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st

from byoc_proxy.config.fields import fingerprints
from byoc_proxy.sip.digest import Algorithm, Ha1
from byoc_proxy.sip.digest_client import Credentials
from byoc_proxy.sip.flow import TlsTerms
from byoc_proxy.sip.uri import SipUri
from byoc_proxy.trunk.model import (
    STATUS_EVENTS,
    Account,
    AccountSid,
    AccountStatus,
    Application,
    ApplicationSid,
    ByocTrunk,
    ByocTrunkSid,
    ClientCertificates,
    ConnectionPolicy,
    ConnectionPolicySid,
    ConnectionPolicyTarget,
    Credential,
    CredentialList,
    CredentialListSid,
    CredentialSid,
    HealthRules,
    Installation,
    IpAccessControlList,
    IpAccessControlListSid,
    IpAddress,
    IpAddressSid,
    Media,
    Region,
    Resources,
    SipDomain,
    SipDomainSid,
    TargetSid,
    TwimlBin,
    TwimlBinSid,
    stable_sid,
)
from byoc_proxy.trunk.numbers import NumberFormat, NumberFormats
from byoc_proxy.trunk.origination import read_target
from byoc_proxy.trunk.regions import DEFAULT_REGIONS

BASE = "sip.example.test"
REALM = "calls of example"

# Whatever a reader of YAML or of ${NAME} might take for its own is drawn often.
_CURIOUS = [
    *("$", "${", "}", "${HOME}", "$${X}", ": ", " #", "'", '"', "\\", "~", "yes", "010", "1:30", "- ", "*a", "&a"),
    *("2026-01-01", "é", "☎", "😀", "<<", "=", "!", "%", "@", "`", "[", "{", " ", "\u00a0", "\ufeff"),
]
_LETTERS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff")
_URIS = [
    *(
        "sip:gw.carrier-a.example",
        "sip:gw.carrier-a.example:5080;transport=tcp",
        "sip:192.0.2.40",
        "sip:[2001:db8::7]",
    ),
    *(
        "sip:edge.{region}.carrier-b.example",
        "sip:acct:pin@carrier-c.example;user=phone?Subject=x",
        "sip:$$x@h.example",
    ),
    *("sip:tls.carrier-d.example;transport=tls", "sip:edge.{region}.carrier-e.example:5061;transport=TLS;lr"),
]
_URLS = [
    *(None, "https://app.example.test/voice", "http://10.0.0.5:8080/a?b=c&d=${e}#f", "https://é.example/☎"),
]
_CIDRS = ["203.0.113.8/30", "198.51.100.7", "2001:db8:5::/64", "10.9.0.0/24", "10.9.9.9", "192.0.2.77/28"]
_STATUSES: list[AccountStatus] = ["active", "suspended", "closed"]
_LEVELS: list[Literal["", "off", "chain"]] = ["", "off", "chain"]
_PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


def texts(longest: int, least: int = 0) -> st.SearchStrategy[str]:
    """One line, as awkward as lines that people type may be."""
    pieces = st.lists(st.one_of(st.sampled_from(_CURIOUS), st.text(_LETTERS, max_size=8)), max_size=5)
    return pieces.map(lambda found: "".join(found)[:longest]).filter(lambda text: len(text) >= least)


@st.composite
def installations(draw: st.DrawFn) -> Installation:
    regions = DEFAULT_REGIONS
    if draw(st.booleans()):
        addresses = st.lists(st.sampled_from(["203.0.113.5", "2001:db8::5"]), unique=True).map(tuple)
        regions = {
            name: Region(name, draw(texts(20, 1)), neighbours, draw(addresses))
            for name, neighbours in (("us1", ("x-2",)), ("x-2", ()))
        }
    return Installation(
        BASE,
        draw(st.sampled_from([BASE, REALM])),
        "us1",
        regions,
        draw(st.sampled_from(["drop", "404"])),
        draw(st.sampled_from([("us1",), ("us1", "us2")])),
        draw(st.sampled_from([None, "us1"])),
        draw(st.sampled_from([(), (("UDP", 5060), ("TLS", 15061))])),
        draw(st.sampled_from([None, Media(("203.0.113.0/28", "2001:db8::/64"), 10000, 20000)])),
    )


def _sid(draw: st.DrawFn, prefix: str) -> str:
    return stable_sid(prefix, str(draw(st.uuids())))


def _some(draw: st.DrawFn, sids: list[Any]) -> tuple[Any, ...]:
    return tuple(draw(st.lists(st.sampled_from(sids), unique=True, max_size=2))) if sids else ()


def _one(draw: st.DrawFn, sids: list[Any]) -> Any:
    return draw(st.sampled_from([None, *sids]))


@st.composite
def _accounts(draw: st.DrawFn) -> tuple[Account, ...]:
    found: list[Account] = []
    for _ in range(draw(st.integers(1, 3))):
        parent = found[0].sid if draw(st.booleans()) and found else None
        ranges = _some(draw, _CIDRS)
        sid = AccountSid(_sid(draw, "AC"))
        token, status = draw(texts(40, 1)), draw(st.sampled_from(_STATUSES))
        found.append(Account(sid, draw(texts(64)), token, parent, draw(st.booleans()), ranges, status))
    return tuple(found)


@st.composite
def health_rules(draw: st.DrawFn) -> HealthRules:
    return HealthRules(
        draw(st.sampled_from(["options", "passive", "off"])),
        draw(st.floats(5.0, 3600.0) | st.just(60.0)),
        draw(st.integers(1, 100)),
        draw(st.integers(1, 100)),
        draw(st.floats(0.001, 4.5) | st.just(4.0)),
    )


@st.composite
def _targets(draw: st.DrawFn, of_policy: HealthRules, pem: Path) -> ConnectionPolicyTarget:
    uri = read_target(draw(st.sampled_from(_URIS)))
    proxy = SipUri.parse("sip:sbc7.carrier.example:5080;lr") if draw(st.booleans()) else None
    tls = None
    if (proxy or uri).transport == "tls" and draw(st.booleans()):
        level = draw(st.sampled_from(_LEVELS))
        tls = TlsTerms(level, draw(st.sampled_from(["", "*.carrier.example"])), *((str(pem),) * 3))
    return ConnectionPolicyTarget(
        TargetSid(_sid(draw, "NE")),
        draw(texts(64)),
        uri,
        draw(st.integers(0, 65535)),
        draw(st.integers(1, 65535)),
        draw(st.booleans()),
        draw(st.sampled_from([None, of_policy]) | health_rules()),
        draw(st.sampled_from(["tcp", "fragment", "refuse"])),
        tls,
        proxy,
    )


@st.composite
def _policies(draw: st.DrawFn, owner: AccountSid, pem: Path) -> ConnectionPolicy:
    health = draw(st.just(HealthRules()) | health_rules())
    codes = st.sampled_from([None, frozenset[int](), frozenset({486, 603}), frozenset({404, *range(600, 700)})])
    password = st.builds(Credentials, st.just("acct 42"), texts(40, 1), st.none() | texts(20))
    return ConnectionPolicy(
        ConnectionPolicySid(_sid(draw, "NY")),
        owner,
        draw(texts(64)),
        tuple(draw(st.lists(_targets(health, pem), max_size=3))),
        draw(codes),
        draw(st.booleans()),
        draw(st.floats(0.1, 100.0)),
        draw(st.sampled_from([4.0, 2.5])),
        draw(st.none() | password),
        health,
    )


@st.composite
def _lists(draw: st.DrawFn, owner: AccountSid, pem: Path) -> tuple[IpAccessControlList, CredentialList]:
    addresses = [IpAddress(IpAddressSid(_sid(draw, "IP")), draw(texts(64)), cidr) for cidr in _some(draw, _CIDRS)]
    users = draw(st.lists(st.sampled_from(["sbc1", "0123", "null", "é☎", "${u}", "a b"]), unique=True, max_size=3))
    credentials = [
        Credential(CredentialSid(_sid(draw, "CR")), user, Ha1.of(user, BASE, f"Password of {user}"))
        for user in users
    ]
    acl_sid, list_sid = IpAccessControlListSid(_sid(draw, "AL")), CredentialListSid(_sid(draw, "CL"))
    return (
        IpAccessControlList(acl_sid, owner, draw(texts(64)), tuple(addresses)),
        CredentialList(list_sid, owner, draw(texts(64)), tuple(credentials)),
    )


@st.composite
def _formats(draw: st.DrawFn, least: bool = False) -> NumberFormat:
    country = draw(st.sampled_from([None, "1", "44"]))
    return NumberFormat(
        draw(st.sampled_from(["", "+44", "9"])),
        draw(st.integers(0, 32)),
        country,
        draw(st.sampled_from(["", "0", "1"])),
        draw(st.sampled_from(["00", "011"])),
        draw(st.sampled_from(["", "0044"])),
        draw(st.sampled_from(["keep", "add", "remove"])),
        draw(st.sampled_from(["", "1234#"])),
        draw(st.integers(0, 32)) if least else 0,
    )


@st.composite
def _domains(draw: st.DrawFn, owner: Account, place: Installation, pem: Path) -> list[SipDomain]:
    """Some domains of an account, with nothing linked to them yet."""
    found: list[SipDomain] = []
    for number in range(draw(st.integers(0, 3))):
        label = f"{draw(st.sampled_from(['acme', 'yes', '0123', 'a' * 50]))}-{owner.sid[2:8]}{number}"
        under = f".{found[0].domain_name}" if draw(st.booleans()) and found else f".{place.base_domain}"
        certificates = ClientCertificates(
            str(pem), fingerprints(pem), _some(draw, ["sbc.carrier.example", "b.example"])
        )
        found.append(
            SipDomain(
                SipDomainSid(_sid(draw, "SD")),
                owner.sid,
                label + under,
                draw(texts(64)),
                secure=draw(st.booleans()),
                digest_algorithms=draw(
                    st.sampled_from([(Algorithm.MD5, Algorithm.SHA_256), (Algorithm.SHA_256,), (Algorithm.MD5,)])
                ),
                client_certificates=draw(st.sampled_from([None, certificates])),
            )
        )
    if found and owner.static_ip and "10.9.0.0/24" in owner.interconnect and draw(st.booleans()):
        address = (
            f"10.9.0.{int(owner.sid[2:4], 16)}"  # accounts hardly ever share one; who builds drops those that do
        )
        found[0] = replace(found[0], static_ips=(address,))
    return found


@st.composite
def _twiml_bins(draw: st.DrawFn, owner: AccountSid) -> list[TwimlBin]:
    names = draw(st.lists(st.sampled_from(["greeting", "Closed.2", "a-b", "x" * 64]), max_size=2, unique=True))
    scripts = st.sampled_from(["<Response/>", "<Response>\n  <Dial>{{To}}</Dial>\n</Response>\n", " ${a}\n\n: b "])
    return [TwimlBin(TwimlBinSid(_sid(draw, "EH")), owner, draw(texts(64)), name, draw(scripts)) for name in names]


def _handlers(bins: list[TwimlBin]) -> st.SearchStrategy[Any]:
    named = [f"twiml:{each.unique_name}" for each in bins] + [f"twiml:{each.sid}" for each in bins]
    return st.sampled_from([*_URLS, *named])


@st.composite
def _applications(draw: st.DrawFn, owner: AccountSid, bins: list[TwimlBin]) -> Application:
    return Application(
        ApplicationSid(_sid(draw, "AP")),
        owner,
        draw(texts(64)),
        draw(_handlers(bins)),
        draw(st.sampled_from(["GET", "POST"])),
        draw(_handlers(bins)),
        draw(st.sampled_from(["GET", "POST"])),
        draw(st.sampled_from(_URLS)),
        draw(st.sampled_from(["GET", "POST"])),
        draw(st.booleans()),
    )


@st.composite
def _trunks(
    draw: st.DrawFn, owner: AccountSid, policies: list[Any], domains: list[Any], bins: list[TwimlBin]
) -> ByocTrunk:
    from_domain = _one(draw, domains)
    twiml = draw(
        st.none() | st.sampled_from(["<Response/>", "<Response>\n  <Hangup/>\n</Response>\n", " a\n\n b "])
    )
    least = draw(st.integers(90, 1800))
    policy, fallback = _one(draw, policies), _one(draw, policies)
    limits = st.none() | st.integers(1, 9999)
    return ByocTrunk(
        ByocTrunkSid(_sid(draw, "BY")),
        owner,
        draw(texts(64)),
        draw(_handlers(bins) | st.just("python:app.voice:answer")) if twiml is None else None,
        draw(st.sampled_from(["GET", "POST"])),
        draw(_handlers(bins)),
        draw(st.sampled_from(["GET", "POST"])),
        draw(st.sampled_from(_URLS)),
        draw(st.sampled_from(["GET", "POST"])),
        draw(st.booleans()),
        policy,
        from_domain,
        fallback if fallback != policy else None,
        twiml,
        draw(st.sampled_from(["early", "relay"])),
        draw(st.sampled_from(["auto", "sip"])),
        draw(st.sampled_from(["form", "json"])),
        draw(st.sampled_from(["pai", "ppi", "rpid", "none"])),
        draw(st.booleans()),
        draw(limits),
        draw(limits),
        draw(st.sampled_from(["auto", "contact", "source"])),
        draw(st.sampled_from(["reject", "relay", "terminate"])),
        draw(st.sampled_from([0, 1800, 86400])),
        least,
        draw(st.sampled_from(["required", "media", "always"])),
        draw(st.none() | texts(60, 1)),
        draw(st.sampled_from([None, "carrier.example:5060", "[2001:db8::1]"])) if from_domain is None else None,
        draw(st.sampled_from([None, "carrier.example"])),
        draw(st.sampled_from(["acl", "always", "never"])),
        draw(
            st.sampled_from([("User-to-User", "Subject", "Priority", "Accept-Language"), (), ("X-*", "Diversion")])
        ),
        draw(st.builds(NumberFormats, _formats(True), _formats())),
        draw(st.builds(NumberFormats, _formats(), _formats())),
        draw(st.sampled_from([STATUS_EVENTS, ("ringing", "completed"), ("completed",)])),
    )


@st.composite
def resources(draw: st.DrawFn, directory: Path) -> Resources:
    """One to three accounts and what may belong to them; certificates are read from a file in `directory`."""
    pem = directory / "ca ☎.pem"
    pem.write_text(_PEM.format(base64.b64encode(b"any certificate").decode()), encoding="ascii")
    place = draw(installations())
    accounts = draw(_accounts())
    found = Resources(place, accounts)
    for owner in accounts:
        policies = tuple(draw(st.lists(_policies(owner.sid, pem), max_size=2)))
        acls, lists = zip(*draw(st.lists(_lists(owner.sid, pem), min_size=1, max_size=2)), strict=True)
        bare = draw(_domains(owner, place, pem))
        bins = draw(_twiml_bins(owner.sid))
        trunks = tuple(
            draw(
                st.lists(
                    _trunks(owner.sid, [each.sid for each in policies], [each.sid for each in bare], bins),
                    max_size=2,
                )
            )
        )
        domains = tuple(
            replace(
                domain,
                byoc_trunk_sid=_one(draw, [each.sid for each in trunks]),
                ip_access_control_list_sids=_some(draw, [each.sid for each in acls]),
                credential_list_sids=_some(draw, [each.sid for each in lists]),
            )
            for domain in bare
        )
        found = replace(
            found,
            trunks=found.trunks + trunks,
            domains=found.domains + domains,
            ip_access_control_lists=found.ip_access_control_lists + acls,
            credential_lists=found.credential_lists + lists,
            connection_policies=found.connection_policies + policies,
            twiml_bins=(*found.twiml_bins, *bins),
            applications=(*found.applications, *draw(st.lists(_applications(owner.sid, bins), max_size=2))),
        )
    static = [address for domain in found.domains for address in domain.static_ips]
    if len(set(static)) < len(static):
        found = replace(found, domains=tuple(replace(domain, static_ips=()) for domain in found.domains))
    return found
