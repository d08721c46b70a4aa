"""The virtual loop itself, and the guard that keeps tests off the network."""

import asyncio
import socket
import threading
import time

import pytest

from byoc_proxy.sim.virtual import Stuck, VirtualLoop


async def test_every_test_starts_at_time_zero() -> None:
    assert asyncio.get_running_loop().time() == 0.0


async def test_an_invite_timeline_is_exact_to_the_last_bit() -> None:
    loop = asyncio.get_running_loop()
    line = [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0]
    fired: list[float] = []
    for at in line:
        loop.call_at(at, lambda: fired.append(loop.time()))
    await asyncio.sleep(33)
    assert fired == line


async def test_two_times_one_float_step_apart_do_not_fire_together() -> None:
    loop = asyncio.get_running_loop()
    line = [0.3, 0.1 + 0.2]
    fired: list[float] = []
    for at in line:
        loop.call_at(at, lambda: fired.append(loop.time()))
    await asyncio.sleep(1)
    assert fired == line
    assert line[0] != line[1]


async def test_an_hour_passes_in_no_time() -> None:
    started = time.monotonic()
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() == 3600.0
    assert time.monotonic() - started < 5


async def test_a_timeout_ends_a_wait_at_its_very_second() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(4.0):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() == 4.0


async def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    loop = asyncio.get_running_loop()
    loop.call_at(10.0, lambda: None).cancel()
    await asyncio.sleep(20)
    seen = loop.time()
    loop.call_at(21.0, lambda: None).cancel()
    await asyncio.sleep(0)
    assert (seen, loop.time()) == (20.0, 20.0)


async def test_work_that_is_ready_runs_before_the_clock_moves() -> None:
    loop = asyncio.get_running_loop()
    order: list[tuple[str, float]] = []

    async def busy() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            order.append(("busy", loop.time()))

    loop.call_later(1.0, lambda: order.append(("timer", loop.time())))
    await asyncio.gather(busy(), asyncio.sleep(2))
    assert order == [("busy", 0.0), ("busy", 0.0), ("busy", 0.0), ("timer", 1.0)]


def test_a_deadlock_is_reported_with_the_tasks_that_wait() -> None:
    async def waits_for_ever() -> None:
        asyncio.current_task().set_name("caller's leg")  # type: ignore[union-attr]
        await asyncio.Event().wait()

    with (
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
        pytest.raises(Stuck, match=r"every task waits and no timer is set: caller's leg"),
    ):
        runner.run(waits_for_ever())


def test_a_timer_at_infinity_is_no_timer() -> None:
    with (
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
        pytest.raises(Stuck, match="no timer is set"),
    ):
        runner.run(asyncio.sleep(float("inf")))


async def test_a_wake_up_from_a_thread_is_heard_before_the_clock_moves() -> None:
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[float] = loop.create_future()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(lambda: woken.set_result(loop.time())))
    thread.start()
    thread.join()
    loop.call_later(5.0, lambda: None)
    assert await woken == 0.0


async def test_work_for_a_thread_is_done_at_once_and_time_stands_still() -> None:
    def fails() -> None:
        raise OSError("no such name")

    assert await asyncio.to_thread(lambda: threading.current_thread()) is threading.main_thread()
    with pytest.raises(OSError, match="no such name"):
        await asyncio.to_thread(fails)
    assert asyncio.get_running_loop().time() == 0.0


@pytest.mark.wire
async def test_a_wire_test_has_the_real_clock() -> None:
    loop = asyncio.get_running_loop()
    assert not isinstance(loop, VirtualLoop)
    assert abs(loop.time() - time.monotonic()) < 5


@pytest.mark.wire
def test_a_wire_test_may_open_a_loopback_socket() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        assert sock.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_any_other_test_that_opens_an_internet_socket_fails(family: int, offline: list[str]) -> None:
    with pytest.raises(AssertionError, match="not marked `wire`"):
        socket.socket(family, socket.SOCK_DGRAM)
    assert len(offline) == 1
    offline.clear()


async def test_even_a_connection_made_by_asyncio_is_refused(offline: list[str]) -> None:
    with pytest.raises(AssertionError, match="not marked `wire`"):
        await asyncio.open_connection("127.0.0.1", 9)
    assert len(offline) == 1
    offline.clear()


def test_a_pair_of_unix_sockets_is_not_the_network() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.send(b"ping")
        assert right.recv(4) == b"ping"
