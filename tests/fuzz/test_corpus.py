"""Inputs that once broke something, that reach far, or that are as long as can be: replayed on every run."""

from random import Random

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import LARGEST, TARGETS, Target
from tests.support.wires import request

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
MUTATIONS = 40  # of each target, drawn from the same seed on every machine
PATIENCE = 4.0  # times what an input may take: what is worse than linear takes a hundred times as long

HEAD = request("INVITE").partition(b"\r\nContent-Length")[0]
SDP = b"v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 h\r\nm=audio 1 RTP/AVP 0"
FRAMES = {
    "datagram": (
        (HEAD, b"\r\n\r\n"),
        (HEAD + b"\r\nX-Own: a", b"\r\n\r\n"),
        (HEAD + b"\r\nContact: <sip:a@h>", b"\r\n\r\n"),
        (HEAD.replace(b"Via: ", b'Via: SIP/2.0/UDP h;x="'), b"\r\n\r\n"),
        (HEAD.replace(b"127.0.0.2:5060", b'h;x="'), b"\r\n\r\n"),
    ),
    "stream": ((b"\x01", b""), (b"\x01" + HEAD, b"\r\n\r\n")),
    "address": (
        (b"<sip:a@h>", b""),
        (b"<sip:", b">"),
        (b'"', b'" <sip:a@h>'),
        (b"SIP/2.0/UDP h", b""),
    ),
    "digest": ((b"Digest ", b""), (b'Digest a="', b'"'), (b'Digest realm="sip.example.test",nonce=n,', b"")),
    "body": (
        (b"multipart/mixed;boundary=b\n--b\r\n", b"\r\n--b--"),
        (b'multipart/mixed;boundary=a;x="', b'"\n--a'),
    ),
    "sdp": ((SDP, b"\r\n"), (SDP + b"\r\n", b"\r\n")),
    "twiml": ((b"<Response>", b"</Response>"), (b"<Response><Dial><Sip>sip:a@h?", b"</Sip></Dial></Response>")),
}
REPEATED = (
    b"a",
    b" ",
    b"\t",
    b",",
    b";",
    b'"',
    b"\\",
    b"<",
    b"\xe9",
    b"\r\n ",
    b"\r\na: b",
    b' ;a="b"',
    b"<sip:a@h>,",
    b"&a=b",
)


@each_target
def test_nothing_in_the_corpus_breaks_or_slows_it(target: Target) -> None:
    for data in target.seeds():
        target.timed(data, PATIENCE)


@each_target
def test_no_change_to_what_is_well_formed_breaks_or_slows_it(target: Target) -> None:
    random = Random(target.name)
    seeds = list(target.seeds())
    for _ in range(MUTATIONS):
        target.timed(mutated(random.choice(seeds), random), PATIENCE)


@pytest.mark.parametrize("name", FRAMES)
def test_64_kilobytes_of_the_same_take_no_more_than_linear_time(name: str) -> None:
    for before, after in FRAMES[name]:
        for part in REPEATED:
            times = (LARGEST - len(before) - len(after)) // len(part)
            TARGETS[name].timed(before + part * times + after, PATIENCE)
