"""A running proxy in memory from a few lines of YAML, with everything around it that a call needs.

    async def test_something(scene: Scene) -> None:
        scene.starts("connection_policies: {carriers: {no_reply_timeout: 2}}")
        call = scene.caller.calls()

The YAML is laid over `INSTALLATION`: mappings are merged key by key, all else replaces what was there.
"""

import asyncio
import json
import random
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import yaml

from byoc_proxy.app import Node, World
from byoc_proxy.call.new_call import NewCall
from byoc_proxy.config.load import Loaded, load
from byoc_proxy.sim.leftovers import disorder, kept_by, unfinished
from byoc_proxy.sim.network import Network
from byoc_proxy.sim.tasks import Tasks
from byoc_proxy.sim.wire import NodeWire, listen
from byoc_proxy.sim.words import sdp
from byoc_proxy.sim.zone import FakeResolver, Zone
from byoc_proxy.storage.alerts import Alert
from byoc_proxy.storage.record import CallRecord
from byoc_proxy.storage.store import MemoryStore
from byoc_proxy.trunk.model import stable_sid
from byoc_proxy.twiml.interpreter import Entry
from byoc_proxy.webhook.exchange import Exchange
from tests.support.carrier import ANSWER, DIALLED, OFFER, PROXY, Carrier, CarrierCall
from tests.support.customer import Customer
from tests.support.leaks import leaks

if TYPE_CHECKING:
    from byoc_proxy.call.outbound import OutboundCall
    from byoc_proxy.call.progress import Moved

__all__ = ["ANSWER", "DIALLED", "OFFER", "PROXY", "Carrier", "CarrierCall", "Scene", "sdp"]

TRUNK = "BY" + "1" * 32
WALL = 1_760_000_000.0  # the wall clock when the loop's clock says 0
HELD = sdp("198.51.100.1", 6000, "inactive")
TOKEN = "an-auth-token-of-the-tests"
VOICE = "http://app.example.test/voice"
DIAL = "<Response><Dial><Number>+14158675309</Number></Dial></Response>"

INSTALLATION = f"""
base_domain: sip.example.test
listeners:
  - {{transport: udp, bind: "192.0.2.1:5060"}}
  - {{transport: tcp, bind: "192.0.2.1:5060"}}
limits: {{max_calls: 100, drain_grace: 30}}
digest_secret: a-secret-of-the-tests-0123456789abcdef
accounts:
  acme: {{auth_token: {TOKEN}}}
trunks:
  acme-trunk: {{sid: {TRUNK}, voice_url: "{VOICE}", connection_policy: carriers}}
domains:
  acme: {{trunk: acme-trunk, ip_access_control_lists: [dallas]}}
ip_access_control_lists:
  dallas: {{addresses: [{{cidr: 203.0.113.8/30, friendly_name: Production SBC}}]}}
connection_policies:
  carriers:
    targets:
      - {{target: "sip:198.51.100.1", priority: 10}}
      - {{target: "sip:198.51.100.2", priority: 20}}
"""
_INSTALLATION: dict[str, Any] = yaml.safe_load(INSTALLATION)
TLS = "listeners: [{transport: tls, bind: '192.0.2.1:5061', certificate: cert.pem, private_key: key.pem}]"


class Exchanges(list[tuple[str, Exchange]]):
    """What is kept of the requests to the application, each with its CallSid."""

    def note(self, account_sid: str, call_sid: str, exchange: Exchange) -> None:
        assert account_sid == stable_sid("AC", "acme")
        self.append((call_sid, exchange))


class Scene:
    """The proxy at 192.0.2.1, a caller at 203.0.113.8, gateways at 198.51.100.1 and .2, an application, a DNS."""

    def __init__(self, directory: Path) -> None:
        self.network = Network()
        self.zone = Zone()
        self.resolver = FakeResolver(self.zone)
        self.customer = Customer()
        self.store = MemoryStore()
        self.alerts: list[Alert] = []
        self.kept = Exchanges()
        self.moves: list[Moved] = []  # of every leg that has a CallSid
        self.logged: list[MutableMapping[str, Any]] = []
        self.crashes: list[str] = []
        self.caller = Carrier(self.network, "203.0.113.8", name="caller")
        self.first = Carrier(self.network, "198.51.100.1", name="first gateway")
        self.second = Carrier(self.network, "198.51.100.2", name="second gateway")
        self.draw: Callable[[], float] = lambda: 0.0  # nothing is shuffled
        self.wires: list[NodeWire] = []
        self.node: Node
        self.is_running = False
        self.tolerant = False  # of bugs that were put in on purpose
        self._directory = directory
        self._serial = 0
        loop = asyncio.get_running_loop()
        self._tasks = Tasks(loop)
        loop.set_exception_handler(lambda _, context: self.crashes.append(str(context.get("exception", context))))

    # --- the proxy -----------------------------------------------------------------------------------------

    def starts(self, changes: str = "", twiml: str = DIAL) -> None:
        """Start the proxy; the application answers `/voice` with `twiml`."""
        self.customer.answers("/voice", twiml)
        loaded = self.configured(changes)
        world = World(
            self.customer,
            self.resolver,
            self.store,
            self._log(),
            wall=lambda: WALL + asyncio.get_running_loop().time(),
            draw=lambda: self.draw(),
            hex_digits=self._hex_digits,
            alerts=self,
            exchanges=self.kept,
            listeners=(self.moves.append,),
        )
        self.node = Node(loaded, world)
        self.is_running = True
        self.wires += [listen(self.network, listener, self.node.endpoint) for listener in loaded.settings.listeners]
        self.node.start()

    def configured(self, changes: str = "") -> Loaded:
        """A configuration, by way of a file as in real life."""
        if "cert.pem" in changes:
            for name in ("cert.pem", "key.pem"):
                (self._directory / name).touch()
        path = self._directory / "config.yaml"
        document = _merged(_INSTALLATION, yaml.safe_load(changes) or {})
        path.write_text(json.dumps(document))  # which is YAML, and quicker written
        return load(path, {})

    def reloads(self, changes: str) -> None:
        """The configuration of now is `INSTALLATION` with other changes."""
        self.node.reload(self.configured(changes))

    def draws_at_random(self, seed: int = 1) -> None:
        self.draw = random.Random(seed).random

    def note(self, alert: Alert) -> None:
        """What an account is told of."""
        self.alerts.append(alert)

    # --- people --------------------------------------------------------------------------------------------

    def carrier(self, address: str, port: int = 5060, transport: str = "UDP") -> Carrier:
        """One more host."""
        return Carrier(self.network, address, port, transport)

    def places(self, twiml: str = DIAL, to: str = "+14155551212", **changes: Any) -> "OutboundCall":
        """Have a call made on the trunk, as the API does, and let it go at once."""
        call = self.node.switchboard.place(self.new_call(twiml, to, **changes))
        self.node.switchboard.start(call)
        return call

    def new_call(self, twiml: str = DIAL, to: str = "+14155551212", **changes: Any) -> NewCall:
        """What the API asks for: a call to a number on the trunk, or to a SIP URI."""
        told: dict[str, Any] = {"trunk_sid": None if to.startswith("sip:") else TRUNK, **changes}
        entry = told.pop("entry", None) or Entry(twiml.encode())
        return NewCall(account_sid(), to, told.pop("from_", "+15550100"), entry, **told)

    async def reaches(self, twiml: str = DIAL, **changes: Any) -> "tuple[OutboundCall, CarrierCall]":
        """A call of the API that somebody at the first gateway has answered."""
        call = self.places(twiml, **changes)
        leg = await self.first.invited()
        leg.answers(HELD)
        await leg.receives("ACK")
        await self.settled()
        return call, leg

    async def talking(
        self, call: CarrierCall | None = None, headers: Sequence[str] = ()
    ) -> tuple[CarrierCall, CarrierCall]:
        """A call that is up: the caller's side and the first gateway's, who say `headers` in INVITE and 200."""
        call = call or self.caller.calls(headers=headers)
        await call.hears(180)
        there = await self.first.invited()
        there.answers(headers=headers)
        await there.receives("ACK")
        await call.hears(200)
        call.acks()
        await self.settled()
        return call, there

    async def settled(self) -> None:
        """Let everything happen that needs no time to pass."""
        await asyncio.sleep(self.network.delay * 4 + 1e-6)

    async def sleeps(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    # --- what came of it -----------------------------------------------------------------------------------

    @property
    def records(self) -> list[CallRecord]:
        """The records of the calls that are over, in the order of their ends."""
        return list(self.store.records.values())

    @property
    def record(self) -> CallRecord:
        """The record of the only call."""
        assert len(self.records) == 1, f"{len(self.records)} records"
        return self.records[0]

    def events(self, name: str) -> list[MutableMapping[str, Any]]:
        """What was logged under a name."""
        return [each for each in self.logged if each["event"] == name]

    def codes(self) -> list[int]:
        """The coded events of the only call."""
        return [event.code for event in self.record.events]

    def courses(self) -> list[list[str]]:
        """The statuses of each leg, in the order in which the legs began."""
        courses: dict[str, list[str]] = {}
        for moved in self.moves:
            courses.setdefault(moved.facts.call_sid, []).append(str(moved.status))
        return list(courses.values())

    async def over(self, within: float = 0.0) -> CallRecord:
        """Wait until the only call is over; its record."""
        await asyncio.sleep(within)
        await self.settled()
        return self.record

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def leaks(self) -> list[str]:
        """What one far end could learn of another from the heads of all messages that the proxy sent."""
        return leaks(self.network.log, {wire.local[0] for wire in self.wires}, self.zone)

    def leftovers(self) -> list[str]:
        """What the proxy still keeps, and what went wrong unseen."""
        stopped = all(wire.closed for wire in self.wires)  # its clock stands still
        kept: dict[str, object] = {
            **kept_by(self.node, stopped=stopped),
            "crashes": self.crashes,
            "faults": self.network.faults,
            "failures": self._tasks.failures(),
            "errors": [each["exception"] for each in self.logged if "exception" in each and not self.tolerant],
            "records": self._bad_records(),
            "statuses": disorder(self.moves),
            "live records": list(self.store.live),
            "tasks": self._tasks.running(),
        }
        return [f"{name}: {value}" for name, value in kept.items() if value]

    # --- how it is done ------------------------------------------------------------------------------------

    def _bad_records(self) -> list[str]:
        begun = [each for name in ("admitted", "placed", "parted") for each in self.events(f"call.{name}")]
        admitted = sorted(each["call_sid"] for each in begun)
        recorded = sorted(self.store.records)
        bad = [f"admitted {admitted}, recorded {recorded}"] if admitted != recorded else []
        return bad + unfinished(self.store.records.values())

    def _hex_digits(self) -> str:
        self._serial += 1
        return f"{self._serial:08x}".ljust(32, "0")

    def _log(self) -> Any:
        def keep(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
            self.logged.append({**event, "level": level})
            raise structlog.DropEvent

        processors: list[Any] = [structlog.processors.format_exc_info, keep]
        return structlog.wrap_logger(None, processors=processors)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        here = merged.get(key)
        merged[key] = _merged(here, value) if isinstance(here, dict) and isinstance(value, dict) else value
    return merged


def account_sid(key: str = "acme") -> str:
    return stable_sid("AC", key)
