"""Two telephones of somebody else's making, brought together by a call that the API makes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_daemon import AUTH_TOKEN, MAIN, api_daemon
from tests.support.baresip import Baresip, baresip
from tests.support.daemon import until
from tests.support.sdk_story import here_client
from tests.wire.test_made_calls import quick

pytestmark = pytest.mark.wire

WAIT = '<Response><Pause length="30"/></Response>'


@dataclass(frozen=True, slots=True)
class Pair:
    """Alice, who was called, and Bob, whom her call has dialled; both are up."""

    alice: Baresip
    bob: Baresip
    client: Any
    sid: str

    def children(self) -> Any:
        """The legs that the call has dialled, as soon as the database knows them."""
        return self.client.calls.list(parent_call_sid=self.sid) or None

    @property
    def status(self) -> str:
        """What the API tells of the call; it may be a moment behind."""
        return str(self.client.calls(self.sid).fetch().status)

    async def change(self, sid: str, **options: Any) -> None:
        await asyncio.to_thread(self.client.calls(sid).update, **options)


@contextlib.asynccontextmanager
async def pair(directory: Path) -> AsyncIterator[Pair]:
    async with (
        baresip(directory / "alice", user="alice") as alice,
        baresip(directory / "bob", host="127.0.0.42", user="bob") as bob,
        api_daemon(directory, quick()) as api,
    ):
        client = here_client(api.base, MAIN, AUTH_TOKEN)
        twiml = f"<Response><Dial><Sip>sip:bob@{bob.place}</Sip></Dial>{WAIT[10:]}"
        made = {"to": f"sip:alice@{alice.place}", "from_": "+14155551212", "twiml": twiml}
        try:
            call = await asyncio.to_thread(lambda: client.calls.create(**made))
            await alice.has("CALL_ESTABLISHED")
            await bob.has("CALL_ESTABLISHED")
            yield Pair(alice, bob, client, call.sid)
        finally:
            client.http_client.session.close()


def bodies(phone: Baresip, method: str) -> list[str]:
    """What the requests of a method describe, as the telephone has got them."""
    heads = (each.text.replace("\r", "") for each in phone.received if each.start.startswith(method))
    return [head.partition("\n\n")[2].strip() for head in heads]


async def asked(phone: Baresip, method: str, count: int) -> list[str]:
    """The same, as soon as there are so many."""

    def enough() -> list[str] | None:
        found = bodies(phone, method)
        return found if len(found) >= count else None

    return await until(enough, 5, lambda: phone.trace)


def audio(body: str) -> str:
    """The m= line of the audio."""
    return next(line for line in body.splitlines() if line.startswith("m=audio"))


async def test_each_telephone_gets_the_description_of_the_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as scene:
        held, joined = await asked(scene.alice, "INVITE", 2)
        assert "a=inactive" in held
        assert bodies(scene.bob, "INVITE") == [""]
        (answer,) = await asked(scene.bob, "ACK", 1)
        assert scene.bob.address[0] in joined
        assert scene.alice.address[0] in answer
        assert "9" not in (audio(joined).split()[1], audio(answer).split()[1])
        await scene.bob.does("hangup")
        await scene.bob.has("CALL_CLOSED")
        await asyncio.sleep(0.5)
        assert scene.status == "in-progress"  # her script goes on
        await scene.change(scene.sid, status="completed")
        await scene.alice.has("CALL_CLOSED")


async def test_a_telephone_holds_and_resumes_the_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as scene:
        await asked(scene.bob, "ACK", 1)
        await scene.alice.does("hold")
        assert "a=sendonly" in (await asked(scene.bob, "INVITE", 2))[1]
        await asked(scene.bob, "ACK", 2)
        await scene.alice.does("resume")
        assert "a=sendrecv" in (await asked(scene.bob, "INVITE", 3))[2]
        await scene.alice.does("hangup")
        await scene.bob.has("CALL_CLOSED")


async def test_a_redirected_leg_is_on_its_own_and_hears_the_other_no_more(tmp_path: Path) -> None:
    async with pair(tmp_path) as scene:
        await asked(scene.bob, "ACK", 1)
        child = (await until(scene.children, 5, lambda: scene.alice.trace))[0]
        await scene.change(child.sid, twiml=WAIT)
        assert "a=inactive" in (await asked(scene.alice, "INVITE", 3))[2]
        assert "a=inactive" in (await asked(scene.bob, "INVITE", 2))[1]
        await scene.alice.does("hangup")
        await scene.alice.has("CALL_CLOSED")
        await scene.change(child.sid, status="completed")
        await scene.bob.has("CALL_CLOSED")
