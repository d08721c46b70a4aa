"""The door: what happens to a request before it costs anything (decided in `trunk.admission`, spoken here).

Order: is the asker anybody to us -> can we keep up -> admission -> is the request well-formed (RFC 3261 §8.2) ->
limits. All answers are stateless, so a stranger costs no memory; a stranger who names none of our domains hears
nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from byoc_proxy.call.lines import Full
from byoc_proxy.call.refusals import Refusals
from byoc_proxy.sip.flow import contact_of
from byoc_proxy.sip.inspection import CAPABILITIES, inspect
from byoc_proxy.sip.refresh import least, too_brief
from byoc_proxy.sip.screening import Accept, Answer, Ignore
from byoc_proxy.sip.sdp import SdpError, describe, is_secure
from byoc_proxy.sip.uri import SipUri, UriError, bracketed
from byoc_proxy.trunk.admission import BAD_CREDENTIALS, ERROR_HEADER, Admit, Arrival, Challenge, Drop, Refuse, admit
from byoc_proxy.trunk.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.door import Door
    from byoc_proxy.call.rejections import Rejections
    from byoc_proxy.call.switchboard import Switchboard
    from byoc_proxy.sip.digest_server import Absent, DigestServer, Passed, Stale, Wrong
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Request
    from byoc_proxy.trunk.directory import Directories, Directory, HostMatch
    from byoc_proxy.trunk.model import SipDomain

MAX_WRONG_ANSWERS: Final = 3
TOO_MANY_HOPS: Final = 32006  # the public API has no other word for a loop
OFFENCES: Final = frozenset({400, 403, 404, 405, 416})  # answers that no carrier asks for all the time
_MAX_ATTEMPTS_KEPT: Final = 10_000
_PLAIN_WORDS: Final = {  # for who configured a telephone's account where a trunk was wanted
    "REGISTER": "This is a trunk: send INVITEs, do not register",
    "SUBSCRIBE": "This is a trunk: it has no events to subscribe to",
    "PUBLISH": "This is a trunk: it keeps no presence",
    "MESSAGE": "This is a trunk: it carries calls, no messages",
}


class Screen:
    """Judges every request that belongs to no session yet. Called by the user agent core."""

    def __init__(
        self,
        directories: Directories,
        digest: DigestServer,
        switchboard: Switchboard,
        door: Door,
        wall: Callable[[], float],
        rejections: Rejections,
        log: Any,
    ) -> None:
        self._directories = directories
        self._digest = digest
        self._switchboard = switchboard
        self._door = door
        self._wall = wall
        self._rejections = rejections
        self._log = log
        self._wrong_answers: OrderedDict[int, int] = OrderedDict()
        self._refusals = Refusals()

    def __call__(self, request: Request, flow: Flow) -> Accept | Answer | Ignore:
        if self._door.knows(flow):
            return self._judge(request, flow, is_stranger=False)
        held_back = self._door.holds_back(flow)
        if held_back is not None:
            return held_back
        verdict = self._judge(request, flow, is_stranger=True)
        if isinstance(verdict, Ignore) or (isinstance(verdict, Answer) and verdict.status in OFFENCES):
            self._door.blame(flow)
        return verdict

    def _judge(self, request: Request, flow: Flow, *, is_stranger: bool) -> Accept | Answer | Ignore:
        directory = self._directories.current
        host = _host(request)
        if is_stranger and directory.installation.unknown_domain == "drop":
            if not _is_anybodys_business(request, directory.find(host)):
                return Ignore(f"a stranger asked {request.method} of {host or 'no host'}", "stranger")
        if request.to_tag:
            return Answer(481)  # there is no such dialog (§12.2.2)
        if request.method == "INVITE":
            answered = self._refusals.of(request, flow) or self._door.turns_away_now(request, flow)
            return answered or self._invite(request, flow, directory, host)
        fault = _fault(request)
        if fault is not None:
            self._rejections.note(str(fault.status), flow, f"{request.method}: {fault.reason or 'not served'}")
            return fault
        if request.method == "OPTIONS":
            return self._options(flow)
        return Answer(481)  # BYE, INFO, UPDATE: there is no dialog that they could be in

    def _options(self, flow: Flow) -> Answer:
        """Carriers probe us with OPTIONS: 200 when a call would be taken (§11.2), 503 when not."""
        if self._switchboard.refusal() is not None:
            return Answer(503, None, (("Retry-After", str(self._switchboard.retry_after)),))
        return Answer(200, None, (("Contact", contact_of(flow)), *CAPABILITIES))

    def _invite(self, request: Request, flow: Flow, directory: Directory, host: str) -> Accept | Answer | Ignore:
        verdict = admit(
            _arrival(request, flow, directory, host),
            directory,
            lambda domain: self._authenticate(request, directory, domain),
        )
        if isinstance(verdict, Challenge):
            challenge = self._challenge(request, flow, verdict)  # §8.2: authentication comes before inspection
            if verdict.wrong is None or isinstance(challenge, Ignore):
                return challenge
            return self._refusals.keep(request, flow, challenge)
        fault = _fault(request)
        if isinstance(verdict, Admit):
            answer = fault or self._admitted(request, flow, verdict)
            return self._refusals.keep(request, flow, answer) if isinstance(answer, Answer) else answer
        if fault is not None:
            return fault
        match verdict:
            case Refuse(status, reason, code, text, known, trail, domain):
                self._log.info("invite.refused", status=status, code=code, trail=trail, **_names(request, flow))
                self._rejections.note(str(status), flow, text)
                if domain is not None:
                    self._rejections.tell_account(domain, code, text, flow)
                headers = ((ERROR_HEADER, f"{code} {text}"),) if known else ()
                return Answer(status, text if status == 488 else reason, headers)
            case Drop(reason, _):
                return Ignore(reason, "stranger")

    def _admitted(self, request: Request, flow: Flow, verdict: Admit) -> Accept | Answer:
        if self._switchboard.has_come_back(request, verdict.trunk.sid):
            self._log.warning("invite.refused", status=482, cause="a loop", sip_call_id=request.call_id)
            text = "The call came back to the trunk that sent it"
            self._rejections.tell_account(verdict.domain, TOO_MANY_HOPS, text, flow)
            return Answer(482, None, ((ERROR_HEADER, f"{TOO_MANY_HOPS} {text}"),))
        terms = verdict.trunk.terms()
        if too_brief(request, terms):
            return Answer(422, None, (least(terms.min_se),))  # RFC 4028 §9
        if self._switchboard.draining:
            return self._unavailable(request, flow, "Draining", self._switchboard.retry_after)
        seated = self._switchboard.seat(verdict)
        if isinstance(seated, Full):
            self._rejections.tell_account(verdict.domain, seated.code, seated.text, flow)
            error = (ERROR_HEADER, f"{seated.code} {seated.text}")
            return self._unavailable(request, flow, seated.reason, seated.retry_after, error)
        if verdict.acl_entry is None:
            self._door.trust(flow.remote[0])  # a password or a private link: as good as a list
        return Accept(seated, terms)

    def _unavailable(
        self, request: Request, flow: Flow, reason: str, retry_after: int, *headers: tuple[str, str]
    ) -> Answer:
        self._log.warning("invite.refused", status=503, cause=reason, **_names(request, flow))
        self._rejections.note("503", flow, reason)
        return Answer(503, reason, (("Retry-After", str(retry_after)), *headers))

    def _challenge(self, request: Request, flow: Flow, verdict: Challenge) -> Answer | Ignore:
        if verdict.wrong is not None:
            # right answers are never held back by wrong ones: those may come from somebody else at that address
            held_back = self._door.minds_wrong_answer(flow)
            if held_back is not None:
                return held_back
            self._rejections.note("407", flow, verdict.wrong)
            wrong = self._count_wrong_answer(request, flow)
            self._log.info("digest.wrong", cause=verdict.wrong, count=wrong, **_names(request, flow))
            if wrong >= MAX_WRONG_ANSWERS:
                known, text = self._directories.current.knows(flow.remote[0]), "Bad user credentials"
                self._rejections.tell_account(verdict.domain, BAD_CREDENTIALS, text, flow)
                error = ((ERROR_HEADER, f"{BAD_CREDENTIALS} {text}"),) if known else ()
                return Answer(403, "Forbidden", error)
        challenges = self._digest.challenges(verdict.domain.digest_algorithms, self._wall(), verdict.stale)
        return Answer(407, None, tuple(("Proxy-Authenticate", value) for value in challenges))

    def _count_wrong_answer(self, request: Request, flow: Flow) -> int:
        """Wrong answers of one dialog attempt: one source, Call-ID and From tag. Bounded, oldest forgotten."""
        key = hash((flow.remote[0], request.call_id, request.from_tag))  # a Call-ID may be as long as a message
        count = self._wrong_answers.pop(key, 0) + 1
        self._wrong_answers[key] = count
        if len(self._wrong_answers) > _MAX_ATTEMPTS_KEPT:
            self._wrong_answers.popitem(last=False)
        return count

    def _authenticate(
        self, request: Request, directory: Directory, domain: SipDomain
    ) -> Passed | Absent | Stale | Wrong:
        return self._digest.verify(
            request.headers.all("proxy-authorization"),
            request.method,
            request.uri_text,
            self._wall(),
            lambda username: directory.credentials(domain, username),
            domain.digest_algorithms,
        )


def _is_anybodys_business(request: Request, match: HostMatch | None) -> bool:
    """Whether a stranger may be answered: who names a domain is told why a call is refused, but is told of our
    being there (OPTIONS) only where credentials alone let anybody in, and of a dialog never.
    """
    if match is None or request.to_tag:
        return False
    return request.method != "OPTIONS" or not match.sources


def _fault(request: Request) -> Answer | None:
    """What is wrong with the request whoever sent it (RFC 3261 §8.2), as an answer."""
    refusal = inspect(request)
    if refusal is None:
        return None
    reason = _PLAIN_WORDS.get(request.method) if refusal.status == 405 else refusal.reason
    return Answer(refusal.status, reason, refusal.headers)


def _host(request: Request) -> str:
    try:
        uri = request.uri
    except UriError:
        return ""
    return uri.host if isinstance(uri, SipUri) else ""


def _called(request: Request) -> str:
    try:
        return number_of(request.uri)
    except UriError:
        return ""


def _arrival(request: Request, flow: Flow, directory: Directory, host: str) -> Arrival:
    match = directory.find(host)
    asks_security = match is not None and match.domain.secure
    return Arrival(
        host,
        flow.remote[0],
        cast("Literal['UDP', 'TCP', 'TLS']", flow.transport),
        _offers_secure_media(request) if asks_security else None,  # read only where it decides something
        (flow.local[0], flow.sent_by.rpartition(":")[0].strip("[]")),
        _called(request),
        flow.certificate,
    )


def _offers_secure_media(request: Request) -> bool | None:
    if not request.sdp:
        return None
    try:
        return is_secure(describe(request.sdp))
    except SdpError:
        return False


def _names(request: Request, flow: Flow) -> dict[str, object]:
    return {
        "sip_call_id": request.call_id,
        "source": f"{bracketed(flow.remote[0])}:{flow.remote[1]}",
        "uri": request.uri_text,
    }
