"""Session descriptions of real carriers, and what is answered while nobody can speak."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.sdp import (
    Media,
    SdpError,
    describe,
    held_answer,
    held_offer,
    inactive,
    is_hold,
    is_secure,
    newer,
)

KEY = bytes(range(30))


def sdp(*media_lines: str, session: str = "c=IN IP4 198.51.100.7\r\nt=0 0") -> bytes:
    head = f"v=0\r\no=carrier 53655765 2353687637 IN IP4 198.51.100.1\r\ns=-\r\n{session}\r\n"
    return (head + "".join(f"{line}\r\n" for line in media_lines)).encode()


AUDIO = ("m=audio 49170 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000")
CRYPTO_80 = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4"
CRYPTO_32 = "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj"
SAVP = "m=audio 49170 RTP/SAVP 0"


class TestDescribe:
    def test_a_carriers_offer_is_read(self) -> None:
        description = describe(sdp(*AUDIO, "a=ptime:20", "a=sendrecv"))
        assert description.origin_address == "198.51.100.1"
        assert description.address == "198.51.100.7"
        assert description.media == (
            Media("audio", 49170, "RTP/AVP", ("0", "8", "101"), "sendrecv", "198.51.100.7", ()),
        )

    def test_bare_line_feeds_and_empty_lines_at_the_end_are_tolerated(self) -> None:
        assert describe(sdp(*AUDIO).replace(b"\r\n", b"\n") + b"\n\n") == describe(sdp(*AUDIO))

    def test_a_last_line_without_its_end_is_read(self) -> None:
        assert describe(sdp(*AUDIO, "a=inactive")[:-2]).media[0].direction == "inactive"

    def test_direction_and_address_of_a_stream_win_over_those_of_the_session(self) -> None:
        description = describe(
            sdp(
                *AUDIO,
                "c=IN IP6 2001:db8::9",
                "a=recvonly",
                "m=video 0 RTP/AVP 31",
                session="c=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly",
            )
        )
        assert [(media.direction, media.address) for media in description.media] == [
            ("recvonly", "2001:db8::9"),
            ("sendonly", "192.0.2.1"),
        ]

    def test_streams_with_addresses_of_two_families_are_read(self) -> None:
        # RFC 5118 §4.9 has no c= line in the session
        description = describe(
            b"v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\n"
            b"m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
            b"m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:107 H263-1998/90000\r\n"
        )
        assert description.address == ""
        assert [media.address for media in description.media] == ["192.0.2.1", "2001:db8::1"]

    def test_multicast_ttl_and_port_count_are_not_part_of_address_and_port(self) -> None:
        media = describe(sdp("m=audio 49170/2 RTP/AVP 0", "c=IN IP4 233.252.0.1/127/3")).media[0]
        assert (media.port, media.address) == (49170, "233.252.0.1")

    def test_crypto_keys_stay_out_of_the_description(self) -> None:
        description = describe(sdp(SAVP, CRYPTO_80, CRYPTO_32))
        assert description.media[0].crypto == ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
        assert "inline" not in repr(description)

    def test_a_refused_stream_needs_no_address(self) -> None:
        assert describe(sdp("m=video 0 RTP/AVP 31", session="t=0 0")).media[0].address == ""

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "starts with v=0"),
            (b"o=- 1 1 IN IP4 192.0.2.1\r\n", "starts with v=0"),
            (b"v=1\r\n", "starts with v=0"),
            (b"m=audio 1 RTP/AVP 0\r\n", "starts with v=0"),
            (b"v=0\r\ns=-\r\n", "no o= line"),
            (b"v=0\r\no=- 1 1 IN IP4\r\n", "six fields"),
            (b"v=0\r\nnonsense\r\n", "not a line"),
            (b"v=0\r\n =x\r\n", "not a line"),
            (sdp("m=audio 49170 RTP/AVP"), "kind, port, protocol and format"),
            (sdp("m=audio 65536 RTP/AVP 0"), "not a port"),
            (sdp("m=audio -1 RTP/AVP 0"), "not a port"),
            (sdp("m=audio ² RTP/AVP 0"), "not a port"),
            (sdp("m=audio 1" + "0" * 5000 + " RTP/AVP 0"), "not a port"),
            (sdp(*AUDIO, "c=IN IP4"), "three fields"),
            (sdp(*AUDIO, session="t=0 0"), "no c= line"),
        ],
    )
    def test_what_is_no_session_description_is_refused_in_words(self, body: bytes, words: str) -> None:
        with pytest.raises(SdpError, match=re.escape(words)):
            describe(body)

    @given(st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(lambda tail: sdp(*AUDIO) + tail)))
    def test_any_bytes_are_a_description_or_an_sdp_error(self, body: bytes) -> None:
        try:
            description = describe(body)
        except SdpError:
            return
        assert all(0 <= media.port <= 65535 for media in description.media)


class TestSecure:
    @pytest.mark.parametrize("protocol", ["RTP/SAVP", "RTP/SAVPF"])
    @pytest.mark.parametrize("crypto", [CRYPTO_80, CRYPTO_32])
    def test_srtp_with_a_suite_that_we_know_is_secure(self, protocol: str, crypto: str) -> None:
        assert is_secure(describe(sdp(f"m=audio 49170 {protocol} 0", crypto)))

    @pytest.mark.parametrize(
        "lines",
        [
            AUDIO,
            (*AUDIO, CRYPTO_80),
            (SAVP,),
            (SAVP, "a=crypto:1 AEAD_AES_256_GCM inline:x"),
            (SAVP, "a=crypto:1 AES_CM_128_HMAC_SHA1_80"),
            ("m=audio 49170 UDP/TLS/RTP/SAVP 0", "a=fingerprint:sha-256 AB:CD"),
            (SAVP, CRYPTO_80, *AUDIO),
            (SAVP, CRYPTO_80, "m=video 6000 RTP/AVP 31"),
            ("m=audio 0 RTP/SAVP 0", CRYPTO_80),
            ("m=video 6000 RTP/SAVP 31", CRYPTO_80),
            (),
        ],
        ids=[
            "plain",
            "plain with a key",
            "no key",
            "unknown suite",
            "suite without a key",
            "DTLS",
            "second audio plain",
            "video plain",
            "audio refused",
            "no audio",
            "no media",
        ],
    )
    def test_anything_less_is_not(self, lines: tuple[str, ...]) -> None:
        assert not is_secure(describe(sdp(*lines)))

    def test_a_refused_plain_stream_beside_a_secure_one_does_no_harm(self) -> None:
        assert is_secure(describe(sdp(SAVP, CRYPTO_80, "m=video 0 RTP/AVP 31")))

    def test_an_unknown_suite_beside_a_known_one_does_no_harm(self) -> None:
        assert is_secure(describe(sdp(SAVP, "a=crypto:1 AEAD_AES_256_GCM inline:x", CRYPTO_32)))


class TestHold:
    @pytest.mark.parametrize("direction", ["sendonly", "inactive"])
    def test_a_peer_that_does_not_listen_holds_us(self, direction: str) -> None:
        assert is_hold(describe(sdp(*AUDIO, f"a={direction}")))

    @pytest.mark.parametrize("direction", ["sendrecv", "recvonly"])
    def test_a_peer_that_listens_does_not(self, direction: str) -> None:
        assert not is_hold(describe(sdp(*AUDIO, f"a={direction}")))

    @pytest.mark.parametrize("connection", ["IN IP4 0.0.0.0", "IN IP6 ::"])
    def test_an_old_peer_holds_with_an_address_of_zeros(self, connection: str) -> None:
        assert is_hold(describe(sdp(*AUDIO, session=f"c={connection}\r\nt=0 0")))

    def test_a_hold_of_the_whole_session_holds_its_audio(self) -> None:
        assert is_hold(describe(sdp(*AUDIO, session="c=IN IP4 192.0.2.1\r\nt=0 0\r\na=inactive")))

    def test_video_that_still_runs_does_not_undo_a_hold(self) -> None:
        assert is_hold(describe(sdp(*AUDIO, "a=sendonly", "m=video 6000 RTP/AVP 31")))

    def test_a_description_without_live_audio_is_not_a_hold(self) -> None:
        assert not is_hold(describe(sdp("m=audio 0 RTP/AVP 0", "a=inactive")))


class TestHeldOffer:
    def test_it_offers_what_every_carrier_has_and_nothing_flows(self) -> None:
        assert held_offer("192.0.2.10", 42) == (
            b"v=0\r\no=- 42 42 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
            b"m=audio 9 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
            b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=inactive\r\n"
        )

    def test_it_is_a_hold_by_our_own_reading(self) -> None:
        description = describe(held_offer("2001:db8::1", 42))
        assert is_hold(description)
        assert description.address == "2001:db8::1"

    def test_an_ipv6_address_is_of_family_ip6(self) -> None:
        assert b"c=IN IP6 2001:db8::1\r\n" in held_offer("2001:db8::1", 42)


class TestHeldAnswer:
    def test_the_first_codec_and_telephone_event_are_accepted_and_nothing_flows(self) -> None:
        offer = sdp(
            "m=audio 49170 RTP/AVP 96 0 101 13",
            "a=rtpmap:96 opus/48000/2",
            "a=fmtp:96 useinbandfec=1",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            session="c=IN IP4 198.51.100.7\r\nt=3338481189 3370017201",
        )
        assert held_answer(offer, "192.0.2.10", 7) == (
            b"v=0\r\no=- 7 7 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=3338481189 3370017201\r\n"
            b"m=audio 9 RTP/AVP 96 101\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
            b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=inactive\r\n"
        )

    def test_telephone_event_in_front_is_not_taken_for_a_codec(self) -> None:
        answer = held_answer(sdp("m=audio 4000 RTP/AVP 101 8", "a=rtpmap:101 Telephone-Event/8000"), "192.0.2.1", 7)
        assert describe(answer).media[0].formats == ("8", "101")

    def test_streams_keep_their_order_and_what_is_not_audio_is_refused(self) -> None:
        offer = sdp("m=video 6000 RTP/AVP 31", *AUDIO, "m=image 7000 udptl t38", "m=audio 0 RTP/AVP 0")
        media = describe(held_answer(offer, "192.0.2.1", 7)).media
        assert [(stream.kind, stream.port, stream.protocol) for stream in media] == [
            ("video", 0, "RTP/AVP"),
            ("audio", 9, "RTP/AVP"),
            ("image", 0, "udptl"),
            ("audio", 0, "RTP/AVP"),
        ]

    def test_srtp_is_accepted_with_a_key_of_our_own_under_the_offers_tag(self) -> None:
        offer = sdp(SAVP, "a=crypto:1 AEAD_AES_256_GCM inline:x", CRYPTO_32, "a=inactive")
        answer = held_answer(offer, "192.0.2.1", 7, KEY)
        assert f"a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{base64.b64encode(KEY).decode()}\r\n".encode() in answer
        assert is_secure(describe(answer))
        assert is_hold(describe(answer))

    @pytest.mark.parametrize(("crypto", "key"), [(CRYPTO_80, b""), ("a=crypto:1 X inline:x", KEY)])
    def test_srtp_without_a_key_or_a_known_suite_is_refused(self, crypto: str, key: bytes) -> None:
        assert describe(held_answer(sdp(SAVP, crypto), "192.0.2.1", 7, key)).media[0].port == 0

    def test_dtls_srtp_is_refused(self) -> None:
        offer = sdp("m=audio 4000 UDP/TLS/RTP/SAVPF 0")
        assert describe(held_answer(offer, "192.0.2.1", 7, KEY)).media[0].port == 0

    def test_an_offer_that_cannot_be_read_is_refused(self) -> None:
        with pytest.raises(SdpError):
            held_answer(b"v=0\r\nm=audio 1 RTP/AVP 0\r\n", "192.0.2.1", 7)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["audio", "video", "image"]),
                st.sampled_from([0, 4000]),
                st.sampled_from(["RTP/AVP", "RTP/SAVP", "RTP/AVPF", "udptl"]),
                st.lists(st.sampled_from(["0", "8", "18", "101"]), min_size=1, unique=True),
            ),
            max_size=5,
        )
    )
    def test_every_offer_is_answered_stream_by_stream(self, streams: list[tuple[str, int, str, list[str]]]) -> None:
        lines = [
            f"m={kind} {port} {protocol} {' '.join(names)}\r\na=rtpmap:101 telephone-event/8000"
            for kind, port, protocol, names in streams
        ]
        offer = describe(sdp(*lines))
        answer = describe(held_answer(sdp(*lines), "192.0.2.1", 7, KEY))
        assert len(answer.media) == len(offer.media)
        for asked, told in zip(offer.media, answer.media, strict=True):
            assert (told.kind, told.protocol) == (asked.kind, asked.protocol)
            assert set(told.formats) <= set(asked.formats)
            assert asked.port or not told.port
            assert told.port in (0, 9)
            assert not told.port or told.direction == "inactive"


@pytest.mark.parametrize(
    ("body", "than", "version"),
    [
        (b"v=0\r\no=- 7 1 IN IP4 a\r\n", b"v=0\r\no=x 1 1 IN IP4 b\r\n", b"o=- 7 2 IN IP4 a"),
        (b"v=0\r\no=- 7 1 IN IP4 a\r\n", b"v=0\r\no=x 1 2 IN IP4 b\r\n", b"o=- 7 1 IN IP4 a"),
        (b"v=0\r\no=- 7 one IN IP4 a\r\n", b"v=0\r\no=x 1 1 IN IP4 b\r\n", b"o=- 7 one IN IP4 a"),
        (b"v=0\r\no=- 7 1 IN IP4 a\r\n", b"", b"o=- 7 1 IN IP4 a"),
        (b"", b"v=0\r\no=- 7 1 IN IP4 a\r\n", b""),
    ],
)
def test_a_description_is_told_from_the_one_before_it_by_its_version(
    body: bytes, than: bytes, version: bytes
) -> None:
    assert newer(body, than) == (b"v=0\r\n" + version + b"\r\n" if body else b"")


def test_a_description_on_hold_is_the_next_version_of_the_same_streams() -> None:
    body = (
        b"v=0\r\no=- 7 8 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\nm=video 4002 RTP/AVP 96\r\na=recvonly\r\n"
    )
    held = describe(inactive(body))
    assert [(each.kind, each.port, each.direction) for each in held.media] == [
        ("audio", 4000, "inactive"),
        ("video", 4002, "inactive"),
    ]
    assert b"o=- 7 9 IN IP4 192.0.2.9\r\n" in inactive(body)
