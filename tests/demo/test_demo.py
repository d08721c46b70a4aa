"""`byoc-proxy demo` as a newcomer runs it: a process of its own, real sockets on loopback, the real clock."""

import asyncio
import sys

import pytest

from byoc_proxy.demo import play

pytestmark = pytest.mark.wire

WALL = 40.0


async def run_demo() -> tuple[int | None, list[str]]:
    """The exit code and the lines of one run."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-m", "byoc_proxy", "demo",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), WALL)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, output.decode().splitlines()


def rungs(lines: list[str], left: int) -> list[str]:
    """What was said between lifeline `left` and the next, in order."""
    ladders = [line[15:].split("|") for line in lines if line[2:3] == "+"]
    return [" ".join(gap.strip("<>- ").split()) for gaps in ladders if (gap := gaps[left + 1]).strip()]


async def test_the_demo_shows_both_ladders_of_a_call_that_survives_a_silent_gateway() -> None:
    code, lines = await run_demo()
    text = "\n".join(lines)
    assert code == 0, text
    assert "FAILED" not in text
    assert "Traceback" not in text
    assert "ResourceWarning" not in text
    assert rungs(lines, 0) == [
        "INVITE +SDP", "407 INVITE", "ACK", "INVITE +SDP", "100 INVITE", "180 INVITE",
        "200 INVITE +SDP", "ACK", "BYE", "200 BYE",
    ]  # fmt: skip
    assert rungs(lines, 1)[:4] == ["INVITE +SDP", *["INVITE +SDP again"] * 3]  # the silent gateway
    answered = [
        "INVITE +SDP", "100 INVITE", "180 INVITE", "200 INVITE +SDP", "ACK", "BYE", "200 BYE"
    ]  # fmt: skip
    assert rungs(lines, 1)[4 : 4 + len(answered)] == answered
    assert rungs(lines, 1)[-4:] == ["CANCEL", "200 CANCEL", "487 INVITE", "ACK"]  # it woke up too late
    assert "no reply after 4." in text
    assert "status: completed" in text
    assert max(map(len, lines)) <= 100


async def test_a_demo_whose_call_does_not_go_through_says_what_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(play, "_DOCUMENT", '<Response><Reject reason="busy"/></Response>')
    assert await play.play() == 1
    text = capsys.readouterr().out
    assert "486 INVITE" in text
    assert "FAILED carrier A got 200 with carrier B's SDP" in text
    assert "ok     0 sessions and 0 tasks are left" in text
