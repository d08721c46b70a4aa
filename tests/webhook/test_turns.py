"""One slow host has its places and no more: who waits for one, who is not kept waiting, and that none is lost."""

import asyncio
from contextlib import suppress
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sim.virtual import VirtualLoop
from byoc_proxy.webhook.client import Webhooks
from byoc_proxy.webhook.session import WebSession
from byoc_proxy.webhook.transport import HttpRequest, HttpResponse
from byoc_proxy.webhook.turns import DOCUMENTS_PER_ORIGIN, NOTICES, NOTICES_PER_ORIGIN, FairTransport
from byoc_proxy.webhook.urls import WebhookError
from tests.support.customer import Customer


class Slow:
    """Each answer takes as many seconds as the path of its request says; `most` is how many there were at once."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.now = 0
        self.most = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.order.append(request.url)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(float(request.url.rpartition("/")[2]))
        finally:
            self.now -= 1
        return HttpResponse(200)


def request(seconds: float, host: str = "http://slow.example") -> HttpRequest:
    return HttpRequest("POST", f"{host}/{seconds}", {})


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_no_more_than_so_many_requests_are_under_way_to_one_origin() -> None:
    slow = Slow()
    fair = FairTransport(slow, 3)
    await asyncio.gather(*(fair.send(request(1)) for _ in range(10)))
    assert (slow.most, now()) == (3, 4.0)


async def test_those_who_wait_go_in_the_order_they_came() -> None:
    slow = Slow()
    fair = FairTransport(slow, 1)
    await asyncio.gather(*(fair.send(request(1 + number / 10)) for number in range(5)))
    assert slow.order == [request(1 + number / 10).url for number in range(5)]


@pytest.mark.parametrize("other", ["http://other.example", "https://slow.example", "http://slow.example:8080"])
async def test_another_host_scheme_or_port_has_places_of_its_own(other: str) -> None:
    slow = Slow()
    fair = FairTransport(slow, 1)
    waiting = [asyncio.ensure_future(fair.send(request(10))) for _ in range(100)]
    await asyncio.sleep(0)
    await fair.send(request(0.25, other))
    assert now() == 0.25
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(1, 60)), max_size=30))
def test_whoever_gives_up_and_when_no_place_is_lost(plan: list[tuple[int, int, int]]) -> None:
    """Each comes at a moment, takes so long, and gives up after so long."""

    async def one(fair: FairTransport, comes: int, takes: int, patience: int) -> None:
        await asyncio.sleep(comes)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await fair.send(request(takes))

    async def play() -> None:
        slow = Slow()
        fair = FairTransport(slow, 2)
        await asyncio.gather(*(one(fair, *each) for each in plan))
        assert (slow.now, slow.most <= 2, fair.busy) == (0, True, 0)
        await fair.send(request(1))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(play())


async def test_a_thousand_calls_to_a_host_that_never_answers_delay_no_call_to_another() -> None:
    """Each of the thousand gives up after its own fifteen seconds, whether it was sent or waited."""
    customer = Customer()
    customer.hangs("http://dead.example/voice")
    customer.answers("http://alive.example/voice", "<Response/>", delay=0.1)
    tokens = count()
    webhooks = Webhooks(customer, user_agent="test", new_token=lambda: str(next(tokens)))

    async def ask(host: str) -> float:
        began = now()
        with suppress(WebhookError):
            await webhooks.fetch(f"http://{host}/voice", "POST", [], WebSession("AC1", "CA1", "secret"))
        return now() - began

    async def later(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return await ask("alive.example")

    dead = asyncio.gather(*(ask("dead.example") for _ in range(1000)))
    alive = await asyncio.gather(*(later(tenths / 10) for tenths in range(100)))
    assert max(alive) == pytest.approx(0.1)
    assert len(customer.asked("/voice")) == 100 + DOCUMENTS_PER_ORIGIN
    assert set(await dead) == {15.0}


async def test_who_waited_in_vain_is_told_so() -> None:
    customer = Customer()
    customer.hangs("/voice")
    webhooks = Webhooks(customer, user_agent="test", new_token=lambda: "token", requests_per_host=1)

    async def failure() -> str:
        with pytest.raises(WebhookError) as caught:
            await webhooks.fetch("http://app.example/voice", "POST", [], WebSession("AC1", "CA1", "secret"))
        assert caught.value.code == 11203
        return caught.value.text

    assert list(await asyncio.gather(failure(), failure())) == [
        "no answer within 15 s",
        "no answer within 15 s; it waited for its turn: 1 requests to http://app.example were under way",
    ]


async def test_status_callbacks_take_no_place_of_a_document_that_a_call_waits_for() -> None:
    customer = Customer()
    customer.hangs("/status")
    customer.answers("/voice", "<Response/>")
    webhooks = Webhooks(customer, user_agent="test", new_token=lambda: "token")
    session = WebSession("AC1", "CA1", "secret")
    url = "http://app.example"
    told = [asyncio.ensure_future(webhooks.notify(f"{url}/status", "POST", [], session, "t")) for _ in range(1000)]
    await asyncio.sleep(1)
    await webhooks.fetch(f"{url}/voice", "POST", [], session)
    assert (now(), len(customer.asked("/status"))) == (1.0, NOTICES_PER_ORIGIN)
    for each in told:
        each.cancel()
    await asyncio.gather(*told, return_exceptions=True)


async def test_status_callbacks_of_many_hosts_have_a_bound_in_all_and_documents_have_none() -> None:
    customer = Customer()
    customer.hangs("/status")
    customer.answers("/voice", "<Response/>")
    webhooks = Webhooks(customer, user_agent="test", new_token=lambda: "token")
    session = WebSession("AC1", "CA1", "secret")
    hosts = [f"http://app{number}.example" for number in range(NOTICES + 100)]
    told = [asyncio.ensure_future(webhooks.notify(f"{host}/status", "POST", [], session, "t")) for host in hosts]
    await asyncio.sleep(1)
    assert len(customer.asked("/status")) == NOTICES
    await webhooks.fetch(f"{hosts[-1]}/voice", "POST", [], session)
    assert now() == 1.0
    for each in told:
        each.cancel()
    await asyncio.gather(*told, return_exceptions=True)
