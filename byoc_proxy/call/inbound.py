"""Door 1: an INVITE from a carrier that the screen has let in becomes a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from byoc_proxy.call.call import Call
from byoc_proxy.call.intent import Origin
from byoc_proxy.call.journal import Journal
from byoc_proxy.call.leg import Leg
from byoc_proxy.call.progress import Progress
from byoc_proxy.call.status import Status
from byoc_proxy.sip.flow import place_of
from byoc_proxy.storage.record import CallRecord
from byoc_proxy.trunk.identity import Identity
from byoc_proxy.trunk.numbers import number_of, with_format
from byoc_proxy.trunk.verdicts import FinalResponse
from byoc_proxy.twiml.interpreter import Entry, ScriptRequest
from byoc_proxy.webhook.parameters import CallFacts, SipFacts, party

if TYPE_CHECKING:
    from collections.abc import Iterator

    from byoc_proxy.call.lines import Line
    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.digest_client import Credentials
    from byoc_proxy.sip.message import Request
    from byoc_proxy.sip.outputs import Invited
    from byoc_proxy.trunk.admission import Admit
    from byoc_proxy.trunk.model import ByocTrunk

LONGEST_SETUP: Final = 900.0  # more than any single <Dial> may ring
SETUP_TOO_LONG: Final = 32016  # post dial delay timeout


class InboundCall(Call):
    """The call of an INVITE; it holds its line as long as it lives."""

    def __init__(self, services: Services, leg: Leg, origin: Origin, trunk: ByocTrunk, journal: Journal) -> None:
        super().__init__(services, journal, origin, trunk, _entry(trunk), leg)
        self.line: Line | None = None
        leg.on_acked = lambda _: journal.stage("acknowledged")

    async def run(self) -> None:
        overdue = asyncio.get_running_loop().call_later(LONGEST_SETUP, self._overdue)
        try:
            await super().run()
        finally:
            overdue.cancel()

    async def open(self) -> bool:
        if self.trunk.ringing == "early":
            self.ring()
        return True

    def release(self) -> None:
        if self.line is not None:
            self.services.lines.release(self.line)
            self.line = None

    def _overdue(self) -> None:
        """Each stage has its own limit, but a script can have any number of them: no INVITE waits for ever."""
        if self.progress.over or self.leg.answered:
            return
        text = f"no final response to the caller after {LONGEST_SETUP:g} s"
        self.journal.event(SETUP_TOO_LONG, text)
        self.refuse(FinalResponse(408, "Request Timeout"), f"{SETUP_TOO_LONG} {text}")


def _entry(trunk: ByocTrunk) -> Entry:
    fallback = None
    if trunk.voice_fallback_url is not None:
        fallback = ScriptRequest(trunk.voice_fallback_url, trunk.voice_fallback_method)
    if trunk.voice_twiml is not None:
        return Entry(trunk.voice_twiml.encode(), fallback)
    return Entry(ScriptRequest(trunk.voice_url or "", trunk.voice_method), fallback)


def open_inbound(services: Services, invited: Invited, admission: Admit) -> InboundCall:
    """The call of an admitted INVITE, not yet running."""
    request, trunk = invited.request, admission.trunk
    leg = Leg(services.endpoint, invited.session)
    leg.remote_sdp = request.sdp
    believed = _believes(admission)
    identity = Identity.of(request, believed, trunk.inbound_numbers.calling)
    facts = _facts(f"CA{services.token()}", request, leg.session.flow.remote[0], admission, identity)
    journal = _begun(services, leg, admission, facts)
    call = InboundCall(services, leg, Origin.of(request, identity), trunk, journal)
    leg.belongs_to(trunk)
    leg.secure = admission.domain.secure
    leg.border = services.directories.current.border(trunk)
    leg.session.credentials = _credentials(services, trunk)
    for line in (leg.detour, *_reasons(request, identity, facts, believed)):
        journal.decided(line)
    return call


def _begun(services: Services, leg: Leg, admission: Admit, facts: CallFacts) -> Journal:
    record = _record(leg, admission, facts)
    journal = Journal(services, record, Progress(services, facts, Status.INITIATED, record, record))
    journal.begin("received")
    journal.tell(
        "call.admitted",
        trunk_sid=record.trunk_sid,
        domain=record.domain,
        caller=facts.caller,
        called=facts.called,
        source=record.source,
        decisions=record.decisions,
    )
    return journal


def _record(leg: Leg, admission: Admit, facts: CallFacts) -> CallRecord:
    flow, trunk, domain = leg.session.flow, admission.trunk, admission.domain
    return CallRecord(
        call_sid=facts.call_sid,
        account_sid=facts.account_sid,
        trunk_sid=trunk.sid,
        trunk=trunk.friendly_name,
        domain_sid=domain.sid,
        domain=domain.domain_name,
        region=admission.region,
        direction=facts.direction,
        caller=facts.caller,
        called=facts.called,
        source=place_of(flow.transport, flow.remote),
        call_id=leg.call_id,
        caller_raw=facts.caller_raw,
        called_raw=facts.called_raw,
        caller_name=facts.caller_name,
        username=admission.username,
        acl_entry=str(admission.acl_entry) if admission.acl_entry else None,
        decisions=list(admission.trail),
    )


def _credentials(services: Services, trunk: ByocTrunk) -> Credentials | None:
    """For a carrier that challenges our BYE in a call of its own. Who chooses the realm could learn from the answer
    to it, so here it must be the one that the policy names.
    """
    policy = services.directories.current.policy_of(trunk)
    login = policy.credentials if policy is not None else None
    return login if login is not None and login.realm is not None else None


def _believes(admission: Admit) -> bool:
    """RFC 3325 §5: an assertion of who calls counts from a node that we trust, and only from such a one."""
    trusted = admission.trunk.trust_identity
    return trusted == "always" or (trusted == "acl" and admission.acl_entry is not None)


def _reasons(request: Request, identity: Identity, facts: CallFacts, believed: bool) -> Iterator[str]:
    """Why the caller is called what it is called, for the trail."""
    if "p-asserted-identity" in request.headers:
        yield (
            "P-Asserted-Identity is believed" if believed else "P-Asserted-Identity is not believed of this source"
        )
    if identity.withheld:
        wish = f"Privacy {';'.join(identity.privacy)}" if identity.privacy else "From"
        yield f"the caller is anonymous: {wish}"
    for side, raw, number in (
        ("calling", facts.caller_raw, facts.caller),
        ("called", facts.called_raw, facts.called),
    ):
        if raw not in number:
            yield f"{side} number {raw} is {number}"


def _facts(call_sid: str, request: Request, source: str, admission: Admit, identity: Identity) -> CallFacts:
    trunk, domain = admission.trunk, admission.domain
    numbers = trunk.inbound_numbers
    headers: tuple[tuple[str, str], ...] = ()
    if trunk.pass_headers:
        headers = tuple((name, value) for key, name, value in request.headers if _is_passed(key))
    return CallFacts(
        call_sid,
        trunk.account_sid,
        party(with_format(request.from_.uri, numbers.calling), trunk.caller_format),
        party(with_format(request.to.uri, numbers.called), trunk.caller_format),
        trunk_sid=trunk.sid,
        caller_raw=number_of(request.from_.uri),
        called_raw=number_of(request.to.uri),
        caller_name=_caller_name(identity) if trunk.cnam_lookup_enabled else None,
        sip=SipFacts(
            domain.domain_name,
            domain.sid,
            request.call_id,
            source,
            admission.username,
            admission.region,
            headers,
        ),
        body_format=trunk.webhook_format,
    )


def _caller_name(identity: Identity) -> str | None:
    """The name that the carrier's look-up put beside the number; what is withheld is not told."""
    named = identity.asserted if identity.asserted and identity.asserted.display_name else identity.presented
    return named.display_name if named.display_name and not identity.withheld else None


def _is_passed(key: str) -> bool:
    """What an application may see of a carrier's headers."""
    return key.startswith("x-") or key == "user-to-user"
