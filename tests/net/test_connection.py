"""The clocks of a stream on virtual time: what is slow, silent or idle ends when it should, nothing else does."""

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from byoc_proxy.net.connection import MAX_UNSENT, NEWCOMER, Connection
from byoc_proxy.net.lobby import StreamLimits
from byoc_proxy.sip.flow import Flow
from byoc_proxy.sip.message import Message
from byoc_proxy.sip.parser import ParseError
from tests.support.wires import request

if TYPE_CHECKING:
    from byoc_proxy.net.stream import StreamListener

OPTIONS = request("OPTIONS")
NUMBER = 7


class Pipe(asyncio.Transport):
    """The transport below a connection: what was written, and when it ended."""

    def __init__(self, connection: Connection) -> None:
        super().__init__({"sockname": ("192.0.2.1", 5060), "peername": None})
        self.written = b""
        self.unread = 0
        self.ended: list[tuple[str, float]] = []
        self._connection = connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def close(self) -> None:
        self._end("closed")

    def abort(self) -> None:
        self._end("aborted")

    def _end(self, how: str) -> None:
        self.ended.append((how, asyncio.get_running_loop().time()))


class Desk:
    """What a connection needs of its listener and of the endpoint, in one."""

    transport = "TCP"
    sent_by = "192.0.2.1:5060"
    limits = StreamLimits()

    def __init__(self) -> None:
        self.receiver = self
        self.messages: list[Message] = []
        self.garbage: list[str] = []
        self.turned: list[str] = []
        self.in_use: set[int] = set()
        self.live: set[int] = set()
        self.connection = Connection(cast("StreamListener", self), NUMBER, ("203.0.113.8", 40000))
        self.pipe = Pipe(self.connection)
        self.connection.connection_made(self.pipe)

    def opened(self, connection: Connection) -> None:
        self.live.add(connection.number)

    def leaves(self, connection: Connection) -> None:
        self.live.discard(connection.number)

    def is_leaving(self, connection: Connection) -> bool:
        return connection.number not in self.live

    def delivered(self, message: Message, flow: Flow) -> None:
        self.messages.append(message)

    def garbled(self, error: ParseError, flow: Flow) -> None:
        self.garbage.append(error.reason)

    def turned_away(self, cause: str, flow: Flow) -> None:
        self.turned.append(cause)

    def busy(self) -> set[int]:
        return self.in_use

    def flush(self) -> None:
        """Nothing waits here."""

    async def hears(self, data: bytes, at: float) -> None:
        """Bytes that come at a moment."""
        await asyncio.sleep(at - asyncio.get_running_loop().time())
        self.connection.data_received(data)

    async def until(self, at: float) -> list[tuple[str, float]]:
        await asyncio.sleep(at - asyncio.get_running_loop().time())
        return self.pipe.ended


async def test_a_message_must_be_whole_ten_seconds_after_its_first_byte_however_it_drips() -> None:
    desk = Desk()
    await desk.hears(OPTIONS, 1.0)
    for drop, at in enumerate((3.0, 6.0, 9.0, 12.0)):
        await desk.hears(OPTIONS[drop : drop + 1], at)
    assert await desk.until(100.0) == [("aborted", 13.0)]
    assert desk.turned == ["a message was not whole 10 s after its first byte"]


async def test_each_message_has_its_own_ten_seconds() -> None:
    desk = Desk()
    await desk.hears(OPTIONS[:50], 0.0)
    await desk.hears(OPTIONS[50:] + OPTIONS[:50], 9.0)
    await desk.hears(OPTIONS[50:], 18.0)
    assert len(desk.messages) == 2
    assert await desk.until(40.0) == []


async def test_a_body_that_never_comes_is_an_incomplete_message() -> None:
    desk = Desk()
    await desk.hears(OPTIONS.replace(b"Content-Length: 0", b"Content-Length: 500"), 1.0)
    assert await desk.until(20.0) == [("aborted", 11.0)]


async def test_half_a_keep_alive_is_no_message_that_has_begun() -> None:
    desk = Desk()
    await desk.hears(OPTIONS, 0.0)
    await desk.hears(b"\r\n", 1.0)
    assert await desk.until(500.0) == []


async def test_a_newcomer_that_says_nothing_is_gone_after_thirty_two_seconds() -> None:
    assert await Desk().until(100.0) == [("aborted", NEWCOMER)]


@pytest.mark.parametrize("word", [OPTIONS, b"\r\n\r\n"], ids=["a message", "a keep-alive"])
async def test_who_has_spoken_may_be_quiet_for_ten_minutes(word: bytes) -> None:
    desk = Desk()
    await desk.hears(word, 5.0)
    assert await desk.until(604.0) == []
    assert await desk.until(700.0) == [("aborted", 605.0)]
    assert desk.turned == ["idle for 600 s"]


async def test_keep_alives_keep_a_connection() -> None:
    desk = Desk()
    for minute in range(60):
        await desk.hears(b"\r\n\r\n", 60.0 * minute)
    assert desk.pipe.written == b"\r\n" * 60  # RFC 5626 §4.4.1
    assert desk.pipe.ended == []


async def test_a_connection_that_a_dialog_lives_on_is_not_cut_however_long_it_is_quiet() -> None:
    desk = Desk()
    desk.in_use = {NUMBER}
    await desk.hears(OPTIONS, 0.0)
    assert await desk.until(7200.0) == []
    desk.in_use = set()  # the call is over
    assert [how for how, _ in await desk.until(7200.0 + 601.0)] == ["aborted"]


async def test_pings_without_end_from_a_peer_that_does_not_read_are_not_kept() -> None:
    desk = Desk()
    desk.pipe.unread = MAX_UNSENT + 1
    await desk.hears(b"\r\n\r\n" * 1000, 0.0)
    assert desk.pipe.ended == [("aborted", 0.0)]
    assert desk.pipe.written == b""


async def test_after_garbage_nothing_more_is_read_and_a_peer_that_does_not_read_holds_nothing_up() -> None:
    desk = Desk()
    await desk.hears(b"nonsense\r\n\r\n" + OPTIONS, 1.0)
    await desk.hears(OPTIONS, 2.0)
    assert desk.messages == []
    assert await desk.until(20.0) == [("closed", 1.0), ("aborted", 11.0)]
