"""The endpoint between a core and wires in memory, on virtual time: what goes where, and when the timer fires."""

import asyncio

import pytest

from byoc_proxy.net.endpoint import Endpoint
from byoc_proxy.net.wire import Unreachable
from byoc_proxy.sip.core import UserAgentCore
from byoc_proxy.sip.flow import Flow, TlsTerms
from byoc_proxy.sip.locate import Hop
from byoc_proxy.sip.message import Request
from byoc_proxy.sip.outputs import Dropped, Event, Invited, Over, Refused
from byoc_proxy.sip.parser import parse_datagram
from tests.support.wires import accept_all, outgoing, request, response, tokens

GATEWAY = ("127.0.0.20", 5060)


class MemoryWire:
    """A wire that keeps what is sent, and when."""

    def __init__(self, local: tuple[str, int] = ("127.0.0.10", 5060), transport: str = "UDP") -> None:
        self.transport = transport
        self.local = local
        self.sent_by = f"{local[0]}:{local[1]}"
        self.sent: list[tuple[float, bytes, Flow]] = []
        self.is_open = True

    def send(self, data: bytes, flow: Flow) -> None:
        self.sent.append((asyncio.get_running_loop().time(), data, flow))

    async def reach(self, hop: Hop, terms: TlsTerms | None = None) -> Flow:
        if hop.port == 1:
            raise Unreachable("refused")
        return Flow(self.transport, self.local, (hop.address, hop.port), self.sent_by)

    async def close(self) -> None:
        self.is_open = False

    @property
    def kinds(self) -> list[str]:
        return [data.split(b" ", 2)[0 if not data.startswith(b"SIP") else 1].decode() for _, data, _ in self.sent]


def made(*wires: MemoryWire) -> tuple[Endpoint, list[Dropped]]:
    dropped: list[Dropped] = []
    endpoint = Endpoint(UserAgentCore(tokens("t"), accept_all), dropped.append)
    for wire in wires:
        endpoint.add(wire)
    return endpoint, dropped


def flow_of(wire: MemoryWire, remote: tuple[str, int] = GATEWAY) -> Flow:
    return Flow(wire.transport, wire.local, remote, wire.sent_by)


async def test_retransmissions_leave_at_their_times_without_anybody_else_stirring() -> None:
    wire = MemoryWire()
    endpoint, _ = made(wire)
    endpoint.invite(outgoing(), flow_of(wire))
    endpoint.flush()
    await asyncio.sleep(4.0)
    assert [at for at, _, _ in wire.sent] == [0.0, 0.5, 1.5, 3.5]
    await endpoint.close()


async def test_nothing_is_armed_once_nothing_is_due_and_nothing_fires_after_close() -> None:
    wire = MemoryWire()
    endpoint, _ = made(wire)
    session = endpoint.invite(outgoing(), flow_of(wire))
    heard: list[Event] = []
    session.listener = heard.append
    endpoint.flush()
    await asyncio.sleep(40.0)
    assert endpoint.core.deadline is None
    assert [type(event) for event in heard] == [Refused, Over]
    endpoint.invite(outgoing(), flow_of(wire))
    endpoint.flush()
    await endpoint.close()
    before = len(wire.sent)
    await asyncio.sleep(10.0)
    assert len(wire.sent) == before
    assert not wire.is_open


async def test_an_earlier_deadline_moves_the_timer_forward() -> None:
    wire = MemoryWire()
    endpoint, _ = made(wire)
    endpoint.invite(outgoing(), flow_of(wire))
    endpoint.flush()
    await asyncio.sleep(1.6)  # the next repetition is due at 3.5
    endpoint.invite(outgoing(), flow_of(wire))
    endpoint.flush()
    await asyncio.sleep(1.0)
    assert [round(at, 1) for at, _, _ in wire.sent] == [0.0, 0.5, 1.5, 1.6, 2.1]
    await endpoint.close()


async def test_a_verb_that_a_listener_says_while_it_is_told_something_is_carried_out_in_order() -> None:
    wire = MemoryWire()
    endpoint, _ = made(wire)
    told: list[str] = []

    def invited(event: Invited) -> None:
        told.append("invited")
        event.session.listener = lambda later: told.append(type(later).__name__)
        event.session.hang_up(endpoint.now)
        endpoint.flush()  # inside the endpoint's own loop
        told.append("hung up")

    endpoint.on_invited = invited
    endpoint.received(request("INVITE", uri="sip:bob@127.0.0.10"), flow_of(wire))
    endpoint.flush()
    assert told == ["invited", "hung up", "Ended", "Over"]
    assert wire.kinds == ["100", "480"]
    await endpoint.close()


async def test_a_message_that_means_nothing_is_told_with_its_reason() -> None:
    wire = MemoryWire()
    endpoint, dropped = made(wire)
    endpoint.received(b"\x00\x01\x02 nonsense", flow_of(wire))
    endpoint.flush()
    assert len(dropped) == 1
    assert dropped[0].flow.remote == GATEWAY
    assert wire.sent == []


async def test_a_hop_is_reached_by_a_listener_of_its_transport_and_family() -> None:
    udp, tcp, six = MemoryWire(), MemoryWire(transport="TCP"), MemoryWire(("::1", 5060))
    endpoint, _ = made(udp, tcp, six)
    assert (await endpoint.reach(Hop("TCP", "127.0.0.20", 5060, "gw"))).transport == "TCP"
    assert (await endpoint.reach(Hop("UDP", "::1", 5070, "gw"))).local == ("::1", 5060)
    with pytest.raises(Unreachable, match="no TLS listener can reach"):
        await endpoint.reach(Hop("TLS", "127.0.0.20", 5061, "gw"))
    with pytest.raises(Unreachable, match="no TCP listener can reach ::1"):
        await endpoint.reach(Hop("TCP", "::1", 5060, "gw"))
    with pytest.raises(Unreachable, match="refused"):
        await endpoint.reach(Hop("UDP", "127.0.0.20", 1, "gw"))


async def test_the_answer_leaves_by_the_listener_that_heard_the_question() -> None:
    first, second = MemoryWire(), MemoryWire(("127.0.0.11", 5060))
    endpoint, _ = made(first, second)
    endpoint.received(request("OPTIONS"), flow_of(second, ("127.0.0.2", 5060)))
    endpoint.flush()
    assert (first.kinds, second.kinds) == ([], ["200"])


async def test_a_call_to_ourselves_is_recognised_by_the_bound_and_by_the_advertised_address() -> None:
    wire = MemoryWire(("10.0.0.5", 5060))
    wire.sent_by = "203.0.113.5:5080"
    endpoint, _ = made(wire)
    assert endpoint.is_own(Hop("UDP", "10.0.0.5", 5060, "x"))
    assert endpoint.is_own(Hop("UDP", "203.0.113.5", 5080, "x"))
    assert not endpoint.is_own(Hop("TCP", "10.0.0.5", 5060, "x"))
    assert not endpoint.is_own(Hop("UDP", "10.0.0.5", 5061, "x"))


async def test_a_call_to_ourselves_is_recognised_on_ipv6() -> None:
    wire = MemoryWire(("fd00::5", 5060))
    wire.sent_by = "[2001:db8::5]:5080"
    endpoint, _ = made(wire)
    assert endpoint.is_own(Hop("UDP", "fd00::5", 5060, "x"))
    assert endpoint.is_own(Hop("UDP", "2001:db8::5", 5080, "x"))


async def test_an_icmp_error_ends_the_attempt_whose_datagram_it_was_and_no_other() -> None:
    wire = MemoryWire()
    endpoint, _ = made(wire)
    heard: list[Event] = []
    for _ in range(2):
        endpoint.invite(outgoing(), flow_of(wire)).listener = heard.append
    endpoint.flush()
    endpoint.undeliverable(wire.sent[1][1], "ICMP: Connection refused")
    endpoint.flush()
    assert [type(event) for event in heard] == [Refused, Over]
    assert isinstance(heard[0], Refused)
    assert heard[0].cause == "ICMP: Connection refused"
    await endpoint.close()


# --- questions outside of any dialog -----------------------------------------------------------------------


async def asked(endpoint: Endpoint, wire: MemoryWire) -> tuple["asyncio.Task[int]", Request]:
    """Somebody waits for the answer to an OPTIONS; the request as it left."""

    async def status() -> int:
        return (await endpoint.ask("OPTIONS", outgoing(), flow_of(wire))).status

    task = asyncio.get_running_loop().create_task(status())
    await asyncio.sleep(0)
    sent = parse_datagram(wire.sent[-1][1])
    assert isinstance(sent, Request)
    return task, sent


async def test_a_question_is_answered_by_the_first_final_response() -> None:
    wire = MemoryWire()
    endpoint, _ = made(wire)
    waiting, question = await asked(endpoint, wire)
    assert (question.method, question.cseq, question.to_tag) == ("OPTIONS", (1, "OPTIONS"), "")
    for status in (100, 404, 404):
        endpoint.received(response(question, status), flow_of(wire))
        endpoint.flush()
    assert await waiting == 404
    await asyncio.sleep(6.0)
    assert (wire.kinds, endpoint.core.transactions) == (["OPTIONS"], {})


async def test_whoever_stops_waiting_for_an_answer_stops_the_question() -> None:
    wire = MemoryWire()
    endpoint, dropped = made(wire)
    waiting, question = await asked(endpoint, wire)
    await asyncio.sleep(4.0)
    waiting.cancel()
    await asyncio.sleep(20.0)
    assert [at for at, _, _ in wire.sent] == [0.0, 0.5, 1.5, 3.5]
    endpoint.received(response(question, 200), flow_of(wire))
    endpoint.flush()
    assert [each.reason for each in dropped] == ["stray response 200"]
    await endpoint.close()


async def test_an_icmp_error_ends_the_wait_for_an_answer_at_once() -> None:
    wire = MemoryWire()
    endpoint, _ = made(wire)
    waiting, _ = await asked(endpoint, wire)
    endpoint.undeliverable(wire.sent[0][1], "ICMP: Connection refused")
    with pytest.raises(Unreachable, match="ICMP"):
        await waiting
    assert (endpoint.now, endpoint.core.transactions) == (0.0, {})


async def test_a_connection_that_closes_ends_the_wait_for_an_answer() -> None:
    wire = MemoryWire(transport="TCP")
    endpoint, _ = made(wire)
    waiting, _ = await asked(endpoint, wire)
    endpoint.closed(flow_of(wire))
    endpoint.flush()
    with pytest.raises(Unreachable, match="connection lost"):
        await waiting
