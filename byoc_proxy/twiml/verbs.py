"""The values of a TwiML document: verbs, the nouns of `<Dial>`, and what was odd about them.

All are frozen and compare by value, so one parsed document may serve many calls. Times are seconds. URLs
are as written in the document and may be relative to it. Text in them holds no control characters: the
parser refuses those, because numbers, caller IDs and URIs end up in SIP header lines (RFC 3261 §7.3.1,
§25.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MEDIA_ENGINE_MISSING: Final = 12490
"""The document asks for audio and there is no engine to make it. The public dictionary has no such code: a
Twilio call never lacks media. This one is ours, beside 12400 "internal failure"."""


class TwimlError(Exception):
    """A document that cannot be run: a public error code and a sentence for the call's record."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class TwimlWarning:
    """Something in a document that was ignored or replaced by its default; the document goes on."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """Where the progress of one dialled leg is reported, and which of it."""

    url: str
    method: str = "POST"
    events: tuple[str, ...] = ("completed",)


@dataclass(frozen=True, slots=True)
class Number:
    """`<Number>`: what goes to the carrier, separators removed, and the SID of the trunk to use."""

    number: str
    byoc: str | None = None
    callback: StatusCallback | None = None


@dataclass(frozen=True, slots=True)
class SipTarget:
    """One address of a `<Sip>`: a `sip:` URI without `?headers`, and those of them that may be sent, decoded.

    The lowest `priority` is tried first; `weight` is the share among equals (RFC 2782).
    """

    uri: str
    headers: tuple[tuple[str, str], ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    priority: int = 10
    weight: int = 10


@dataclass(frozen=True, slots=True)
class Sip:
    """`<Sip>`: one party, who may be had at several addresses."""

    targets: tuple[SipTarget, ...]
    callback: StatusCallback | None = None

    @classmethod
    def at(
        cls,
        uri: str,
        headers: tuple[tuple[str, str], ...] = (),
        username: str | None = None,
        password: str | None = None,
        callback: StatusCallback | None = None,
    ) -> Sip:
        """A party with one address."""
        return cls((SipTarget(uri, headers, username, password),), callback)


@dataclass(frozen=True, slots=True)
class Dial:
    """`<Dial>`: ring `nouns`, all at once or one after another (`sequential`), for `timeout` seconds.

    `caller_id` is a user part (None: the caller's own). Without `action` the next verb runs afterwards.
    `refer_url` decides what becomes of the call when one of the two asks for a transfer (REFER).
    """

    nouns: tuple[Number | Sip, ...]
    timeout: int = 30
    caller_id: str | None = None
    action: str | None = None
    method: str = "POST"
    time_limit: int = 14400
    sequential: bool = False
    refer_url: str | None = None
    refer_method: str = "POST"


@dataclass(frozen=True, slots=True)
class Reject:
    """`<Reject>`: refuse the call; `reason` is `rejected` or `busy`."""

    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Hangup:
    """`<Hangup>`: end the call."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """`<Redirect>`: go on with another document; an empty `url` is the current one."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Pause:
    """`<Pause>`: wait `length` seconds in silence."""

    length: int = 1


@dataclass(frozen=True, slots=True)
class Refer:
    """`<Refer>`: ask the far end of the call to call `target`, a `sip:` URI, instead (RFC 3515).

    Without `action` the next verb runs afterwards.
    """

    target: str
    action: str | None = None
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class NeedsMedia:
    """A verb that only a media engine could run; `what` names the part, as `<Number sendDigits>`."""

    what: str


Verb = Dial | Refer | Reject | Hangup | Redirect | Pause | NeedsMedia


@dataclass(frozen=True, slots=True)
class Document:
    """One `<Response>`: its verbs in order and the warnings met while reading it."""

    verbs: tuple[Verb, ...]
    warnings: tuple[TwimlWarning, ...] = ()


def media_needs(document: Document) -> tuple[str, ...]:
    """What in `document` needs a media engine, in document order; empty when signalling alone can run it."""
    return tuple(verb.what for verb in document.verbs if isinstance(verb, NeedsMedia))
