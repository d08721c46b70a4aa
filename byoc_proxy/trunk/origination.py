"""Where an outbound call may go, in order: policy to destinations, destinations to addresses.

All of it is a function of (policy, region order, DNS answers, random draw), so that a dry run (`route`) prints
exactly what a call would do. What an attempt's outcome leads to is `trunk.verdicts`, which addresses a call passes
over is `trunk.health`.

RFC 2782 (weighted draw without replacement), RFC 3263 (target to addresses, in `sip.locate`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from byoc_proxy.sip.locate import LookupFailed, NotLocated, by_priority_then_weight, locate
from byoc_proxy.sip.uri import NameAddr, SipUri, UriError, split_commas

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from byoc_proxy.sip.digest_client import Credentials
    from byoc_proxy.sip.locate import Answer, Hop, Query
    from byoc_proxy.trunk.model import ConnectionPolicy, ConnectionPolicyTarget

REGION_TOKEN: Final = "{region}"
_STAND_IN: Final = "region--here"  # what stands for the token while a URI is parsed; no label may look like it


@dataclass(frozen=True, slots=True)
class Destination:
    """One target in one region; `region` is None when the target's host does not name one.

    `uri` is what is called, `next_hop` what is resolved and sent to: the target's outbound proxy, if it has one.
    `headers` and `credentials` are for this one alone.
    """

    target: ConnectionPolicyTarget
    uri: SipUri
    region: str | None = None
    outbound_proxy: SipUri | None = None
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = field(default=None, repr=False)

    @property
    def next_hop(self) -> SipUri:
        return self.outbound_proxy or self.uri

    @property
    def route(self) -> tuple[tuple[str, str], ...]:
        """The Route header for a proxy that routes loosely (RFC 3261 §8.1.2); without `;lr` it needs none."""
        proxy = self.outbound_proxy
        return (("Route", f"<{proxy}>"),) if proxy is not None and "lr" in proxy.params else ()

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """What its INVITE says beyond what every INVITE of the leg does."""
        return (*self.route, *self.headers)


@dataclass(frozen=True, slots=True)
class RouteStep:
    """One line of a dry run: an address that would be tried, or why a destination has none."""

    destination: Destination
    hop: Hop | None
    note: str = ""


def read_target(text: str) -> SipUri:
    """Read a target URI whose host may hold `{region}`, which no URI grammar allows. `UriError` otherwise."""
    try:
        uri = SipUri.parse(text.replace(REGION_TOKEN, _STAND_IN))
    except UriError as error:
        raise UriError(str(error).replace(_STAND_IN, REGION_TOKEN)) from None
    if _STAND_IN in str(uri.with_host("")):
        raise UriError(f"{REGION_TOKEN} may stand in the host only: {text[:80]!r}")
    return uri.with_host(uri.host.replace(_STAND_IN, REGION_TOKEN)) if _STAND_IN in uri.host else uri


def destinations(
    policy: ConnectionPolicy, region_order: Sequence[str], draw: Callable[[], float]
) -> list[Destination]:
    """The policy's enabled targets in the order of one call. `draw` gives floats in [0, 1).

    Lowest priority number first, inside one priority a weighted draw; a target that names `{region}` becomes
    one destination per region, the home region first.
    """
    enabled = [target for target in policy.targets if target.enabled]
    return [
        destination
        for target in by_priority_then_weight(enabled, draw)
        for destination in in_regions(target, region_order)
    ]


def route(
    policy: ConnectionPolicy,
    region_order: Sequence[str],
    draw: Callable[[], float],
    answers: Mapping[Query, Answer | LookupFailed],
) -> list[RouteStep]:
    """A dry run of one call: every address in the order of trying, given what the DNS answers.

    A query without an entry in `answers` has no records. A destination that leads nowhere is one step without
    a hop.
    """
    steps: list[RouteStep] = []
    for destination in destinations(policy, region_order, draw):
        try:
            hops = _located(destination.next_hop, draw, answers)
        except NotLocated as error:
            steps.append(RouteStep(destination, None, str(error)))
        else:
            steps += [RouteStep(destination, hop) for hop in hops]
    return steps


def redirected_to(contacts: str, is_ours: Callable[[str], bool]) -> SipUri | None:
    """Where a 3xx may send a call: its first Contact, when that is a `sip:` URI of somebody else's host."""
    try:
        uri = NameAddr.parse(split_commas(contacts)[0]).uri
    except UriError:
        return None
    if not isinstance(uri, SipUri) or uri.scheme != "sip" or is_ours(uri.host):
        return None
    return uri.without_headers()


def in_regions(target: ConnectionPolicyTarget, region_order: Sequence[str]) -> list[Destination]:
    """One destination, or one for each region where the target's host names `{region}`, in the given order."""
    uri, proxy = target.target, target.outbound_proxy
    if REGION_TOKEN not in uri.host and (proxy is None or REGION_TOKEN not in proxy.host):
        return [Destination(target, uri, None, proxy)]
    return [
        Destination(target, _in_region(uri, region), region, _in_region(proxy, region) if proxy else None)
        for region in region_order
    ]


def _in_region(uri: SipUri, region: str) -> SipUri:
    return uri.with_host(uri.host.replace(REGION_TOKEN, region))


def _located(uri: SipUri, draw: Callable[[], float], answers: Mapping[Query, Answer | LookupFailed]) -> list[Hop]:
    """Run the plan of `locate` on known answers."""
    plan = locate(uri, draw)
    try:
        query = next(plan)
        while True:
            answer = answers.get(query, ())
            query = plan.throw(answer) if isinstance(answer, LookupFailed) else plan.send(answer)
    except StopIteration as finished:
        hops: list[Hop] = finished.value
        return hops
