"""Runs a script: documents one after another on a `Stage`, which is all that a script may do to a call.

Verbs run in document order. `<Redirect>`, and `<Dial>` with an `action`, replace the document. When a
document cannot be fetched, read or run, the fallback of the call is asked once for that document, with
`ErrorCode` and `ErrorUrl`; when there is none, or it fails as well, the call ends with the code of the
first failure.

Refuses a script that fetches `MAX_IDLE_DOCUMENTS` in a row while nothing happens on the call: it would spin
for ever (11215). A pause or an answered dial starts the count anew, so waiting loops may run as long as the
caller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol
from urllib.parse import urljoin

from byoc_proxy.twiml.document import parse
from byoc_proxy.twiml.relative import located
from byoc_proxy.twiml.verbs import (
    MEDIA_ENGINE_MISSING,
    Dial,
    Document,
    Hangup,
    NeedsMedia,
    Pause,
    Redirect,
    Refer,
    Reject,
    TwimlError,
)
from byoc_proxy.twiml.words import INVALID_URL

MAX_IDLE_DOCUMENTS: Final = 1000

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ScriptRequest:
    """A request for the next document; `extra` goes beside the parameters of every request of a call."""

    url: str
    method: str = "POST"
    extra: Parameters = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer; `url` is its final address, after redirects, and the base of relative URLs in it.

    `spoken`: it is plain text, which is to be read out if it is no TwiML.
    """

    url: str
    body: bytes
    spoken: bool = False


class FetchFailed(Exception):
    """`Stage.fetch` got no document: public error code, sentence for the record, the URL that failed."""

    def __init__(self, code: int, text: str, url: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.url = url


@dataclass(frozen=True, slots=True)
class DialOutcome:
    """How a `<Dial>` went: a DialCallStatus, and the seconds from answer to end of the called leg.

    `call_sid` names the called leg, None when there was none; `duration` is None of one that goes on. `is_sip` says
    that the leg was a `<Sip>`; only then the application is told `sip_call_id`, `sip_response_code` and
    `sip_headers`, the X- headers of its answer or refusal and of its BYE. `replaced_by` takes the place of the
    script, because one of the two has asked for a transfer.
    """

    status: str
    call_sid: str | None = None
    duration: int | None = 0
    bridged: bool = False
    sip_response_code: int | None = None
    sip_call_id: str | None = None
    is_sip: bool = False
    sip_headers: Parameters = ()
    replaced_by: ScriptRequest | None = None


@dataclass(frozen=True, slots=True)
class ReferOutcome:
    """How a `<Refer>` went: a ReferCallStatus, the response to the REFER, and the newest that a NOTIFY told of."""

    status: str
    sip_response_code: int | None = None
    notify_code: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a script starts: a request or a document given inline, and the fallback for failing documents."""

    first: ScriptRequest | bytes
    fallback: ScriptRequest | None = None


class Stage(Protocol):
    """What a script may do to its call. An exception other than `FetchFailed` ends the script as well."""

    async def fetch(self, request: ScriptRequest) -> Fetched:
        """Ask the application; raises `FetchFailed`."""
        ...

    async def dial(self, dial: Dial, then: ScriptRequest | None) -> DialOutcome:
        """Call somebody and, if they answer, wait until that leg is over.

        `then` is whom the application wants asked afterwards; should the caller leave meanwhile, no script goes on,
        and the stage tells it how things stood.
        """
        ...

    async def refer(self, refer: Refer, then: ScriptRequest | None) -> ReferOutcome:
        """Ask the far end to call somebody else, and wait until it says what came of it. `then` as for `dial`."""
        ...

    async def pause(self, seconds: float) -> None:
        """Do nothing for a while; an unanswered leg keeps ringing."""
        ...

    def reject(self, reason: str) -> None:
        """Refuse an unanswered leg (`rejected` or `busy`), hang up an answered one. The script is over."""
        ...

    def hang_up(self) -> None:
        """`<Hangup>` or the end of the last document. The script is over."""
        ...

    def note(self, code: int, text: str) -> None:
        """Keep a warning or an error for the call's record."""
        ...

    def fail(self, code: int, text: str) -> None:
        """The script failed beyond its fallback: end the call with this code, noted before."""
        ...


@dataclass(frozen=True, slots=True)
class _Step:
    """The next document: how to get it and, when it is the fallback of a failed one, why that failed."""

    source: ScriptRequest | bytes
    cause: tuple[int, str] | None = None


async def run(stage: Stage, entry: Entry) -> None:
    """Run the script that starts at `entry` until it is over; raises nothing of its own."""
    await _Script(stage, entry.fallback).run(_Step(entry.first))


class _Script:
    __slots__ = ("_fallback", "_idle", "_stage")

    def __init__(self, stage: Stage, fallback: ScriptRequest | None) -> None:
        self._stage = stage
        self._fallback = fallback
        self._idle = 0

    async def run(self, first: _Step) -> None:
        step: _Step | None = first
        while step is not None:
            if self._idle == MAX_IDLE_DOCUMENTS:
                text = f"{MAX_IDLE_DOCUMENTS} documents in a row and nothing happened on the call"
                self._stage.note(11215, text)
                self._stage.fail(11215, text)
                return
            self._idle += 1
            step = await self._advance(step)

    async def _advance(self, step: _Step) -> _Step | None:
        """One document from its request to its end: the step after it, or None when the script is over."""
        url = step.source.url if isinstance(step.source, ScriptRequest) else ""
        try:
            fetched = await self._open(step.source)
            url = fetched.url
            return await self._perform(_read(fetched), step.source, url)
        except FetchFailed as failed:
            return self._fall_back(step, failed.code, failed.text, failed.url)
        except TwimlError as error:
            return self._fall_back(step, error.code, error.text, url)

    async def _open(self, source: ScriptRequest | bytes) -> Fetched:
        if isinstance(source, ScriptRequest):
            return await self._stage.fetch(source)
        return Fetched("", source)

    async def _perform(self, document: Document, source: ScriptRequest | bytes, url: str) -> _Step | None:
        for warning in document.warnings:
            self._stage.note(warning.code, warning.text)
        for verb in document.verbs:
            match verb:
                case Dial() | Refer():
                    step = await self._engage(verb, source, url)
                    if step is not None:
                        return step
                case Pause(length):
                    self._idle = 0
                    await self._stage.pause(length)
                case Redirect(target, method):
                    return _Step(_goal(source, url, target, method))
                case _:
                    self._finish(verb)
                    return None
        self._stage.hang_up()
        return None

    def _finish(self, verb: Reject | Hangup | NeedsMedia) -> None:
        match verb:
            case Reject(reason):
                self._stage.reject(reason)
            case Hangup():
                self._stage.hang_up()
            case NeedsMedia(what):
                raise TwimlError(MEDIA_ENGINE_MISSING, f"{what} needs a media engine and none is configured")

    async def _engage(self, verb: Dial | Refer, source: ScriptRequest | bytes, url: str) -> _Step | None:
        """A verb that is about somebody else. Its `action` replaces the document: what follows is unreachable."""
        then = None if verb.action is None else _goal(source, url, verb.action, verb.method)
        told = then if isinstance(then, ScriptRequest) else None
        if isinstance(verb, Dial):
            outcome = await self._stage.dial(_complete(verb, source, url), told)
            if outcome.bridged:
                self._idle = 0
            if outcome.replaced_by is not None:
                return _Step(outcome.replaced_by)
            extra = dial_parameters(outcome)
        else:
            extra = refer_parameters(await self._stage.refer(verb, told))
        if told is not None:
            return _Step(replace(told, extra=extra))
        return None if then is None else _Step(then)

    def _fall_back(self, step: _Step, code: int, text: str, url: str) -> _Step | None:
        self._stage.note(code, text)
        if self._fallback is None or step.cause is not None:
            self._stage.fail(*(step.cause or (code, text)))
            return None
        why = (*self._fallback.extra, ("ErrorCode", str(code)), ("ErrorUrl", url))
        return _Step(ScriptRequest(self._fallback.url, self._fallback.method, why), cause=(code, text))


def _read(fetched: Fetched) -> Document:
    try:
        return parse(fetched.body)
    except TwimlError as error:
        if not fetched.spoken:
            raise
        text = f"text/plain that is no TwiML ({error.text}) would be spoken: that needs a media engine"
        raise TwimlError(MEDIA_ENGINE_MISSING, f"{text} and none is configured") from error


def _complete(dial: Dial, source: ScriptRequest | bytes, url: str) -> Dial:
    """`dial` with every URL in it absolute."""
    dial = located(dial, url)
    if not dial.refer_url:
        return dial
    goal = _goal(source, url, dial.refer_url, dial.refer_method)
    return replace(dial, refer_url=goal.url) if isinstance(goal, ScriptRequest) else dial


def _goal(source: ScriptRequest | bytes, base: str, target: str, method: str) -> ScriptRequest | bytes:
    """The document at `target`, relative to `base`; empty means the current one (RFC 3986 §4.4)."""
    if not target and isinstance(source, bytes):
        return source
    try:
        url = urljoin(base, target)
    except ValueError as error:  # brackets that are no IPv6 address
        raise TwimlError(INVALID_URL, f"{target[:80]!r} is not a URL") from error
    return ScriptRequest(url, method)


def dial_parameters(outcome: DialOutcome) -> Parameters:
    """What the `action` of a `<Dial>` is told of how it went."""
    parameters = [("DialCallStatus", outcome.status)]
    if outcome.call_sid is not None:
        parameters.append(("DialCallSid", outcome.call_sid))
    if outcome.duration is not None:
        parameters.append(("DialCallDuration", str(outcome.duration)))
    parameters.append(("DialBridged", "true" if outcome.bridged else "false"))
    if outcome.is_sip and outcome.sip_call_id is not None:
        parameters.append(("DialSipCallId", outcome.sip_call_id))
    if outcome.is_sip and outcome.sip_response_code is not None:
        parameters.append(("DialSipResponseCode", str(outcome.sip_response_code)))
    if outcome.is_sip:
        parameters += [(f"DialSipHeader_{name}", value) for name, value in outcome.sip_headers]
    return tuple(parameters)


def refer_parameters(outcome: ReferOutcome) -> Parameters:
    """What the `action` of a `<Refer>` is told of how it went."""
    parameters = [("ReferCallStatus", outcome.status)]
    if outcome.sip_response_code is not None:
        parameters.append(("ReferSipResponseCode", str(outcome.sip_response_code)))
    if outcome.notify_code is not None:
        parameters.append(("NotifySipResponseCode", str(outcome.notify_code)))
    return tuple(parameters)
