"""Which hosts are addresses, and which of those are private."""

import pytest

from byoc_proxy.sip.addresses import is_numeric, is_private, is_private_network

PRIVATE = "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 169.254.1.1 127.0.0.1".split()
PRIVATE_6 = "::1 fd00::1 fe80::1".split()
PUBLIC = "203.0.113.8 8.8.8.8 172.32.0.1 100.128.0.1 192.169.0.1 2001:db8::1 11.0.0.0".split()


@pytest.mark.parametrize("host", [*PRIVATE, *PRIVATE_6, "[fd00::1]", "::ffff:10.0.0.1"])
def test_a_private_address(host: str) -> None:
    assert is_private(host)
    assert is_numeric(host)


@pytest.mark.parametrize("host", [*PUBLIC, "[2001:db8::1]", "::ffff:203.0.113.8"])
def test_an_address_that_anybody_may_reach(host: str) -> None:
    assert not is_private(host)
    assert is_numeric(host)


@pytest.mark.parametrize("host", ["sbc.example", "999.999.999.999", "1234", "1::2::3", "", "localhost"])
def test_a_name_is_neither(host: str) -> None:
    assert not is_numeric(host)
    assert not is_private(host)


@pytest.mark.parametrize(
    ("cidr", "private"),
    [("10.0.0.0/8", True), ("10.1.2.3/24", True), ("10.0.0.0/7", False), ("0.0.0.0/0", False), ("::/0", False)],
)
def test_a_range_is_private_when_all_of_it_is(cidr: str, private: bool) -> None:
    assert is_private_network(cidr) is private
