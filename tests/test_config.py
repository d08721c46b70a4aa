"""The configuration file: what it gives, and that every mistake is one line with its place."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from byoc_proxy.config.load import ConfigProblems, Loaded, load
from byoc_proxy.config.schema import InstallationSection, ProcessSection
from byoc_proxy.config.settings import Listener, WebhookTimes
from byoc_proxy.sip.digest import Algorithm, Ha1
from byoc_proxy.trunk.health import rules_of
from byoc_proxy.trunk.model import HealthRules, Media, SipDomain, stable_sid

EXAMPLE = Path(__file__).resolve().parent.parent / "config.example.yaml"

HEAD = """\
base_domain: sip.example.test
listeners:
  - {transport: udp, bind: "127.0.0.1:5060"}
"""

SMALL = """\
accounts:
  acme: {auth_token: token-of-acme}
trunks:
  main: {voice_url: "https://app.example.test/voice", connection_policy: carriers}
domains:
  acme: {trunk: main, ip_access_control_lists: [dallas], credential_lists: [sbcs]}
ip_access_control_lists:
  dallas: {addresses: ["203.0.113.8/30", {cidr: 198.51.100.7, friendly_name: Spare SBC}]}
credential_lists:
  sbcs: {credentials: [{username: sbc1, password: Long-Password-1}]}
connection_policies:
  carriers: {targets: [{target: "sip:gw.carrier.example"}]}
"""

Read = Callable[..., Loaded]
Wrong = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Load a text as a file, with the smallest process section before it unless told otherwise."""

    def read_text(text: str, environ: dict[str, str] | None = None, head: str = HEAD) -> Loaded:
        file = tmp_path / "byoc.yaml"
        file.write_text(head + dedent(text), encoding="utf-8")
        return load(file, environ or {})

    return read_text


def warned(read: Read, text: str) -> list[str]:
    """The warnings about the installation."""
    return [line for line in read(text).warnings if "auth_token" not in line]


@pytest.fixture
def wrong(read: Read, tmp_path: Path) -> Wrong:
    """The problems of a text, without the directory that the file is in."""

    def problems_of(text: str, environ: dict[str, str] | None = None, head: str = HEAD) -> list[str]:
        with pytest.raises(ConfigProblems) as failed:
            read(text, environ, head)
        return [line.replace(f"{tmp_path}/", "") for line in failed.value.problems]

    return problems_of


def test_a_byoc_trunk_interconnects_a_carrier_with_every_documented_field(read: Read) -> None:
    loaded = read("""
        accounts: {acme: {auth_token: secret-token}}
        trunks:
          pstn:
            friendly_name: PSTN
            voice_url: https://app.example/voice
            voice_method: GET
            voice_fallback_url: https://app.example/fallback
            voice_fallback_method: GET
            status_callback_url: https://app.example/status
            status_callback_method: GET
            cnam_lookup_enabled: true
            connection_policy: carriers
            from_domain: acme
        domains: {acme: {trunk: pstn}}
        connection_policies: {carriers: {targets: [{target: "sip:203.0.113.5"}]}}
    """)
    (trunk,) = loaded.resources.trunks
    assert re.fullmatch("BY[0-9a-f]{32}", trunk.sid)
    assert trunk.account_sid == loaded.resources.accounts[0].sid
    assert trunk.connection_policy_sid == loaded.resources.connection_policies[0].sid
    assert trunk.from_domain_sid == loaded.resources.domains[0].sid
    assert (trunk.friendly_name, trunk.cnam_lookup_enabled) == ("PSTN", True)
    assert (trunk.voice_url, trunk.voice_method) == ("https://app.example/voice", "GET")
    assert (trunk.voice_fallback_url, trunk.voice_fallback_method) == ("https://app.example/fallback", "GET")
    assert (trunk.status_callback_url, trunk.status_callback_method) == ("https://app.example/status", "GET")


def test_the_example_loads_without_a_warning() -> None:
    loaded = load(EXAMPLE, {})
    assert loaded.warnings == ()
    assert loaded.directory.find("acme.us2.sip.example.test") is not None
    assert loaded.settings.records == EXAMPLE.parent / "calls.jsonl"


def test_the_example_shows_every_key_of_the_process_and_the_installation() -> None:
    written = EXAMPLE.read_text(encoding="utf-8")
    keys = [*InstallationSection.model_fields, *ProcessSection.model_fields]
    shown = {key for key in keys if f"\n{key}:" in written or f"\n# {key}:" in written}
    assert shown | {"static_ip_regions"} == set(keys)


def test_the_example_is_yaml_for_any_other_reader() -> None:
    assert set(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))) >= {"base_domain", "listeners", "trunks"}


def test_a_target_inherits_each_key_of_health_that_it_does_not_write(read: Read) -> None:
    loaded = read("""
        connection_policies:
          carriers:
            health: {mode: options, interval: 30, misses: 2}
            targets:
              - {target: "sip:a.example"}
              - {target: "sip:b.example", health: {interval: 90, answers: 3}}
              - {target: "sip:c.example", health: off}
              - {target: "sip:d.example", health: {mode: off}}
    """)
    (policy,) = loaded.resources.connection_policies
    assert [rules_of(policy, target) for target in policy.targets] == [
        HealthRules("options", 30.0, 2),
        HealthRules("options", 90.0, 2, 3),
        HealthRules("off", 30.0, 2),
        HealthRules("off", 30.0, 2),
    ]


def test_without_a_word_about_health_no_options_are_sent(read: Read) -> None:
    (policy,) = read("connection_policies: {carriers: {health: }}").resources.connection_policies
    assert policy.health == HealthRules("passive", 60.0, 3, 1, 4.0)


def test_a_mode_alone_is_enough(read: Read) -> None:
    (policy,) = read("connection_policies: {carriers: {health: options}}").resources.connection_policies
    assert policy.health == HealthRules("options")


def test_resources_become_records_that_refer_to_each_other(read: Read) -> None:
    loaded = read(SMALL)
    match = loaded.directory.find("acme.sip.example.test")
    assert match is not None
    trunk = match.trunk
    assert trunk is not None
    assert (trunk.sid, trunk.friendly_name) == (stable_sid("BY", "main"), "main")
    policy = loaded.directory.policy_of(trunk)
    assert policy is not None
    assert [str(target.target) for target in policy.targets] == ["sip:gw.carrier.example"]
    assert (policy.targets[0].priority, policy.targets[0].weight, policy.targets[0].enabled) == (10, 10, True)
    assert loaded.directory.knows("198.51.100.7")
    assert match.domain.account_sid == stable_sid("AC", "acme")


def test_a_password_is_kept_as_its_ha1_for_the_realm_only(read: Read) -> None:
    loaded = read(SMALL)
    domain = only_domain(loaded)
    (ha1,) = loaded.directory.credentials(domain, "sbc1")
    assert ha1.md5 == hashlib.md5(b"sbc1:sip.example.test:Long-Password-1").hexdigest()
    assert ha1 == Ha1.of("sbc1", "sip.example.test", "Long-Password-1")
    other = read(SMALL, head=HEAD + "realm: voice.example.test\n")
    assert other.directory.credentials(domain, "sbc1") == (Ha1.of("sbc1", "voice.example.test", "Long-Password-1"),)


def only_domain(loaded: Loaded) -> SipDomain:
    return loaded.resources.domains[0]


def test_ha1s_can_be_given_instead_of_a_password(read: Read) -> None:
    hashes = Ha1.of("sbc1", "sip.example.test", "Long-Password-1")
    given = f"ha1_md5: {hashes.md5}, ha1_sha256: {hashes.sha256}"
    loaded = read(SMALL.replace("password: Long-Password-1", given))
    assert loaded.directory.credentials(only_domain(loaded), "sbc1") == (hashes,)


def test_no_secret_is_part_of_what_was_loaded(read: Read) -> None:
    loaded = read(SMALL, head=HEAD + "digest_secret: 0123456789abcdef\n")
    assert loaded.settings.digest_secret == b"0123456789abcdef"
    for secret in ("token-of-acme", "Long-Password-1", "0123456789abcdef"):
        assert secret not in repr(loaded)


def test_the_same_keys_give_the_same_sids_wherever_they_stand_in_the_file(read: Read) -> None:
    sections = SMALL.split("trunks:")
    turned = "trunks:" + sections[1] + sections[0]
    assert [trunk.sid for trunk in read(turned).resources.trunks] == [
        trunk.sid for trunk in read(SMALL).resources.trunks
    ]


def test_a_sid_can_be_pinned(read: Read) -> None:
    pinned = "BY" + "0f" * 16
    loaded = read(SMALL.replace("main: {", f"main: {{sid: {pinned}, "))
    assert list(loaded.directory.trunks) == [pinned]
    assert only_domain(loaded).byoc_trunk_sid == pinned


def test_without_accounts_there_is_one_and_a_warning_that_webhooks_are_unsigned(read: Read) -> None:
    loaded = read("trunks: {main: {voice_twiml: <Response/>}}\n")
    assert [account.sid for account in loaded.resources.accounts] == [stable_sid("AC", "default")]
    assert any("empty auth_token" in line for line in loaded.warnings)


def test_settings_have_defaults(read: Read) -> None:
    settings = read("").settings
    assert settings.listeners == (Listener("UDP", "127.0.0.1", 5060),)
    assert settings.webhooks == WebhookTimes(5.0, 15.0, 3600.0, 256)
    assert (settings.limits.max_calls, settings.limits.drain_grace) == (5000, 30.0)
    assert (settings.records, settings.digest_secret, settings.tls_client.verify) == (None, None, "full")


def test_listeners_have_addresses_ports_and_files(read: Read, tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("PEM")
    head = """\
base_domain: SIP.Example.Test
listeners:
  - {transport: udp, bind: "[::1]:5060", advertise: "[2001:db8::5]:5070"}
  - {transport: tcp, bind: "0.0.0.0:0", advertise: edge.example.test}
  - {transport: tls, bind: "127.0.0.1:5061", certificate: cert.pem, private_key: key.pem}
"""
    loaded = read("", head=head)
    assert loaded.settings.listeners == (
        Listener("UDP", "::1", 5060, "2001:db8::5", 5070),
        Listener("TCP", "0.0.0.0", 0, "edge.example.test", None),
        Listener("TLS", "127.0.0.1", 5061, None, None, tmp_path / "cert.pem", tmp_path / "key.pem"),
    )
    assert loaded.directory.installation.base_domain == "sip.example.test"


def test_regions_can_be_replaced(read: Read) -> None:
    loaded = read("region: one\nregions: {one: {neighbours: [us2], addresses: [192.0.2.1]}, us2: }\n")
    regions = loaded.directory.installation.regions
    assert list(regions) == ["one", "us2"]
    assert (regions["one"].label, regions["us2"].label) == ("one", "North America Oregon")
    assert loaded.directory.region_order == ("one", "us2")


def test_carriers_are_told_ports_media_and_where_the_generic_name_leads(read: Read) -> None:
    place = read(
        """
        default_region: de1
        regions: {us1: , de1: {addresses: [192.0.2.1, 192.0.2.2]}}
        signalling_ports: {udp: 5080, tls: 5081}
        media: {addresses: [192.0.2.70/26, 192.0.2.64/26, "2001:db8::/64"]}
        """
    ).directory.installation
    assert place.default_region == "de1"
    assert place.signalling_ports == (("UDP", 5080), ("TLS", 5081))
    assert place.media == Media(("192.0.2.64/26", "2001:db8::/64"), 10000, 60000)


def test_without_a_word_about_them_they_are_unknown_and_there_is_no_media(read: Read) -> None:
    place = read("").directory.installation
    assert (place.default_region, place.signalling_ports, place.media) == (None, (), None)


@pytest.mark.parametrize("addresses", ["192.0.2.1", "192.0.2.1, 192.0.2.1", '192.0.2.1, 192.0.2.2, "2001:db8::1"'])
def test_fewer_than_two_edges_of_a_region_are_a_warning(read: Read, addresses: str) -> None:
    """S53: config takes several edge IPs per region."""
    (line,) = warned(read, f"regions: {{us1: {{addresses: [{addresses}]}}}}\n")
    family = "IPv6" if "::" in addresses else "IPv4"
    assert f"regions.us1.addresses: only one {family} edge: while it is away nobody reaches the region" in line


def test_a_region_with_four_edges_or_none_is_no_warning(read: Read) -> None:
    """S53: 3-4 IP addresses for each region."""
    addresses = "192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4"
    assert warned(read, f"regions: {{us1: {{addresses: [{addresses}]}}, us2: }}\n") == []


def test_a_default_region_without_addresses_is_a_warning(read: Read) -> None:
    (line,) = warned(read, "default_region: us2\n")
    assert line.endswith("default_region: region 'us2' has no addresses: generic names would lead nowhere")


def test_unknown_domain_404_may_be_written_as_a_number(read: Read) -> None:
    assert read("unknown_domain: 404\n").directory.installation.unknown_domain == "404"


def test_stop_codes_may_name_a_whole_class(read: Read) -> None:
    loaded = read("connection_policies: {carriers: {failover_stop_codes: [486, 6xx]}}\n")
    codes = loaded.resources.connection_policies[0].failover_stop_codes
    assert codes == frozenset({486, *range(600, 700)})


def test_a_domain_chooses_its_digest_algorithms(read: Read) -> None:
    loaded = read("domains: {acme: {digest_algorithms: [SHA-256]}}\n")
    assert only_domain(loaded).digest_algorithms == (Algorithm.SHA_256,)


def test_the_environment_fills_in_values(read: Read) -> None:
    text = SMALL.replace("token-of-acme", "'x-${TOKEN}-$${TOKEN}'")
    assert read(text, {"TOKEN": "secret"}).resources.accounts[0].auth_token == "x-secret-${TOKEN}"


def test_a_variable_that_is_not_set_is_a_problem_and_only_one(wrong: Wrong) -> None:
    assert wrong('accounts:\n  acme: {auth_token: "${NOT_SET}"}\n') == [
        (
            "byoc.yaml:5:10: accounts.acme.auth_token: "
            "the environment has no variable 'NOT_SET'; set it or write the value here"
        )
    ]


def test_a_value_from_the_environment_cannot_bring_a_line_break_into_a_header(wrong: Wrong) -> None:
    (line,) = wrong('trunks: {main: {friendly_name: "${NAME}"}}\n', {"NAME": "a\r\nX-Evil: 1"})
    assert "trunks.main.friendly_name: holds a line break" in line
    assert "Evil" not in line


MANY = """\
lisseners: []
webhooks: {total_timeout: .inf}
accounts:
  acme: {auth_token: token}
trunks:
  main: {voice_ulr: "https://app.example.test", connection_policy: carier}
domains:
  acme: {trunk: main, domain_name: acme.elsewhere.test}
  a.b: {trunk: mian}
ip_access_control_lists:
  dallas: {addresses: [sbc.example.com]}
connection_policies:
  carriers: {targets: [{target: "sips:gw.example", weight: 0}]}
"""


def test_all_problems_of_all_kinds_are_told_at_once_in_the_order_of_the_file(wrong: Wrong) -> None:
    assert [line.split(": ")[:2] for line in wrong(MANY)] == [
        ["byoc.yaml:4:1", "lisseners"],
        ["byoc.yaml:5:12", "webhooks.total_timeout"],
        ["byoc.yaml:9:10", "trunks.main.voice_ulr"],
        ["byoc.yaml:9:49", "trunks.main.connection_policy"],
        ["byoc.yaml:11:23", "domains.acme.domain_name"],
        ["byoc.yaml:12:3", "domains.a.b.domain_name"],
        ["byoc.yaml:12:9", "domains.a.b.trunk"],
        ["byoc.yaml:14:24", "ip_access_control_lists.dallas.addresses.0.cidr"],
        ["byoc.yaml:16:25", "connection_policies.carriers.targets.0.target"],
        ["byoc.yaml:16:52", "connection_policies.carriers.targets.0.weight"],
    ]


ONE_MISTAKE = {
    "an unknown key, with the nearest known one": (
        "trunks: {main: {voice_ulr: x}}",
        "4:17: trunks.main.voice_ulr: unknown key; did you mean 'voice_url'?",
    ),
    "an unknown key deep inside": (
        "connection_policies: {c: {targets: [{target: 'sip:a.example', wait: 3}]}}",
        "4:63: connection_policies.c.targets.0.wait: unknown key; did you mean 'weight'?",
    ),
    "an unknown key like nothing": ("log: {zzz: 1}", "4:7: log.zzz: unknown key; known are level, format"),
    "a duplicate key": (
        "trunks:\n  main: {voice_twiml: <Response/>}\n  main: {ringing: relay}",
        "6:3: trunks.main: duplicate key, first written in line 5; keep one of the two",
    ),
    "a merge key": ("log: {<<: {level: info}}", "4:7: log.<<: merge keys are not supported; write the keys out"),
    "a tag": (
        "records: !!python/object:os.system x",
        "4:1: records: the tag 'python/object:os.system' is not supported; write plain values",
    ),
    "an alias of itself": (
        "log: &x {level: *x}",
        "4:10: log.level: an alias of what it stands in; write the values out",
    ),
    "a word that YAML reads as false": (
        "credential_lists: {sbcs: {credentials: [{username: no, password: Long-Password-1}]}}",
        "4:42: credential_lists.sbcs.credentials.0.username: must be text; put it in quotes",
    ),
    "a scalar where a mapping should be": (
        "trunks: {main: 5}",
        "4:10: trunks.main: must be a mapping of keys to values",
    ),
    "a section that is a list": ("trunks: [main]", "4:1: trunks: must be a mapping of keys to entries"),
    "a scalar where a list should be": (
        "domains: {acme: {credential_lists: sbcs}}",
        "4:18: domains.acme.credential_lists: must be a list; write [first, second]",
    ),
    "a choice that is none": (
        "trunks: {main: {ringing: late}}",
        "4:17: trunks.main.ringing: must be 'early' or 'relay'",
    ),
    "a reference to nothing": (
        "domains: {acme: {trunk: mian}}\ntrunks: {main: {}}",
        "4:18: domains.acme.trunk: there is no 'mian' in trunks; did you mean 'main'?",
    ),
    "an account that must be chosen": (
        "accounts: {a: {auth_token: t}, b: {auth_token: t}}\ntrunks: {main: {}}",
        "5:10: trunks.main.account: is missing; there are several accounts: a, b",
    ),
    "an account without a token": (
        "accounts: {a: {}}\ntrunks: {main: {}}",
        "4:12: accounts.a.auth_token: is missing; it is required",
    ),
    "a key that is no key": (
        "trunks: {'a b': {}}",
        "4:10: trunks.a b: is not a key; use letters, digits, dashes, dots, underscores",
    ),
    "a pinned sid of another kind": (
        f"trunks: {{main: {{sid: SD{'0' * 32}}}}}",
        "4:17: trunks.main.sid: is not a SID of this kind; write BY and 32 lower-case hex digits",
    ),
    "a url that is none": (
        "trunks: {main: {voice_url: 'ftp://app.example'}}",
        "4:17: trunks.main.voice_url: is not a web address; write https://host/path",
    ),
    "url and twiml": (
        "trunks: {main: {voice_url: 'https://app.example', voice_twiml: <Response/>}}",
        "4:51: trunks.main.voice_twiml: voice_url is set too; keep one of the two",
    ),
    "a sips target": (
        "connection_policies: {c: {targets: [{target: 'sips:a.example'}]}}",
        "4:38: connection_policies.c.targets.0.target: sips: is not supported; write sip:a.example;transport=tls",
    ),
    "a target that is no uri": (
        "connection_policies: {c: {targets: [{target: a.example}]}}",
        (
            "4:38: connection_policies.c.targets.0.target: "
            "not a SIP URI: 'a.example'; write sip:gateway.carrier.example"
        ),
    ),
    "a stop code that is none": (
        "connection_policies: {c: {failover_stop_codes: [7xx]}}",
        "4:49: connection_policies.c.failover_stop_codes.0: '7xx' is not a code; write 486 or 6xx",
    ),
    "a time of zero": ("dns: {timeout: 0}", "4:7: dns.timeout: must be greater than 0"),
    "a time that is no number": ("dns: {timeout: yes}", "4:7: dns.timeout: must be a number, not yes or no"),
    "a time that is not finite": ("dns: {timeout: .inf}", "4:7: dns.timeout: must be a finite number"),
    "a connect timeout beyond the total": (
        "webhooks: {connect_timeout: 20}",
        "4:1: webhooks: connect_timeout is longer than total_timeout; make it shorter",
    ),
    "a nameserver by name": (
        "dns: {nameservers: [dns.example]}",
        "4:21: dns.nameservers.0: 'dns.example' is not an IP address; write 203.0.113.5 or 2001:db8::5",
    ),
    "half a client key pair": (
        "tls_client: {certificate: byoc.yaml}",
        "4:1: tls_client: needs both certificate and private_key, or neither",
    ),
    "a mode of health that is not there": (
        "connection_policies: {c: {health: {mode: ping}}}",
        "4:36: connection_policies.c.health.mode: must be 'options', 'passive' or 'off'",
    ),
    "a key of health that is not there": (
        "connection_policies: {c: {health: {intervall: 30}}}",
        "4:36: connection_policies.c.health.intervall: unknown key; did you mean 'interval'?",
    ),
    "an interval of no time": (
        "connection_policies: {c: {targets: [{target: 'sip:a.example', health: {interval: 0.5}}]}}",
        "4:72: connection_policies.c.targets.0.health.interval: must be greater than or equal to 1",
    ),
    "a timeout of OPTIONS as long as the interval, which is the policy's": (
        (
            "connection_policies: {c: {health: {mode: options, interval: 10},"
            " targets: [{target: 'sip:a.example', health: {timeout: 10}}]}}"
        ),
        (
            "4:111: connection_policies.c.targets.0.health.timeout: "
            "10 is not shorter than the interval of 10; make it shorter"
        ),
    ),
    "a short digest secret": (
        "digest_secret: hunter2",
        "4:1: digest_secret: is too short; use 16 random characters or more",
    ),
    "a region that is not there": (
        "region: mars",
        "4:1: region: there is no region 'mars'; known are us1, us2, ie1, de1, sg1, jp1, br1, au1",
    ),
    "a default region that is not there": (
        "regions: {us1: }\ndefault_region: mars",
        "5:1: default_region: there is no region 'mars'; known are us1",
    ),
    "a signalling port that is none": (
        "signalling_ports: {udp: 0}",
        "4:20: signalling_ports.udp: must be greater than or equal to 1",
    ),
    "media ports in the wrong order": (
        "media: {addresses: [192.0.2.0/24], ports: 60000-10000}",
        "4:36: media.ports: is no range of ports; write '10000-60000'",
    ),
    "media ports beyond the last": (
        "media: {addresses: [192.0.2.0/24], ports: 10000-65536}",
        "4:36: media.ports: is no range of ports; write '10000-60000'",
    ),
    "media without an address": (
        "media: {ports: 10000-60000}",
        "4:1: media.addresses: is missing; it is required",
    ),
    "a media address that is a name": (
        "media: {addresses: [media.example.test]}",
        "4:21: media.addresses.0: 'media.example.test' is not an IP address or CIDR range; write 203.0.113.64/26",
    ),
    "a neighbour that is not there": (
        "regions: {us1: {neighbours: [us1]}}",
        "4:30: regions.us1.neighbours.0: 'us1' is not another region; known are us1",
    ),
    "a user name with a colon": (
        "credential_lists: {s: {credentials: [{username: 'a:b', password: Long-Password-1}]}}",
        (
            "4:39: credential_lists.s.credentials.0.username: "
            "is empty or holds a colon, quote or backslash; use letters, digits and dashes"
        ),
    ),
    "a user name of 33 characters": (
        f"credential_lists: {{s: {{credentials: [{{username: {'u' * 33}, password: Long-Password-1}}]}}}}",
        "4:39: credential_lists.s.credentials.0.username: string should have at most 32 characters",
    ),
    "one hash of two": (
        f"credential_lists: {{s: {{credentials: [{{username: u, ha1_md5: {'a' * 32}}}]}}}}",
        "4:38: credential_lists.s.credentials.0: needs either password, or both ha1_md5 and ha1_sha256",
    ),
    "a problem between resources, in the words of the file": (
        (
            "accounts: {a: {auth_token: t}, b: {auth_token: t}}\n"
            "trunks: {main: {account: a}}\n"
            "domains: {acme: {account: b, trunk: main}}"
        ),
        "6:30: domains.acme.trunk: 'main' belongs to another account; use one of the same account",
    ),
}


@pytest.mark.parametrize(("text", "line"), ONE_MISTAKE.values(), ids=ONE_MISTAKE.keys())
def test_one_mistake_is_one_line(wrong: Wrong, text: str, line: str) -> None:
    assert wrong(text) == [f"byoc.yaml:{line}"]


LISTENERS = {
    "none": ("listeners: []", "2:1: listeners: is empty; at least one is needed"),
    "missing": ("", "1:1: listeners: is missing; it is required"),
    "a name to bind to": (
        'listeners: [{transport: udp, bind: "localhost:5060"}]',
        "2:30: listeners.0.bind: localhost is a name; bind to an address such as 0.0.0.0:5060",
    ),
    "no port": (
        'listeners: [{transport: udp, bind: "0.0.0.0"}]',
        "2:30: listeners.0.bind: has no port; write 0.0.0.0:5060",
    ),
    "a port out of range": (
        'listeners: [{transport: udp, bind: "0.0.0.0:99999"}]',
        "2:30: listeners.0.bind: port 99999 is out of range; use 0 to 65535",
    ),
    "a list for an address": (
        "listeners: [{transport: udp, bind: [5060]}]",
        "2:30: listeners.0.bind: is not an address; write host, host:port or, in quotes, '[::1]:5060'",
    ),
    "the same socket twice": (
        'listeners: [{transport: udp, bind: "192.0.2.1:5060"}, {transport: udp, bind: "192.0.2.1:5060"}]',
        "2:72: listeners.1.bind: listener 0 has this address and port already",
    ),
    "every address and none to answer to": (
        'listeners: [{transport: udp, bind: "0.0.0.0:5060"}]',
        "2:30: listeners.0.bind: 0.0.0.0 is no address to answer to; say which one with `advertise`",
    ),
    "tls without files": (
        'listeners: [{transport: tls, bind: "0.0.0.0:5061"}]',
        "2:13: listeners.0: transport tls needs certificate and private_key",
    ),
    "a file that is not there": (
        'listeners: [{transport: tls, bind: "0.0.0.0:5061", certificate: /no.pem, private_key: byoc.yaml}]',
        "2:52: listeners.0.certificate: there is no file /no.pem",
    ),
    "udp with files": (
        'listeners: [{transport: udp, bind: "0.0.0.0:5061", certificate: byoc.yaml}]',
        "2:13: listeners.0: certificate and private_key are for tls only; set transport: tls or remove them",
    ),
}


@pytest.mark.parametrize(("text", "line"), LISTENERS.values(), ids=LISTENERS.keys())
def test_one_mistake_in_the_listeners_is_one_line(wrong: Wrong, text: str, line: str) -> None:
    assert wrong(f"{text}\n", head="base_domain: sip.example.test\n") == [f"byoc.yaml:{line}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", "byoc.yaml:2:1: is not valid YAML: did not find expected node content"),
        ("a: b: c", "byoc.yaml:1:5: is not valid YAML: mapping values are not allowed in this context"),
        ("a: \x01", "byoc.yaml:1:1: is not valid YAML: control characters are not allowed"),
        ("--- a\n--- b\n", "byoc.yaml:2:1: is not valid YAML: but found another document"),
        ("", "byoc.yaml:1:1: must be a mapping of keys to values, and is not"),
        ("- a", "byoc.yaml:1:1: must be a mapping of keys to values, and is not"),
    ],
)
def test_a_file_that_is_not_a_mapping_in_yaml_is_one_problem(wrong: Wrong, text: str, line: str) -> None:
    assert wrong(text, head="") == [line]


def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    missing, binary = tmp_path / "missing.yaml", tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigProblems, match=r"missing\.yaml: cannot be read: No such file"):
        load(missing, {})
    with pytest.raises(ConfigProblems, match=r"binary\.yaml: is not UTF-8 text: byte 3 is wrong"):
        load(binary, {})


def test_no_problem_quotes_a_secret(wrong: Wrong) -> None:
    text = """\
        digest_secret: s3cr3t
        accounts: {a: {auth_token: [s3cr3t]}, b: {auth_token: {s3cr3t: s3cr3t}}}
        trunks: {main: {account: a, voice_url: "s3cr3t@host"}}
        credential_lists:
          sbcs:
            account: a
            credentials:
              - {username: u, password: [s3cr3t]}
              - {username: v, ha1_md5: s3cr3t, ha1_sha256: s3cr3t}
              - {username: w, password: "s3cr3t\\n"}
        """
    lines = wrong(text)
    assert len(lines) == 8
    assert "s3cr3t" not in "\n".join(lines)


def test_weak_passwords_and_weak_domains_are_warnings_with_their_place(read: Read, tmp_path: Path) -> None:
    text = SMALL.replace("Long-Password-1", "password1").replace(", credential_lists: [sbcs]", "")
    lines = [line.replace(f"{tmp_path}/", "") for line in read(text).warnings]
    assert lines == [
        "byoc.yaml:9:3: domains.acme: IP access control lists alone stop no spoofed source; add a credential list",
        (
            "byoc.yaml:13:41: credential_lists.sbcs.credentials.0.password: is weak; "
            "use 12 characters or more with a digit, a small and a capital letter"
        ),
    ]


@pytest.mark.parametrize(
    ("password", "weak"),
    [
        ("Long-Password-1", False),
        ("Short-Pass1", True),
        ("no-capital-letter-1", True),
        ("NO-SMALL-LETTER-1", True),
        ("No-Digit-Anywhere", True),
    ],
)
def test_what_makes_a_password_weak(read: Read, password: str, weak: bool) -> None:
    warnings = read(SMALL.replace("Long-Password-1", password)).warnings
    assert any("is weak" in line for line in warnings) is weak


def test_a_wrong_entry_is_not_blamed_on_those_who_refer_to_it(wrong: Wrong) -> None:
    lines = wrong(SMALL.replace("main: {", "main: {sid: nonsense, "))
    assert [line.split(": ")[1] for line in lines] == ["trunks.main.sid"]


def test_a_wrong_account_is_not_blamed_on_what_belongs_to_it(wrong: Wrong) -> None:
    text = SMALL.replace("auth_token: token-of-acme", 'auth_token: ""')
    text = text.replace("trunk: main,", "trunk: main, static_ips: [10.9.0.5],")
    assert [line.split(": ")[1] for line in wrong(text)] == ["accounts.acme.auth_token"]


def test_several_accounts_and_sub_accounts(read: Read) -> None:
    loaded = read(
        """\
        accounts:
          holding: {auth_token: t}
          shop: {auth_token: u, parent: holding}
        domains:
          b: {account: holding}
          a.b: {account: shop}
        """
    )
    assert loaded.directory.find("a.b.sip.example.test") is not None
    assert loaded.resources.accounts[1].parent_sid == stable_sid("AC", "holding")


def test_numbers_are_those_of_a_reader_and_not_of_yaml_1_1(wrong: Wrong, read: Read) -> None:
    assert read("limits: {max_calls: 1_000, drain_grace: 1.5e1}\n").settings.limits.drain_grace == 15.0
    assert read("limits: {max_calls: 1_000}\n").settings.limits.max_calls == 1000
    (line,) = wrong("limits: {max_calls: 1:30}")
    assert "limits.max_calls: must be a valid integer" in line


def test_a_sid_may_be_pinned_inside_an_entry_too(read: Read) -> None:
    address, credential, target = (f"{prefix}{'0123456789abcdef' * 2}" for prefix in ("IP", "CR", "NE"))
    loaded = read(f"""
        ip_access_control_lists: {{dallas: {{addresses: [{{sid: {address}, cidr: 198.51.100.7}}]}}}}
        credential_lists: {{sbcs: {{credentials: [{{sid: {credential}, username: a, password: Long-Password-1}}]}}}}
        connection_policies: {{carriers: {{targets: [{{sid: {target}, target: "sip:gw.carrier.example"}}]}}}}
    """).resources
    assert loaded.ip_access_control_lists[0].addresses[0].sid == address
    assert loaded.credential_lists[0].credentials[0].sid == credential
    assert loaded.connection_policies[0].targets[0].sid == target


def test_a_sid_inside_entries_names_one_thing(wrong: Wrong) -> None:
    sid = f"IP{'0' * 32}"
    assert wrong(f"""\
        ip_access_control_lists:
          one: {{addresses: [{{sid: {sid}, cidr: 198.51.100.7}}, {{sid: {sid}, cidr: 198.51.100.8}}]}}
    """) == [
        f"byoc.yaml:5:85: ip_access_control_lists.one.addresses.1.sid: {sid} is used twice; a SID names one thing"
    ]


def test_a_pinned_sid_that_another_entry_has_from_its_key_is_refused(wrong: Wrong) -> None:
    made = stable_sid("CR", "one", "a")
    (problem,) = wrong(f"""
        credential_lists:
          one: {{credentials: [{{username: a, password: Long-Password-1}}]}}
          two: {{credentials: [{{username: b, password: Long-Password-1, sid: {made}}}]}}
    """)
    assert problem.endswith(f"credential_lists.two.credentials.0.sid: {made} is used twice; a SID names one thing")


def test_an_empty_friendly_name_stays_empty(read: Read) -> None:
    empty, missing = read("trunks: {a: {friendly_name: ''}, b: {}}").resources.trunks
    assert (empty.friendly_name, missing.friendly_name) == ("", "b")
