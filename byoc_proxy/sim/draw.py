"""What chance makes of a seed: calls, parts of gateways, weather. Every draw is from one `Random` of the seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.sim.caller import CallPlan
from byoc_proxy.sim.installation import BASE, GATEWAYS, PASSWORD, POLICIES
from byoc_proxy.sim.manners import Deed, Line, Manners, Part, Verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from byoc_proxy.sim.network import Carried, Mood
    from byoc_proxy.sip.message import Request

_FINALS: Final = (400, 401, 403, 404, 407, 408, 410, 420, 480, 481, 483, 484, 486, 487, 488, 491, 500, 502, 504)
_FINALS_OF_ALL: Final = (*_FINALS, 503, 503, 600, 603, 604)
_MID_CALL: Final[tuple[Verb, ...]] = (
    "hold",
    "hold",
    "ask for an offer",
    "INFO",
    "INFO",
    "UPDATE",
    "OPTIONS",
    "MESSAGE",
    "repeat",
    "vanish",
    "restart",
)
_SOON: Final = (0.0, 0.0, 0.001, 0.02, 0.5, 1.0)


class Weather:
    """How one world's wires are: from calm and instantaneous to lossy, doubling and out of order.

    Nothing is under way for longer than T4: older messages need not be told from new ones (RFC 3261 §17.1.2.2).
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        calm = chance.random() < 0.3
        self._delay = chance.choice((0.0, 0.0, 0.01, 0.08))
        self._jitter = 0.0 if calm else chance.choice((0.0, 0.005, 0.1, 0.6))
        self._loss = 0.0 if calm else chance.choice((0.0, 0.02, 0.1, 0.25))
        self._double = 0.0 if calm else chance.choice((0.0, 0.02, 0.2))
        self._straggles = 0.0 if calm else chance.choice((0.0, 0.0, 0.02))

    def __call__(self, carried: Carried) -> Sequence[float]:
        if carried.transport != "UDP":
            return (self._delay,)
        random = self._chance.random
        if random() < self._loss:
            return ()
        copies = 2 if random() < self._double else 1
        return [self._under_way() for _ in range(copies)]

    def _under_way(self) -> float:
        chance = self._chance
        if chance.random() < self._straggles:
            return chance.uniform(0.5, 4.5)
        return self._delay + (chance.random() * self._jitter if self._jitter else 0.0)


def draw_call(chance: Random, index: int, spread: float) -> CallPlan:
    """The plan of call number `index`, at some moment of the first `spread` seconds."""
    policy = chance.choice(tuple(POLICIES))
    digest = chance.random() < 0.25
    password = chance.choice((PASSWORD, PASSWORD, PASSWORD, "wrong", "")) if digest else ""
    deeds = _deeds(chance, hangs_up=0.8)
    return CallPlan(
        f"1415{index:05d}",
        chance.uniform(0.0, spread),
        f"{policy}{'-digest' if digest else ''}.{BASE}",
        chance.choice(("UDP", "UDP", "UDP", "TCP")),
        password,
        offers=chance.random() < 0.85,
        twin=chance.random() < 0.03,
        cancels_after=_moment(chance) if chance.random() < 0.2 else None,
        headers=_extensions(chance),
        early=_early(chance),
        deeds=deeds,
        manners=_manners(chance),
    )


def draw_part(chance: Random, invite: Request) -> Part:
    """What a gateway makes of an INVITE."""
    lines = _before(chance)
    kind = chance.random()
    if kind < 0.55:
        lines += _answer(chance)
    elif kind < 0.80:
        lines.append(_refusal(chance, invite))
    elif kind < 0.90:
        # nothing, or nothing more for a long time, and then a last word
        if lines:
            lines.append(Line(chance.uniform(60, 200), chance.choice((200, 480, 487)), sdp=True))
    else:
        # a first sign of life when the proxy has probably gone on to another address
        lines = [Line(chance.uniform(3.0, 28.0), chance.choice((100, 180, 183, 200, 486, 503)), sdp=True)]
        if lines[0].status < 200:
            lines.append(Line(chance.uniform(0.0, 40.0), chance.choice((200, 480)), sdp=True))
    return Part(tuple(lines), _deeds(chance, hangs_up=0.5), _manners(chance))


def draw_mood(chance: Random) -> Mood | None:
    """How a gateway's address is in this world; None: alive."""
    moods: tuple[Mood, ...] = ("silent", "unreachable", "refuses", "hangs")
    return chance.choice(moods) if chance.random() < 0.35 else None


def _before(chance: Random) -> list[Line]:
    """Provisional responses."""
    lines = [Line(chance.choice(_SOON), 100)] if chance.random() < 0.7 else []
    if chance.random() < 0.7:
        status = chance.choice((180, 180, 180, 181, 182, 183, 199))
        described = status == 183 or chance.random() < 0.1
        reliable = chance.random() < 0.15
        lines.append(Line(chance.choice((*_SOON, 4.0, 12.0)), status, described, reliable=reliable))
        if chance.random() < 0.2:
            lines.append(Line(chance.choice(_SOON), chance.choice((180, 183)), True, fork=chance.random() < 0.5))
    return lines


def _answer(chance: Random) -> list[Line]:
    lines = [Line(chance.choice((*_SOON, 2.0, 9.0, 30.0)), 200, sdp=chance.random() < 0.97)]
    if chance.random() < 0.1:
        lines.append(Line(chance.choice(_SOON), 200, True, fork=True))
    return lines


def _refusal(chance: Random, invite: Request) -> Line:
    after = chance.choice((*_SOON, 5.0))
    kind = chance.random()
    if kind < 0.15:
        host = chance.choice((*GATEWAYS, "192.0.2.1", f"plain.{BASE}", "nowhere.example", "["))
        contact = f"Contact: <{invite.uri_text.partition('@')[0]}@{host}>"
        return Line(after, chance.choice((300, 301, 302, 305)), headers=(contact,))
    if kind < 0.25:
        return Line(after, 503, headers=(f"Retry-After: {chance.choice(('0', '5', '120', 'soon', '99999999'))}",))
    if kind < 0.35:
        status, name = chance.choice(((401, "WWW-Authenticate"), (407, "Proxy-Authenticate")))
        return Line(after, status, headers=(f'{name}: Digest realm="gw", nonce="n{chance.random()}", qop="auth"',))
    return Line(after, chance.choice(_FINALS_OF_ALL))


def _deeds(chance: Random, hangs_up: float) -> tuple[Deed, ...]:
    deeds: list[Deed] = []
    while chance.random() < 0.35:
        deeds.append(Deed(_moment(chance), chance.choice(_MID_CALL)))
    if chance.random() < 0.15:
        deeds.append(Deed(_moment(chance), "REFER"))
    if chance.random() < hangs_up:
        deeds.append(Deed(_moment(chance), "hang up"))
    return tuple(deeds)


def _extensions(chance: Random) -> tuple[str, ...]:
    """Reliable provisional responses (RFC 3262) and session timers (RFC 4028), supported or required."""
    kind = chance.random()
    if kind < 0.15:
        return (f"{chance.choice(('Supported', 'Require'))}: 100rel",)
    if kind < 0.25:
        refresher = chance.choice(("", ";refresher=uac", ";refresher=uas"))
        return ("Supported: timer, 100rel", f"Session-Expires: {chance.choice((30, 90, 120))}{refresher}")
    return ()


def _early(chance: Random) -> tuple[Deed, ...]:
    if chance.random() < 0.1:
        verbs: tuple[Verb, ...] = ("repeat", "repeat", "vanish", "restart")
        return (Deed(_moment(chance), chance.choice(verbs)),)
    return ()


def _moment(chance: Random) -> float:
    """Seconds: often the very instant, else soon, later, or about when a timer ends."""
    return chance.choice((0.0, 0.001, 0.03, 0.5, 1.0, 3.999, 4.0, 4.5, 8.0, chance.uniform(0, 40), 32.0))


def _manners(chance: Random) -> Manners:
    if chance.random() < 0.75:
        return Manners()
    return Manners(
        acks_after=chance.choice((0.0, 0.0, 0.7, 6.0, None)),
        answers_bye=chance.random() < 0.8,
        obeys_cancel=chance.random() < 0.7,
        reinvite=chance.choice((200, 200, 488, 491, 481, 0)),
        request=chance.choice((200, 200, 405, 481, 500)),
    )
