"""What the protocol floor puts out: bytes to send, events, and what was dropped and why.

Events are past tense. Each names the session it happened to; the driver hands it to that session's listener.
They are values, immutable by convention: freezing them costs more than making them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.session import Session
    from byoc_proxy.sip.transaction import ServerTransaction


NO_ACK: Final = "no ACK"
"""The reason of an `Ended` by timeout: our 2xx was repeated for 64*T1 and never acknowledged (§13.3.1.4)."""


class By(StrEnum):
    """Who ended something."""

    REMOTE = "remote"
    LOCAL = "local"
    TIMEOUT = "timeout"


class Send(NamedTuple):
    """Bytes for the wire."""

    data: bytes
    flow: Flow


@dataclass(slots=True)
class Dropped:
    """A message that nobody was told about, and why; `kind` is one of a few words, to count by."""

    reason: str
    flow: Flow
    kind: str = "stray"


@dataclass(slots=True)
class Invited:
    """A request for a new session was accepted by the screen; `admission` is what the screen said of it."""

    session: Session
    request: Request
    admission: object


@dataclass(slots=True)
class Progressed:
    """A provisional response came (100 included: it is a sign of life)."""

    session: Session
    response: Response
    late: bool = False


@dataclass(slots=True)
class Answered:
    """A 2xx came. `late` when we had already left: it was ACKed and gets a BYE."""

    session: Session
    response: Response
    late: bool = False


@dataclass(slots=True)
class Refused:
    """The INVITE ended without a session: a final response, or none (`response` is None) and why."""

    session: Session
    response: Response | None
    cause: str = ""


@dataclass(slots=True)
class Acked:
    """The ACK of our 2xx came; it may carry an SDP answer to the offer in that 2xx."""

    session: Session
    request: Request


@dataclass(slots=True)
class Pracked:
    """The PRACK of a reliable 18x of ours came; it may carry an SDP answer to the offer in that 18x."""

    session: Session
    request: Request


@dataclass(slots=True)
class Requested:
    """An in-dialog request waits for `session.reply(transaction, ...)`: re-INVITE, INFO, UPDATE, REFER..."""

    session: Session
    request: Request
    transaction: ServerTransaction


@dataclass(slots=True)
class Replied:
    """What came of our own in-dialog request `ticket`; `response` is None when nothing came."""

    session: Session
    ticket: int
    response: Response | None


@dataclass(slots=True)
class Ended:
    """The session is over for its user; the wire may still be winding down. `request` is the far end's, if one
    ended it.
    """

    session: Session
    by: By
    reason: str
    request: Request | None = None


@dataclass(slots=True)
class Over:
    """The session is done on the wire as well: the last event of every session."""

    session: Session


Event = Invited | Progressed | Answered | Refused | Acked | Pracked | Requested | Replied | Ended | Over
Output = Send | Dropped | Event
