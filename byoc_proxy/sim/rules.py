"""What must be so at every message and at the end, whatever carriers, names, applications and the network do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.sim.application import dialled
from byoc_proxy.sim.installation import ADDRESSES
from byoc_proxy.sim.watch import Invite, OfInvites, Rule, Seen, Watch
from byoc_proxy.sip.message import Request, Response
from byoc_proxy.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Mapping

_RINGING: Final = range(180, 184)
Dialog = tuple[str, frozenset[str]]  # Call-ID and both tags


@dataclass(slots=True)
class _Asked:
    seen: Seen
    final: Seen | None = None


class OneAnswer(Rule):
    """A request of a carrier's has one final response, repeated to the letter, and no provisional after it."""

    name = "one final response per request"

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self._asked: dict[tuple[str, str, str], _Asked] = {}

    def heard(self, seen: Seen, invite: Invite | None) -> None:
        message = seen.message
        if isinstance(message, Request) and message.method != "ACK":
            self._asked.setdefault(_key(message), _Asked(seen))

    def said(self, seen: Seen, invite: Invite | None) -> None:
        response = seen.message
        if not isinstance(response, Response):
            return
        asked = self._asked.get(_key(response))
        self.demand(
            asked is not None or bool(self.watch.strays), f"{response.status} to what nobody asked", response
        )
        if asked is None:
            return
        before = asked.final.message if asked.final is not None else None
        if response.status < 200:
            self.demand(before is None, f"{response.status} after a final response", response)
        elif isinstance(before, Response):
            same = before.status == response.status and before.to_tag == response.to_tag
            overtook = response.cseq[1] == "CANCEL" and before.status == 481  # its INVITE came after it
            same = same or overtook
            self.demand(same, f"{before.status} and then {response.status} to one {response.cseq[1]}", response)
        else:
            asked.final = seen

    def over(self) -> None:
        for asked in self._asked.values():
            request = asked.seen.message
            text = f"{request.cseq[1]} from {asked.seen.peer[0]} was never answered"
            self.demand(asked.final is not None or self.astray(request), text, request)


class OwnRequests(Rule):
    """What the proxy asks: repeated to the letter, in order, CANCEL and BYE once and in their place."""

    name = "requests in their place"

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self._sent: dict[tuple[str, str, str], bytes] = {}
        self._cseq: dict[tuple[str, str, str], int] = {}
        self._byes: dict[tuple[str, str, str], float] = {}

    def said(self, seen: Seen, invite: Invite | None) -> None:
        request = seen.message
        if not isinstance(request, Request):
            return
        method, (number, named) = request.method, request.cseq
        self.demand(named == method, f"CSeq {named} in {method}", request)
        # the ACK of a failure has the INVITE's branch and the failure's tag: a gateway that restarts has another
        key = (request.branch, method, request.to_tag)
        if key in self._sent:
            self.demand(self._sent[key] == seen.data, f"{method} is repeated with other bytes", request)
            return
        self._sent[key] = seen.data
        if method == "CANCEL":
            ready = invite is not None and invite.progress_at is not None
            self.demand(ready, "CANCEL before any provisional response (§9.1)", request)
            late = invite is not None and (invite.refused_at or invite.answered_at) is not None
            self.demand(not late, "CANCEL after a final response (§9.1)", request)
        elif method != "ACK":
            dialog = (request.call_id, request.from_tag, request.to_tag)
            last = self._cseq.get(dialog, 0)
            self.demand(number > last, f"CSeq {number} after {last}", request)
            self._cseq[dialog] = number
            if method == "BYE":
                said_at = self._byes.setdefault(dialog, seen.at)
                # §18.4: a connection that breaks may have taken the first with it
                again = said_at == seen.at or self.watch.cut_at >= said_at
                self.demand(again, "a second BYE", request)


class InPolicy(OfInvites):
    """An INVITE goes only where the call's policy, its script or the redirects that it follows lead."""

    name = "no INVITE outside of the policy"

    def __init__(self, watch: Watch, policies: Mapping[str, str], named: Mapping[str, str]) -> None:
        """`policies` by dialled number, of which a hunt's number is a continuation; `named` by hunt's number."""
        super().__init__(watch)
        self._policies = policies
        self._named = named
        self._redirects: dict[str, set[str]] = {}

    def heard(self, seen: Seen, invite: Invite | None) -> None:
        response = seen.message
        if invite is not None and isinstance(response, Response) and 300 <= response.status < 400:
            contact = response.contact
            if isinstance(contact, SipUri):
                self._redirects.setdefault(invite.hunt, set()).add(contact.host)

    def invited(self, invite: Invite) -> None:
        if not invite.initial or invite.hunt in self.watch.misled:
            return
        policy = self._policies.get(dialled(invite.hunt), "")
        address, named = invite.peer[0], self._named.get(invite.hunt)
        if named is not None:
            allowed = address == named
        elif address in ADDRESSES.get(policy, ()):
            allowed = True
        else:
            allowed = policy == "moving" and address in self._redirects.get(invite.hunt, ())
        text = f"an INVITE for {invite.hunt} went to {address}: policy {policy!r} does not lead there"
        self.demand(allowed, text, invite.request)


class OneRings(OfInvites):
    """After the first 18x of an attempt no other address of its hunt is tried: no second phone rings."""

    name = "no second ring after a pin"

    def __init__(self, watch: Watch, policies: Mapping[str, str]) -> None:
        """`policies` by dialled number."""
        super().__init__(watch)
        self._policies = policies
        self._last: dict[str, Invite] = {}  # the attempt in hand, by hunt
        self._pinned: dict[str, Invite] = {}

    def heard(self, seen: Seen, invite: Invite | None) -> None:
        response = seen.message
        if invite is None or not isinstance(response, Response) or response.status not in _RINGING:
            return
        ended = invite.cancelled_at or invite.refused_at or invite.answered_at
        given_up = invite.progress_at is None and (
            seen.at >= invite.at + self._patience(invite)
            or (seen.transport != "UDP" and self.watch.cut_at > invite.at)  # its connection may have broken
        )
        if self._last.get(invite.hunt) is invite and ended is None and not given_up:
            self._pinned.setdefault(invite.hunt, invite)

    def invited(self, invite: Invite) -> None:
        if not invite.initial:
            return
        pin = self._pinned.get(invite.hunt)
        if invite.hunt:
            text = f"{invite.peer[0]} is called for {invite.hunt} while it rings at {pin.peer[0] if pin else ''}"
            same = pin is None or pin.request.call_id == invite.request.call_id
            self.demand(same, text, invite.request)
        self._last[invite.hunt] = invite

    def _patience(self, invite: Invite) -> float:
        """After that many silent seconds an address is left: what it says then is late."""
        return 1.0 if self._policies.get(dialled(invite.hunt)) == "hasty" else 4.0


class EveryAnswerAcknowledged(Rule):
    """Every 2xx that the proxy had to take is acknowledged; what it answered or was answered is ended with BYE."""

    name = "every 2xx acknowledged, every dialog ended"

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self._owed: dict[tuple[str, int, str], Response] = {}
        self._acked: set[tuple[str, int, str]] = set()
        self._open: dict[Dialog, Request | Response] = {}
        self._ended: set[Dialog] = set()

    def heard(self, seen: Seen, invite: Invite | None) -> None:
        message = seen.message
        if isinstance(message, Response):
            if invite is not None and 200 <= message.status < 300 and invite.awaits(seen.at):
                self._owed.setdefault((message.call_id, message.cseq[0], message.to_tag), message)
                if invite.initial:
                    self._open.setdefault(_dialog(message), message)
        elif message.method == "BYE":
            self._ended.add(_dialog(message))

    def said(self, seen: Seen, invite: Invite | None) -> None:
        message = seen.message
        if isinstance(message, Response):
            if message.cseq[1] == "INVITE" and 200 <= message.status < 300:
                self._open.setdefault(_dialog(message), message)
        elif message.method == "ACK":
            self._acked.add((message.call_id, message.cseq[0], message.to_tag))
        elif message.method == "BYE":
            self._ended.add(_dialog(message))

    def over(self) -> None:
        for key, response in self._owed.items():
            acked = key in self._acked or self.astray(response)
            self.demand(acked, f"a {response.status} to {key[1]} INVITE has no ACK", response)
        for dialog, message in self._open.items():
            ended = dialog in self._ended or self.astray(message)
            self.demand(ended, "a dialog was never ended by a BYE", message)


def _key(message: Request | Response) -> tuple[str, str, str]:
    return message.call_id, message.branch, message.cseq[1]


def _dialog(message: Request | Response) -> Dialog:
    return message.call_id, frozenset((message.from_tag, message.to_tag))
