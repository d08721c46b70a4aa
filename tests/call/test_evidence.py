"""What responses say of an address, and how an obstacle is told."""

import pytest

from byoc_proxy.call.evidence import in_words, of_options, spelt
from byoc_proxy.sip.headers import Headers
from byoc_proxy.sip.locate import Hop
from byoc_proxy.sip.message import Response
from byoc_proxy.trunk.health import Evidence, Obstacle


@pytest.mark.parametrize("status", [200, 301, 401, 404, 405, 408, 483, 500, 501, 502, 504, 600])
def test_any_final_response_to_options_says_that_somebody_is_there(status: int) -> None:
    assert of_options(Response(status, "Said", Headers()), 0.1).meaning == "answer"


def test_a_503_to_options_is_a_miss_and_keeps_its_words() -> None:
    full = Response(503, "Full", Headers())
    assert of_options(full, 0.1) == Evidence("miss", "options", "503 Full", 503, 0.1)


@pytest.mark.parametrize(
    ("hop", "text"),
    [
        (Hop("UDP", "198.51.100.1", 5060, "gw"), "UDP 198.51.100.1:5060"),
        (Hop("TLS", "2001:db8::1", 5061, "gw"), "TLS [2001:db8::1]:5061"),
    ],
)
def test_an_address_is_spelt_with_its_transport_and_port(hop: Hop, text: str) -> None:
    assert spelt(hop) == text


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        (Obstacle("resting", 30.0), "resting until 2025-10-09T08:53:50.000Z"),
        (Obstacle("down", None, "ICMP error"), "down (ICMP error)"),
        (Obstacle("recovering", 1.5, "200 OK"), "recovering until 2025-10-09T08:53:21.500Z (200 OK)"),
    ],
)
def test_an_obstacle_says_until_when_and_why_where_that_is_known(obstacle: Obstacle, words: str) -> None:
    assert in_words(obstacle, 1_760_000_000.0) == words
