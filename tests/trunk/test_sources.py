import ipaddress
from itertools import cycle

import netaddr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.trunk.networks import AddressError, read_address, read_network
from byoc_proxy.trunk.sources import NOBODY, AclEntry, SourceTable, narrowest


def table(*cidrs: str) -> SourceTable:
    return SourceTable((read_network(cidr), AclEntry("list", cidr, cidr)) for cidr in cidrs)


def matched(sources: SourceTable, address: str) -> str | None:
    entry = sources.match(address)
    return entry.friendly_name if entry is not None else None


def test_a_range_allows_its_first_and_last_address_and_nothing_beside_them() -> None:
    sources = table("203.0.113.8/30")
    allowed = [last for last in range(5, 15) if sources.match(f"203.0.113.{last}") is not None]
    assert allowed == [8, 9, 10, 11]


def test_the_narrowest_of_nested_ranges_is_the_one_that_is_named() -> None:
    sources = table("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3")
    assert matched(sources, "10.1.2.3") == "10.1.2.3"
    assert matched(sources, "10.1.2.4") == "10.1.0.0/16"
    assert matched(sources, "10.2.0.0") == "10.0.0.0/8"
    assert matched(sources, "11.0.0.0") is None


def test_of_two_lists_with_the_same_range_the_first_is_named() -> None:
    network = read_network("192.0.2.0/24")
    sources = SourceTable((network, AclEntry(name, "", "192.0.2.0/24")) for name in ("first", "second"))
    entry = sources.match("192.0.2.77")
    assert entry is not None
    assert entry.list_name == "first"


def test_an_ipv4_mapped_source_is_the_ipv4_address_that_it_carries() -> None:
    assert matched(table("192.0.2.0/24"), "::ffff:192.0.2.9") == "192.0.2.0/24"


def test_an_ipv4_mapped_range_is_read_as_ipv4() -> None:
    assert read_network("::ffff:192.0.2.0/120").cidr == "192.0.2.0/24"


def test_ipv6_sources_are_matched_and_their_zone_is_ignored() -> None:
    sources = table("2001:db8:5::/64", "fe80::/10")
    assert matched(sources, "2001:db8:5::99") == "2001:db8:5::/64"
    assert matched(sources, "fe80::1%eth0") == "fe80::/10"
    assert matched(sources, "2001:db8:6::99") is None


def test_an_ipv6_default_route_does_not_let_ipv4_in() -> None:
    assert table("::/0").match("192.0.2.1") is None


def test_the_whole_internet_can_be_let_in() -> None:
    sources = table("0.0.0.0/0")
    assert matched(sources, "0.0.0.0") == "0.0.0.0/0"
    assert matched(sources, "255.255.255.255") == "0.0.0.0/0"


def test_an_empty_list_lets_nobody_in() -> None:
    assert table().match("192.0.2.1") is None


def test_host_bits_are_normalised_and_reported() -> None:
    network = read_network("10.1.2.3/8")
    assert (network.cidr, network.has_host_bits) == ("10.0.0.0/8", True)
    assert read_network("10.0.0.0/8").has_host_bits is False


@pytest.mark.parametrize(
    "text", ["sbc.example.com", "010.1.2.3", "10.1", "0x7f.1", "1.2.3.4/33", "", "1.2.3.4:5060"]
)
def test_what_is_ambiguous_or_a_name_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        read_network(text)


def test_an_address_is_spelled_canonically() -> None:
    assert read_address("2001:DB8:0:0::1") == "2001:db8::1"
    with pytest.raises(AddressError):
        read_address("192.0.2.0/24")


NETWORKS = st.lists(
    st.builds(
        lambda number, length: ipaddress.ip_network((number, length), strict=False),
        st.integers(0, 2**32 - 1).map(lambda number: number & 0xFF0F000F),
        st.integers(0, 32),
    ),
    max_size=12,
)


@given(NETWORKS, st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_a_table_agrees_with_asking_every_range_in_turn(
    networks: list[ipaddress.IPv4Network], numbers: list[int]
) -> None:
    sources = table(*map(str, networks))
    edges = [int(edge) for net in networks for edge in (net.network_address, net.broadcast_address)]
    for number in {*numbers, *edges, *(min(edge + 1, 2**32 - 1) for edge in edges)}:
        address = ipaddress.IPv4Address(number)
        holding = [net for net in networks if address in net]
        narrowest = str(max(holding, key=lambda net: net.prefixlen)) if holding else None
        assert matched(sources, str(address)) == narrowest


@given(NETWORKS, st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_several_lists_answer_together_as_one_list_of_all_their_entries(
    networks: list[ipaddress.IPv4Network], numbers: list[int]
) -> None:
    cidrs = [str(network) for network in networks]
    lists = [table(*cidrs[::2]), table(*cidrs[1::2])]
    for number in {*numbers, *(int(network.network_address) for network in networks)}:
        address = str(ipaddress.IPv4Address(number))
        entry = narrowest(lists, address)
        assert (entry.cidr if entry is not None else None) == matched(table(*cidrs), address)


def test_of_two_lists_that_hold_the_same_range_the_first_mapped_is_named() -> None:
    network = read_network("192.0.2.0/24")
    lists = [SourceTable([(network, AclEntry(name, "", network.cidr))]) for name in ("first", "second")]
    entry = narrowest(lists, "192.0.2.77")
    assert entry is not None
    assert entry.list_name == "first"


MIXED = ("10.0.0.0/8", "10.1.2.3", "::/0", "2001:db8::/32", "2001:db8::5", "0.0.0.0/0", "192.0.2.0/31")
ASKED = ("10.1.2.3", "11.0.0.1", "192.0.2.1", "2001:db8::5", "2001:db9::1", "::ffff:10.1.2.3", "fe80::1%eth0")
STEPS = st.lists(st.tuples(st.sampled_from(MIXED), st.booleans()), max_size=12)


@given(STEPS)
def test_sources_stay_known_as_long_as_any_list_holds_them(steps: list[tuple[str, bool]]) -> None:
    known, held = NOBODY, list[str]()
    for cidr, more in steps:
        if more:
            held.append(cidr)
            known = known.changed((), [read_network(cidr)])
        elif cidr in held:
            held.remove(cidr)
            known = known.changed([read_network(cidr)], ())
    everything = table(*held)
    assert [known.hold(source) for source in ASKED] == [everything.match(source) is not None for source in ASKED]


BYTES = st.integers(0, 999).map(str) | st.sampled_from(["", "00", "01", "256", "0x7", "1e1", "\u0661", " 1", "-1"])
LENGTHS = st.integers(0, 40).map(lambda length: f"/{length}") | st.sampled_from(["", "", "/", "/08", "/ 8", "/-1"])
SPELLINGS = st.builds(
    lambda parts, length: ".".join(parts) + length, st.lists(BYTES, min_size=3, max_size=5), LENGTHS
)
ADDRESSES = st.ip_addresses().map(str)
NUMERALS = st.text("0123456789./", max_size=20)


@given(SPELLINGS | ADDRESSES | NUMERALS | st.builds("{}/{}".format, st.ip_addresses(v=4), st.integers(0, 33)))
def test_a_range_is_read_as_netaddr_reads_it_or_refused_as_it_refuses(text: str) -> None:
    try:
        wanted = netaddr.IPNetwork(text)
    except (netaddr.AddrFormatError, ValueError):
        with pytest.raises(AddressError):
            read_network(text)
        return
    network = read_network(text)
    if network.version == wanted.version:  # an IPv4-mapped range becomes IPv4
        assert network == (
            wanted.version,
            wanted.first,
            wanted.last,
            str(wanted.cidr),
            wanted.ip != wanted.network,
        )


@pytest.mark.parametrize("length", range(33))
def test_every_length_of_an_ipv4_range_is_read_as_netaddr_reads_it(length: int) -> None:
    numbers = zip(range(0, 2**32, 0x01234567), cycle((0, 1)), strict=False)
    for number, bit in numbers:
        text = f"{ipaddress.IPv4Address(number | bit)}/{length}"
        wanted = netaddr.IPNetwork(text)
        assert read_network(text)[:4] == (4, wanted.first, wanted.last, str(wanted.cidr))
