"""A private address told to public far ends is refused before the first call, unless that is meant."""

from pathlib import Path

import pytest

from byoc_proxy.config.load import ConfigProblems, load

REST = """
base_domain: sip.example.test
accounts: {{acme: {{auth_token: token}}}}
trunks: {{main: {{voice_url: "https://app.example.test/voice", connection_policy: carriers}}}}
domains: {{acme: {{trunk: main, ip_access_control_lists: [dallas]}}}}
ip_access_control_lists: {{dallas: {{addresses: ["{listed}"]}}}}
connection_policies: {{carriers: {{targets: [{{target: "sip:{target}"}}]}}}}
listeners:
{listeners}
"""
DOCKER = '  - {transport: udp, bind: "0.0.0.0:5060", advertise: 172.17.0.2}'


def problems(directory: Path, listeners: str, listed: str = "10.0.0.0/8", target: str = "10.0.0.9") -> list[str]:
    file = directory / "byoc.yaml"
    file.write_text(REST.format(listeners=listeners, listed=listed, target=target))
    try:
        load(file, {})
    except ConfigProblems as error:
        return [line.partition(": ")[2] for line in error.problems]
    return []


@pytest.mark.parametrize(
    ("listed", "target", "peer"),
    [
        ("203.0.113.8/30", "10.0.0.9", "203.0.113.8/30 of list 'dallas'"),
        ("0.0.0.0/0", "10.0.0.9", "0.0.0.0/0 of list 'dallas'"),
        ("10.0.0.0/8", "198.51.100.1", "target sip:198.51.100.1 of policy 'carriers'"),
    ],
)
def test_the_address_of_a_container_is_not_told_to_a_public_far_end(
    tmp_path: Path, listed: str, target: str, peer: str
) -> None:
    (line,) = problems(tmp_path, DOCKER, listed, target)
    assert line == (
        f"listeners.0.advertise: 172.17.0.2 is private, and {peer} could never send its ACK or BYE there; "
        "set `advertise` to the public address, or `allow_private_address: true` if that is meant"
    )


def test_a_public_socket_does_not_advertise_a_private_address(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, '  - {transport: udp, bind: "203.0.113.5:5060", advertise: 10.0.0.5}')
    assert line.startswith(
        "listeners.0.advertise: tells far ends of a public listener the private address 10.0.0.5; set"
    )


@pytest.mark.parametrize(
    "listeners",
    [
        DOCKER.replace("}", ", allow_private_address: true}"),
        DOCKER.replace("172.17.0.2", "203.0.113.5"),
        DOCKER.replace("172.17.0.2", "sbc.example.test"),
        f'{DOCKER}\n  - {{transport: tcp, bind: "203.0.113.5:5060"}}',
        '  - {transport: udp, bind: "127.0.0.1:5060"}',
    ],
    ids=["told to", "the public address", "a name", "a second, public listener", "a trial on loopback"],
)
def test_what_is_meant_or_cannot_be_known_is_let_through(tmp_path: Path, listeners: str) -> None:
    assert problems(tmp_path, listeners, listed="203.0.113.8/30") == []


def test_among_private_far_ends_a_private_address_is_right(tmp_path: Path) -> None:
    assert problems(tmp_path, DOCKER) == []
