"""What is said to a far end whose offer came in its 2xx, by somebody who leaves (RFC 3261 §13.2.2.4)."""

import pytest

from byoc_proxy.sip.sdp import SdpError, describe, refusing_answer

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0 101\r\nc=IN IP4 198.51.100.1\r\na=rtpmap:0 PCMU/8000\r\n"
    b"m=video 6002 RTP/AVP 96\r\nc=IN IP4 198.51.100.1\r\n"
)


def test_a_refusing_answer_has_every_stream_of_the_offer_and_takes_none() -> None:
    answer = describe(refusing_answer(OFFER, "192.0.2.1"))
    assert [(media.kind, media.port) for media in answer.media] == [("audio", 0), ("video", 0)]
    assert answer.origin_address == "192.0.2.1"


@pytest.mark.parametrize("offer", [b"", b"v=0\r\n\xff", b"v=0\r\no=-\r\nm=audio\r\n"])
def test_what_is_no_offer_gets_no_answer(offer: bytes) -> None:
    with pytest.raises(SdpError):
        refusing_answer(offer, "192.0.2.1")
