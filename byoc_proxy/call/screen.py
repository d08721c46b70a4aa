"""The door: what happens to a request before it costs anything (decided in `trunk.admission`, spoken here).

Order: is the asker anybody to us -> admission -> is the request well-formed (RFC 3261 §8.2) -> limits. All answers
are stateless, so a stranger costs no memory; a stranger who names none of our domains hears nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from byoc_proxy.call.lines import Full
from byoc_proxy.call.refusals import Refusals
from byoc_proxy.sip.core import Accept, Answer, Ignore, contact_of
from byoc_proxy.sip.inspection import CAPABILITIES, inspect
from byoc_proxy.sip.sdp import SdpError, describe, is_secure
from byoc_proxy.sip.uri import SipUri, UriError
from byoc_proxy.trunk.admission import BAD_CREDENTIALS, Admit, Arrival, Challenge, Drop, Refuse, admit
from byoc_proxy.trunk.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.switchboard import Switchboard
    from byoc_proxy.sip.digest_server import Absent, DigestServer, Passed, Stale, Wrong
    from byoc_proxy.sip.flow import Flow
    from byoc_proxy.sip.message import Request
    from byoc_proxy.trunk.directory import Directories, Directory, HostMatch
    from byoc_proxy.trunk.model import SipDomain

ERROR_HEADER: Final = "X-Byoc-Error"
MAX_WRONG_ANSWERS: Final = 3
TOO_MANY_HOPS: Final = 32006  # the public API has no other word for a loop
_MAX_ATTEMPTS_KEPT: Final = 10_000
_NOT_A_REGISTRAR: Final = "This is a trunk: send INVITEs, do not register"


class Screen:
    """Judges every request that belongs to no session yet. Called by the user agent core."""

    def __init__(
        self,
        directories: Directories,
        digest: DigestServer,
        switchboard: Switchboard,
        now: Callable[[], float],
        wall: Callable[[], float],
        log: Any,
    ) -> None:
        """`now` is the loop's clock, `wall` that of the world, both in seconds."""
        self._directories = directories
        self._digest = digest
        self._switchboard = switchboard
        self._now = now
        self._wall = wall
        self._log = log
        self._wrong_answers: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._refusals = Refusals()

    def __call__(self, request: Request, flow: Flow) -> Accept | Answer | Ignore:
        directory = self._directories.current
        host = _host(request)
        if self._is_stranger(directory, flow) and not _is_anybodys_business(request, directory.find(host)):
            return Ignore(f"a stranger asked {request.method} of {host or 'no host'}")
        if request.to_tag:
            return Answer(481)  # there is no such dialog (§12.2.2)
        if request.method == "INVITE":
            return self._refusals.of(request, flow) or self._invite(request, flow, directory, host)
        fault = _fault(request)
        if fault is not None:
            return fault
        if request.method == "OPTIONS":
            return self._options(flow)
        return Answer(481)  # BYE, INFO, UPDATE: there is no dialog that they could be in

    def _is_stranger(self, directory: Directory, flow: Flow) -> bool:
        return directory.installation.unknown_domain == "drop" and not directory.knows(flow.remote[0])

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
            return challenge if verdict.wrong is None else self._refusals.keep(request, flow, challenge)
        fault = _fault(request)
        if isinstance(verdict, Admit):
            answer = fault or self._admitted(request, flow, verdict)
            return self._refusals.keep(request, flow, answer) if isinstance(answer, Answer) else answer
        if fault is not None:
            return fault
        match verdict:
            case Refuse(status, reason, code, text, known, trail):
                self._log.info("invite.refused", status=status, code=code, trail=trail, **_names(request, flow))
                headers = ((ERROR_HEADER, f"{code} {text}"),) if known else ()
                return Answer(status, text if status == 488 else reason, headers)
            case Drop(reason, _):
                return Ignore(reason)

    def _admitted(self, request: Request, flow: Flow, verdict: Admit) -> Accept | Answer:
        if self._switchboard.has_come_back(request, verdict.trunk.sid):
            self._log.warning("invite.refused", status=482, cause="a loop", sip_call_id=request.call_id)
            return Answer(
                482, None, ((ERROR_HEADER, f"{TOO_MANY_HOPS} The call came back to the trunk that sent it"),)
            )
        if self._switchboard.draining:
            return self._unavailable(request, flow, "Draining", self._switchboard.retry_after)
        seated = self._switchboard.seat(verdict, self._now())
        if isinstance(seated, Full):
            error = (ERROR_HEADER, f"{seated.code} {seated.text}")
            return self._unavailable(request, flow, seated.reason, seated.retry_after, error)
        return Accept(seated)

    def _unavailable(
        self, request: Request, flow: Flow, reason: str, retry_after: int, *headers: tuple[str, str]
    ) -> Answer:
        self._log.warning("invite.refused", status=503, cause=reason, **_names(request, flow))
        return Answer(503, reason, (("Retry-After", str(retry_after)), *headers))

    def _challenge(self, request: Request, flow: Flow, verdict: Challenge) -> Answer:
        if verdict.wrong is not None:
            wrong = self._count_wrong_answer(request, flow)
            self._log.info("digest.wrong", cause=verdict.wrong, count=wrong, **_names(request, flow))
            if wrong >= MAX_WRONG_ANSWERS:
                known = self._directories.current.knows(flow.remote[0])
                error = ((ERROR_HEADER, f"{BAD_CREDENTIALS} Bad user credentials"),) if known else ()
                return Answer(403, "Forbidden", error)
        challenges = self._digest.challenges(verdict.domain.digest_algorithms, self._wall(), verdict.stale)
        return Answer(407, None, tuple(("Proxy-Authenticate", value) for value in challenges))

    def _count_wrong_answer(self, request: Request, flow: Flow) -> int:
        """Wrong answers of one dialog attempt: one source, Call-ID and From tag. Bounded, oldest forgotten."""
        key = (flow.remote[0], request.call_id, request.from_tag)
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
    return request.method != "OPTIONS" or match.rules.sources is None


def _fault(request: Request) -> Answer | None:
    """What is wrong with the request whoever sent it (RFC 3261 §8.2), as an answer."""
    refusal = inspect(request)
    if refusal is None:
        return None
    reason = _NOT_A_REGISTRAR if request.method == "REGISTER" else refusal.reason
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
    asks_security = match is not None and match.rules.domain.secure
    return Arrival(
        host,
        flow.remote[0],
        cast("Literal['UDP', 'TCP', 'TLS']", flow.transport),
        _offers_secure_media(request) if asks_security else None,  # read only where it decides something
        (flow.local[0], flow.sent_by.rpartition(":")[0].strip("[]")),
        _called(request),
    )


def _offers_secure_media(request: Request) -> bool | None:
    if not request.sdp:
        return None
    try:
        return is_secure(describe(request.sdp))
    except SdpError:
        return False


def _names(request: Request, flow: Flow) -> dict[str, object]:
    return {"sip_call_id": request.call_id, "source": f"{flow.remote[0]}:{flow.remote[1]}", "uri": request.uri_text}
