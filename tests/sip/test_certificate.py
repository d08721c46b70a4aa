"""Whom a certificate speaks for (RFC 5922 §7.1) and whether that is who was asked for (§7.2)."""

import pytest

from byoc_proxy.sip.certificate import sip_identities, speaks_for


@pytest.mark.parametrize(
    ("names", "identities"),
    [
        ([("DNS", "GW.Carrier.example")], ("gw.carrier.example",)),
        ([("URI", "sip:carrier.example"), ("DNS", "gw.carrier.example")], ("carrier.example",)),
        ([("URI", "SIP:Carrier.Example"), ("URI", "sip:other.example")], ("carrier.example", "other.example")),
        ([("URI", "sip:alice@carrier.example")], ()),  # the identity of a user
        ([("URI", "sips:carrier.example"), ("URI", "https://carrier.example")], ()),  # other schemes
        ([("URI", "https://x.example"), ("DNS", "gw.carrier.example")], ("gw.carrier.example",)),
        ([("URI", "sip:"), ("URI", "sip:a b")], ()),
        ([("email", "x@carrier.example"), ("DirName", "CN=carrier.example")], ()),
        ([("IP Address", "192.0.2.4"), ("IP Address", "2001:DB8:0:0:0:0:0:4\n")], ("192.0.2.4", "2001:db8::4")),
        ([], ()),
    ],
)
def test_identities_are_sip_uris_without_a_user_or_else_dns_names(
    names: list[tuple[str, str]], identities: tuple[str, ...]
) -> None:
    assert sip_identities(names) == identities


@pytest.mark.parametrize(
    ("identity", "host", "matches"),
    [
        ("gw.carrier.example", "GW.carrier.example", True),
        ("gw.carrier.example", "gw.carrier.example.", True),
        ("carrier.example", "gw.carrier.example", False),  # no suffix
        ("gw.carrier.example", "carrier.example", False),
        ("*.carrier.example", "gw.carrier.example", False),  # no wildcard
        ("*.carrier.example", "*.carrier.example", True),  # but itself
        (".carrier.example", "gw.carrier.example", False),
        ("2001:db8::4", "[2001:DB8:0::4]", True),
        ("192.0.2.4", "192.0.2.4", True),
    ],
)
def test_names_are_equal_as_a_whole_or_not_at_all(identity: str, host: str, matches: bool) -> None:
    assert speaks_for((identity,), host) is matches
