"""Every target by name: what takes the bytes, and where to begin."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from byoc_proxy.sim.words import sdp
from tests.fuzz import readers, talk
from tests.fuzz.grammar import METHODS, Wild, encoded
from tests.support.wires import OFFER, request, wire

HERE: Final = Path(__file__).resolve().parent
CORPUS: Final = HERE / "corpus"
TORTURE: Final = HERE.parent / "sip" / "torture"
MOST_SECONDS: Final = 0.05  # of CPU, for any input of up to 64 KiB
LARGEST: Final = 65536
GENERATED: Final = 40  # seeds of each kind that the grammar gives


class TooSlow(AssertionError):
    """The input took more CPU than any input may."""


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes any bytes and raises when something is wrong; `drawn` gives texts that its grammar has."""

    name: str
    run: Callable[[bytes], None]
    drawn: Callable[[Wild], bytes]
    written: tuple[bytes, ...] = ()
    torture: bool = False
    most_seconds: float = MOST_SECONDS

    def seeds(self) -> Iterator[bytes]:
        """Where a fuzzer begins: by hand, by grammar, the torture messages, and what mattered before."""
        yield from self.written
        yield from (self.drawn(Wild(Random(number), 0.01)) for number in range(GENERATED))
        if self.torture:
            yield from (path.read_bytes() for path in sorted(TORTURE.glob("rfc*/*.dat")))
        yield from self.kept()

    def kept(self) -> Iterator[bytes]:
        """The corpus in the repository."""
        yield from (path.read_bytes() for path in sorted((CORPUS / self.name).glob("*")))

    def timed(self, data: bytes, slower: float = 1.0) -> None:
        """Run it within its time, times `slower`; the fastest of three runs counts: a machine may be busy."""
        spent = []
        for _ in range(3):
            before = time.process_time()
            self.run(data)
            spent.append(time.process_time() - before)
            if spent[-1] <= self.most_seconds * slower:
                return
        raise TooSlow(f"{min(spent):.3f} s for {len(data)} bytes")


def _in_dialog(method: str, number: int) -> bytes:
    return request(method, call_id="call-1", to_tag="@theirs-tag@", cseq=number, branch=f"z9hG4bK{number}")


def _answer(call: str, line: str, *extra: str, number: int = 1, body: bytes = b"") -> bytes:
    return wire(
        f"SIP/2.0 {line}",
        f"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=@{call}-branch@;rport",
        f"From: <sip:alice@127.0.0.1>;tag=@{call}-tag@",
        "To: <sip:bob@127.0.0.2>;tag=theirs",
        f"Call-ID: @{call}-call@",
        f"CSeq: {number} INVITE",
        "Contact: <sip:bob@127.0.0.2>",
        *extra,
        body=body,
    )


def _script(*pieces: bytes) -> bytes:
    return talk.BETWEEN.join(pieces)


_ALIVE: Final = "Contact: <sip:b@198.51.100.1>"
_ANSWERED: Final = wire("SIP/2.0 200 OK", "@@", _ALIVE, "Content-Type: application/sdp", body=sdp("198.51.100.1"))
_RELIABLE: Final = ("Require: 100rel", "Supported: timer", "Session-Expires: 90;refresher=uas", "Min-SE: 90")
_MULTIPART: Final = (
    b"multipart/mixed;boundary=b\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b\r\n"
    b"Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\r\n--b--"
)
_WHO: Final = (
    'P-Asserted-Identity: "Bob \\"B\\" " <sip:+44%2020@h;user=phone>, <tel:0044-20;phone-context=h>',
    "Privacy: id;header",
    "Diversion: <sip:%00@a?Privacy=history>;reason=no-answer;privacy=off",
    "History-Info: <sip:a@b?Reason=SIP%3Bcause%3D302>;index=1, <sip:c@d>;index=1.1",
    "X-Own: anything \u2603",
)
_TARGETS: Final = (
    Target("datagram", readers.datagram, Wild.message, torture=True),
    Target(
        "stream", readers.stream, lambda wild: b"\x07" + wild.message() + b"\r\n\r\n" + wild.message(), torture=True
    ),
    Target("address", readers.address, lambda wild: encoded([wild.one_of((wild.name_addr, wild.via, wild.uri))()])),
    Target(
        "identity",
        readers.identity,
        lambda wild: wild.message("INVITE"),
        (request("INVITE", *_WHO, body=OFFER),),
    ),
    Target(
        "digest",
        readers.digest,
        lambda wild: encoded([wild.challenge(), wild.challenge()], "\n"),
        (
            b'Digest realm="sip.example.test", nonce="n", algorithm=SHA-256, qop="auth,auth-int", opaque="o\\"p"',
            b'Digest username="user", realm="sip.example.test", nonce="n", uri="sip:x@h", response="r", nc=1',
        ),
    ),
    Target(
        "body",
        readers.body,
        lambda wild: b"multipart/mixed;boundary=b\n--b\r\n" + wild.message() + b"\r\n--b--\r\n",
        (_MULTIPART,),
    ),
    Target("sdp", readers.sdp, Wild.sdp, (sdp("192.0.2.1"),)),
    Target(
        "twiml",
        readers.twiml,
        Wild.twiml,
        (
            b'<?xml version="1.0"?><Response><Dial timeout="5" callerId="+1415"><Number byoc="BY1"/></Dial>',
            b'<Response><Dial><Number statusCallbackEvent="answered">+1 (415)</Number></Dial><Say/></Response>',
            b'<Response><Dial><Sip username="u" password="p">sip:bob@gw.example.test?X-a=b</Sip></Dial></Response>',
            b'<Response><!-- c --><Redirect method="GET"><![CDATA[/next?a=b&c]]></Redirect></Response>',
        ),
    ),
    Target("door", talk.door, lambda wild: wild.message("INVITE"), (request("INVITE"),), torture=True),
    Target(
        "core",
        talk.core,
        lambda wild: _script(_in_dialog(wild.one_of(METHODS), 2), wild.message()),
        (
            _script(
                *(_in_dialog(method, number) for number, method in enumerate(("INFO", "INVITE", "ACK", "BYE"), 2))
            ),
            _script(_answer("asking", "183 x"), _answer("asking", "200 OK", body=OFFER), _in_dialog("UPDATE", 2)),
            _script(_answer("ours", "491 x", number=2), _answer("ours", "200 OK", number=2, body=OFFER)),
            _script(request("CANCEL", branch="z9hG4bKtwo", call_id="call-2"), _answer("asking", "302 x")),
            _script(request("INVITE", *_RELIABLE, call_id="call-3", branch="z9hG4bKthree", body=OFFER)),
            _script(
                _answer("asking", "183 x", "Require: 100rel", "RSeq: 7", body=OFFER), _answer("asking", "422 x")
            ),
            _script(_answer("asking", "200 x", "Session-Expires: 90;refresher=uac", "Require: timer", body=OFFER)),
        ),
        torture=True,
    ),
    Target(
        "node",
        talk.node,
        lambda wild: _script(b"<" + wild.message(), b">" + wild.message(wild.one_of(METHODS))),
        (
            _script(
                b">" + wire("SIP/2.0 180 R", "@@", _ALIVE), b">" + _ANSWERED, b"<" + wire("ACK sip:p SIP/2.0", "@@")
            ),
            _script(
                b">" + _ANSWERED,
                b">" + wire("INVITE sip:p SIP/2.0", "@@", _ALIVE),
                b"<" + wire("BYE sip:p SIP/2.0", "@@"),
            ),
            _script(
                b">" + wire("SIP/2.0 302 M", "@@", "Contact: <sip:c@198.51.100.2>"),
                b">" + wire("SIP/2.0 503 x", "@@"),
            ),
            _script(b"<Response><Dial><Sip>sip:bob@198.51.100.1?X-a=b</Sip></Dial></Response>", b">" + _ANSWERED),
            _script(b"<" + wire("CANCEL sip:p SIP/2.0", "@@"), b">" + wire("SIP/2.0 487 x", "@@")),
            _script(b">" + _ANSWERED, b">" + wire("REFER sip:p SIP/2.0", "@@", _ALIVE, "Refer-To: <sip:+1415@h>")),
            _script(b">" + wire("SIP/2.0 183 x", "@@", _ALIVE, "Require: 100rel", "RSeq: 1"), b">" + _ANSWERED),
        ),
    ),
)
TARGETS: Final = {target.name: target for target in _TARGETS}
