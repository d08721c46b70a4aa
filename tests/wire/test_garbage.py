"""Whatever the Internet throws at an open port: the daemon raises nothing, and answers the next probe."""

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, configuration, daemon
from tests.support.peers import CallerSide, stream_peer, udp_peer
from tests.support.torture import INDEX

pytestmark = pytest.mark.wire

REJECT = "<Response><Reject/></Response>"
ROUNDS = 400
BATCH = 20  # after so many, the next probe must be answered


def mutated(message: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, cut out or said twice."""
    data = bytearray(message)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(data))
        match dice.randrange(4):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + dice.randint(1, 40)]
            case _:
                data[at:at] = dice.choice([b"\r\n", b"\x00", b";", b"<", b'"', b"\xff", b"%", b",", b"@"])
        if not data:
            return b"\r\n"
    return bytes(data)


def bombardment(seed: int) -> list[bytes]:
    """The same garbage on every run: torture messages as they are, mutations of them, and plain noise."""
    dice = random.Random(seed)
    samples = [message.data for message in INDEX]
    noise = [dice.randbytes(dice.randint(1, 1400)) for _ in range(ROUNDS // 8)]
    return samples + [mutated(dice.choice(samples), dice) for _ in range(ROUNDS)] + noise


async def _answers_probe(proxy: Daemon) -> None:
    async with udp_peer("127.0.0.4") as prober:
        prober.send(CallerSide(prober, proxy.udp).text("OPTIONS"), proxy.udp)
        await prober.hear("200 OPTIONS")


async def test_garbage_in_datagrams_neither_stops_the_daemon_nor_raises_anything_in_it(tmp_path: Path) -> None:
    document = configuration("sip:127.0.0.20:5060", voice_twiml=REJECT)
    async with daemon(tmp_path, document) as proxy, udp_peer() as attacker:
        for count, data in enumerate(bombardment(1)):
            attacker.send(data, proxy.udp)
            if count % BATCH == 0:
                await _answers_probe(proxy)  # and the batch before it has been read
        await _answers_probe(proxy)
        stray = [line for line in proxy.log if "exception" in line]
    assert stray == []


async def test_garbage_in_streams_neither_stops_the_daemon_nor_raises_anything_in_it(tmp_path: Path) -> None:
    document = configuration("sip:127.0.0.20:5060", voice_twiml=REJECT)

    async def attack(proxy: Daemon, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            async with stream_peer(proxy.tcp) as attacker:
                attacker.send(data)
                attacker.finish()
                await attacker.gone()

    async with daemon(tmp_path, document) as proxy:
        garbage = bombardment(2)
        for start in range(0, len(garbage), BATCH):
            await asyncio.gather(*(attack(proxy, data) for data in garbage[start : start + BATCH]))
            await _answers_probe(proxy)
        descriptors = len(proxy.descriptors())
    assert descriptors < 40, "connections that were closed are not let go"


async def test_garbage_with_a_control_character_in_its_via_is_refused_and_not_stumbled_over(tmp_path: Path) -> None:
    document = configuration("sip:127.0.0.20:5060", voice_twiml=REJECT)
    async with daemon(tmp_path, document) as proxy, udp_peer() as attacker:
        via = f'SIP/2.0/UDP {attacker.sent_by};rport;x="\x08"'
        attacker.send(CallerSide(attacker, proxy.udp).text("INVITE", "no header at all", via=via), proxy.udp)
        await attacker.hear("400 INVITE")
        await _answers_probe(proxy)
