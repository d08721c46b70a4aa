"""Door 1: an INVITE from a carrier that the screen has let in becomes a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.call.call import Call
from byoc_proxy.call.intent import Origin
from byoc_proxy.call.leg import Leg
from byoc_proxy.webhook.parameters import CallFacts, SipFacts, party

if TYPE_CHECKING:
    from byoc_proxy.call.services import Services
    from byoc_proxy.sip.message import Request
    from byoc_proxy.sip.outputs import Invited
    from byoc_proxy.trunk.admission import Admit


def open_inbound(services: Services, invited: Invited, admission: Admit) -> Call:
    """The call of an admitted INVITE, not yet running."""
    request = invited.request
    leg = Leg(services.endpoint, invited.session)
    leg.remote_sdp = request.sdp
    facts = _facts(f"CA{services.token()}", request, leg.session.flow.remote[0], admission)
    call = Call(services, leg, Origin.of(request), admission, facts)
    leg.session.route(admission.trunk.contact_routing)
    call.journal.decided(leg.detour)
    return call


def _facts(call_sid: str, request: Request, source: str, admission: Admit) -> CallFacts:
    trunk, domain = admission.trunk, admission.domain
    headers: tuple[tuple[str, str], ...] = ()
    if trunk.pass_headers:
        headers = tuple((name, value) for key, name, value in request.headers if _is_passed(key))
    return CallFacts(
        call_sid,
        trunk.account_sid,
        party(request.from_.uri, trunk.caller_format),
        party(request.to.uri, trunk.caller_format),
        trunk_sid=trunk.sid,
        sip=SipFacts(
            domain.domain_name,
            domain.sid,
            request.call_id,
            source,
            admission.username,
            admission.region,
            headers,
        ),
    )


def _is_passed(key: str) -> bool:
    """What an application may see of a carrier's headers."""
    return key.startswith("x-") or key == "user-to-user"
