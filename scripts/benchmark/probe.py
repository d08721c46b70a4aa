"""Latency as a carrier sees it: one call at a time, every arrival stamped by the kernel (SO_TIMESTAMPNS, Linux).

SIPp counts whole milliseconds; half a millisecond is what is to be told apart here. Prints one JSON object with the
milliseconds from the (authenticated) INVITE to 100, 180 and 200 of every call, and the calls that failed.
"""

import argparse
import json
import re
import socket
import struct
import sys
import time
from dataclasses import dataclass

from byoc_proxy.sip.digest_client import answer

from .places import DOMAIN, NUMBER, PASSWORD, USER, address

SO_TIMESTAMPNS = 35  # Linux; Python does not name it
REPLY_TIMEOUT = 2.0
STATUSES = ("100", "180", "200")
URI = f"sip:{NUMBER}@{DOMAIN}"
SDP = (
    "v=0\r\no=probe 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class CallFailed(Exception):
    """Silence, or a final response that is neither 200 nor a challenge."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: str
    text: str
    at: int  # nanoseconds, the kernel's stamp

    def header(self, name: str) -> list[str]:
        return re.findall(rf"(?im)^{name}:[ \t]*(.*?)\r$", self.text)


class Probe:
    """A caller with one socket; `place_call` answers with nanoseconds to each status, or raises CallFailed."""

    def __init__(self, local: str, target: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.settimeout(REPLY_TIMEOUT)
        self._socket.bind((local, 0))
        self._socket.connect(target)
        self._here = f"{local}:{self._socket.getsockname()[1]}"
        self._calls = 0

    def place_call(self) -> dict[str, int]:
        self._calls += 1
        call_id = f"probe-{self._calls}-{time.time_ns()}"
        sent, reply, seen = self._invite(call_id, 1, "")
        cseq = 1
        if reply.status == "407":
            self._acknowledge(call_id, 1, URI, reply)
            credentials = answer(reply.header("Proxy-Authenticate"), "INVITE", URI, USER, PASSWORD, "0a4f113b")
            cseq = 2
            sent, reply, seen = self._invite(call_id, cseq, f"Proxy-Authorization: {credentials}\r\n")
        if reply.status != "200":
            self._acknowledge(call_id, cseq, URI, reply)
            raise CallFailed(reply.status)
        self._hang_up(call_id, cseq, reply)
        return {status: at - sent for status, at in seen.items()}

    def _invite(self, call_id: str, cseq: int, extra: str) -> tuple[int, Reply, dict[str, int]]:
        """Send an INVITE; its time, its final response, and the arrival of every status before."""
        data = self._request(
            "INVITE", URI, call_id, cseq, f"<{URI}>", f"{extra}Content-Type: application/sdp\r\n", SDP
        )
        sent = time.time_ns()
        self._socket.send(data)
        seen: dict[str, int] = {}
        while True:
            reply = self._reply(call_id, f"{cseq} INVITE")
            seen.setdefault(reply.status, reply.at)
            if reply.status >= "200":
                return sent, reply, seen

    def _acknowledge(self, call_id: str, cseq: int, uri: str, reply: Reply, routes: str = "") -> None:
        self._socket.send(self._request("ACK", uri, call_id, cseq, reply.header("To")[0], routes))

    def _hang_up(self, call_id: str, cseq: int, reply: Reply) -> None:
        """ACK and BYE to the Contact through the route set (RFC 3261 §12.1.2: Record-Route, last one first)."""
        contact = reply.header("Contact")[0]
        inside = re.search(r"<([^>]+)>", contact)
        routes = "".join(f"Route: {route}\r\n" for route in reversed(reply.header("Record-Route")))
        uri = inside[1] if inside else contact
        self._acknowledge(call_id, cseq, uri, reply, routes)
        self._socket.send(self._request("BYE", uri, call_id, cseq + 1, reply.header("To")[0], routes))
        self._reply(call_id, f"{cseq + 1} BYE")

    def _request(
        self, method: str, uri: str, call_id: str, cseq: int, to: str, extra: str = "", body: str = ""
    ) -> bytes:
        # An ACK of a refusal has the branch of its INVITE (RFC 3261 §17.1.1.3); that of a 200 goes to another hop.
        branch = f"z9hG4bK{call_id}-{cseq}{'x' if extra.startswith('Route') else ''}"
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self._here};rport;branch={branch}\r\n"
            f"From: <sip:+15550178@{self._here}>;tag=probe\r\nTo: {to}\r\nCall-ID: {call_id}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:+15550178@{self._here}>\r\nMax-Forwards: 70\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _reply(self, call_id: str, cseq: str) -> Reply:
        """The next response to this request; anything else on the socket is passed over."""
        while True:
            try:
                data, ancillary, _flags, _peer = self._socket.recvmsg(8192, 256)
            except TimeoutError as error:
                raise CallFailed("no reply") from error
            reply = Reply(data[8:11].decode(), data.decode(), _stamp(ancillary))
            if reply.header("Call-ID") == [call_id] and reply.header("CSeq") == [cseq]:
                return reply


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return int(seconds) * 10**9 + int(nanoseconds)
    return time.time_ns()


def measure(probe: Probe, rate: float, seconds: float) -> dict[str, list[float] | list[str]]:
    """Call at `rate` per second for `seconds`; milliseconds by status, and the reasons of failed calls."""
    milliseconds: dict[str, list[float]] = {status: [] for status in STATUSES}
    failures: list[str] = []
    began = time.monotonic()
    for n in range(int(rate * seconds)):
        time.sleep(max(0.0, began + n / rate - time.monotonic()))
        try:
            times = probe.place_call()
        except CallFailed as failure:
            failures.append(str(failure))
            continue
        for status in STATUSES:
            if status in times:
                milliseconds[status].append(times[status] / 1e6)
    return {**milliseconds, "failures": failures}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("local")
    parser.add_argument("target", type=address)
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(measure(Probe(asked.local, asked.target), asked.rate, asked.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
