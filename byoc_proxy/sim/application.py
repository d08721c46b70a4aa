"""A simulated customer's application: another script for every call, slow, failing or nonsense at times."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from byoc_proxy.sim.subscriber import STATUS
from byoc_proxy.webhook.transport import ConnectRefused, HttpRequest, HttpResponse, ProtocolViolated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from byoc_proxy.webhook.transport import Transport

_DIGITS: Final = re.compile(r"\d+")
_NAMED: Final = re.compile(r"sip:\+(\d+)@([\d.]+)")
_PLACE: Final = "{place}"  # of the call among those of its number
_LENGTH: Final = 9  # digits of a dialled number
_TELLING: Final = f'statusCallback="{STATUS}" statusCallbackEvent="initiated ringing answered completed"'
_NOWHERE: Final = "<Response><Reject/></Response>"


@dataclass(frozen=True, slots=True)
class Script:
    """What a call hears at `/voice`, at `/next` after a `<Dial>` with an action, at `/refer` after a REFER."""

    first: str
    after: str = _NOWHERE
    referred: str = _NOWHERE
    delay: float = 0.0
    fault: str = ""  # refused, closed, 500, nonsense, never


class Application:
    """A `Transport`. `scripts` are by dialled number, without its plus; `subscriber` takes status callbacks.

    Two calls may come of one number: the numbers that a call dials hold its place among them, so that no two hunts
    of a world share one. `named` are the addresses that a script names itself, by number.
    """

    def __init__(self, scripts: Mapping[str, Script], subscriber: Transport) -> None:
        self.named: dict[str, str] = {}
        self._scripts = scripts
        self._subscriber = subscriber
        self._places: dict[str, dict[str, int]] = {}

    async def send(self, request: HttpRequest) -> HttpResponse:
        if request.url == STATUS:
            return await self._subscriber.send(request)
        fields = parse_qs((request.body or b"").decode())
        found = _DIGITS.search(fields.get("To", [""])[0])
        number = dialled(found[0]) if found else ""
        script = self._scripts.get(number, Script(_NOWHERE))
        place = urlsplit(request.url)
        if script.delay:
            await asyncio.sleep(script.delay)
        if script.fault and place.netloc.startswith("app."):
            return await _fail(script.fault)
        body = {"/next": script.after, "/refer": script.referred}.get(place.path, script.first)
        places = self._places.setdefault(number, {})
        body = body.replace(_PLACE, f"{places.setdefault(fields['CallSid'][0], len(places)):02d}")
        self.hears_of(body)
        return HttpResponse(200, body.encode(), "text/xml")

    def hears_of(self, script: str) -> None:
        """Somebody runs this script."""
        self.named.update(_NAMED.findall(script))


def dialled(hunt: str) -> str:
    """The number whose call hunts for this one."""
    return hunt[:_LENGTH]


async def _fail(fault: str) -> HttpResponse:
    match fault:
        case "refused":
            raise ConnectRefused("the port is closed")
        case "closed":
            raise ProtocolViolated("the answer broke off")
        case "500":
            return HttpResponse(500, b"Oops", "text/html")
        case "nonsense":
            return HttpResponse(200, b"<Response><Dial", "text/xml")
        case _:
            never: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
            return await never  # ends when the one who asked gives up


def draw_script(chance: Random, number: str) -> Script:
    """The script of the call to `number`; the numbers that it dials begin with that one."""
    more = ' action="/next"' if chance.random() < 0.2 else ""
    if chance.random() < 0.3:
        more += ' referUrl="/refer"'
    first = draw_dial(chance, f"{number}{_PLACE}1", more)
    after = draw_dial(chance, f"{number}{_PLACE}5")  # without action, or it would be asked for ever
    kind = chance.random()
    if kind < 0.70:
        document = f"<Response>{first}</Response>"
    elif kind < 0.80:
        document = f"<Response>{first}{after}</Response>"
    else:
        document = f"<Response>{chance.choice(_OTHERS)}{first}</Response>"
    fault = chance.choice(["refused", "closed", "500", "nonsense", "never"]) if chance.random() < 0.06 else ""
    delay = chance.choice([0.0, 0.0, 0.0, 0.05, 0.4, 2.0, 9.0])
    referred = draw_dial(chance, f"{number}{_PLACE}7")
    return Script(document, f"<Response>{after}</Response>", f"<Response>{referred}</Response>", delay, fault)


_OTHERS: Final = (
    "<Reject/>",
    '<Reject reason="busy"/>',
    "<Hangup/>",
    '<Pause length="2"/>',
    "<Say>hello</Say>",
    '<Refer action="/next"><Sip>sip:desk@desk.example</Sip></Refer>',
    "<Refer><Sip>sip:desk@desk.example</Sip></Refer>",
    '<Redirect method="POST">/next</Redirect>',
    "",
)


def draw_dial(chance: Random, number: str, more: str = "") -> str:
    """A `<Dial>` of one to three nouns, whose numbers are `number` and a digit."""
    count = chance.choice([1, 1, 1, 1, 2, 3])
    nouns = [_noun(chance, f"{number}{index}") for index in range(count)]
    attributes = {
        "timeLimit": str(chance.choice([20, 60, 300])),
        "timeout": str(chance.choice([5, 20, 60])),
        "sequential": chance.choice(["true", "false"]),
    }
    text = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f"<Dial {text}{more}>{''.join(nouns)}</Dial>"


def _noun(chance: Random, number: str) -> str:
    if chance.random() < 0.75:
        return f"<Number {_TELLING}>+{number}</Number>"
    host = f"198.51.100.{chance.randrange(1, 8)}"
    account = ' username="sim" password="secret-of-sim"' if chance.random() < 0.3 else ""
    transport = chance.choice(["", "", ";transport=tcp"])
    return f"<Sip {_TELLING}{account}>sip:+{number}@{host}{transport}</Sip>"
