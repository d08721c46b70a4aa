"""From a `<Dial>` to hunts: which trunk, policy and caller ID each noun gets, or why it gets none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.call.intent import CallIntent
from byoc_proxy.call.quarry import Quarry
from byoc_proxy.sip.digest_client import Credentials
from byoc_proxy.sip.locate import by_priority_then_weight
from byoc_proxy.sip.sdp import SdpError, describe, is_secure
from byoc_proxy.sip.uri import SipUri, UriError
from byoc_proxy.trunk.admission import ACCOUNT_NOT_ACTIVE, SECURE_TRANSPORT_REQUIRED, inactive
from byoc_proxy.trunk.identity import Identity, Presentation
from byoc_proxy.trunk.model import (
    AccountSid,
    ByocTrunk,
    ByocTrunkSid,
    ConnectionPolicy,
    ConnectionPolicySid,
    ConnectionPolicyTarget,
    TargetSid,
)
from byoc_proxy.trunk.origination import Destination, destinations
from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING, Number

if TYPE_CHECKING:
    from collections.abc import Callable

    from byoc_proxy.call.intent import Origin
    from byoc_proxy.trunk.directory import Directory
    from byoc_proxy.twiml.verbs import Sip, SipTarget

NO_TARGETS: Final = 32010  # no valid origination URIs configured
INVALID_TRUNK: Final = 21300  # invalid BYOC trunk SID
INVALID_SIP_URI: Final = 13243
OWN_DOMAIN: Final = 13255  # a <Sip> cannot be a domain of the service itself


def on_no_trunk(account_sid: AccountSid) -> ByocTrunk:
    """The settings of a leg that is on no trunk: none, and no name."""
    return ByocTrunk(ByocTrunkSid(""), account_sid)


class CannotDial(Exception):
    """A noun that leads nowhere, with the public code that says why."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Dialling:
    """Turns the nouns of one `<Dial>` into quarries, against the newest snapshot.

    `body` is what the called side is offered, empty for nothing; `trunk` is the one that the call is on, and has no
    SID when it is on none; `answers_early` when a caller without SDP can answer a callee's before the call is
    answered. `held`: see `CallIntent`.
    """

    def __init__(
        self,
        directory: Directory,
        trunk: ByocTrunk,
        origin: Origin,
        draw: Callable[[], float],
        body: bytes = b"",
        answers_early: bool = False,
        held: int | None = None,
    ) -> None:
        self._directory = directory
        self._trunk = trunk
        self._origin = origin
        self._body = body
        self._draw = draw
        # an offer in a reliable 18x wants its answer in the PRACK: only some callers can be asked for one there
        self._prack = bool(body) or held is not None or answers_early
        self._held = held

    def quarry(self, noun: Number | Sip, call_sid: str, caller_id: str | None = None) -> Quarry:
        """What is to be hunted for a noun; `caller_id` takes the caller's place. Raises `CannotDial`."""
        account = self._directory.accounts.get(self._trunk.account_sid)
        if account is not None and account.status != "active":
            raise CannotDial(ACCOUNT_NOT_ACTIVE, inactive(account))
        if isinstance(noun, Number):
            return self._number(noun, call_sid, caller_id)
        return self._sip(noun, call_sid, caller_id)

    def _number(self, noun: Number, call_sid: str, caller_id: str | None) -> Quarry:
        trunk = self._named_trunk(noun)
        policies = self._directory.policies_of(trunk)
        number = trunk.outbound_numbers.called.apply(noun.number)
        presentation = self._directory.presentation(trunk)
        intent = self._intent(caller_id, trunk, presentation, number, to_host=trunk.to_host)
        border = self._directory.border(trunk)
        quarry: Quarry | None = None
        for policy in reversed(policies):
            wanted = destinations(policy, self._directory.region_order, self._draw)
            if wanted:
                quarry = Quarry(call_sid, intent, wanted, policy, trunk, policy.credentials, border, quarry)
        if quarry is not None:
            return quarry
        if not policies:
            raise CannotDial(NO_TARGETS, f"trunk {trunk.sid} has no connection policy")
        named = " and ".join(policy.sid for policy in policies)
        raise CannotDial(NO_TARGETS, f"connection policy {named} has no enabled target")

    def _named_trunk(self, noun: Number) -> ByocTrunk:
        """The trunk of `byoc`; without it the call goes out on the trunk that it came in on."""
        account = AccountSid(self._trunk.account_sid)
        sid = noun.byoc or self._trunk.sid
        trunk = self._directory.trunk_of(account, sid)
        if trunk is None and not sid:
            raise CannotDial(INVALID_TRUNK, "the call is on no BYOC trunk: <Number> needs byoc")
        if trunk is None:
            raise CannotDial(INVALID_TRUNK, f"account {account} has no BYOC trunk {sid}")
        return trunk

    def _sip(self, noun: Sip, call_sid: str, caller_id: str | None) -> Quarry:
        wanted = [self._address(each) for each in by_priority_then_weight(noun.targets, self._draw)]
        presentation = Presentation(self._directory.from_host(self._trunk))  # no carrier: nothing is agreed with it
        intent = self._intent(caller_id, self._trunk, presentation, wanted[0].uri.decoded_user)
        intent.terms = intent.terms._replace(transfers=False)  # it is on no trunk
        policy = ConnectionPolicy(ConnectionPolicySid(""), self._trunk.account_sid)
        return Quarry(call_sid, intent, wanted, policy, border=self._directory.border(self._trunk))

    def _address(self, target: SipTarget) -> Destination:
        """One address of a `<Sip>`. What is ours is no address: such a call would only come back in."""
        try:
            uri = SipUri.parse(target.uri)
        except UriError as error:
            raise CannotDial(INVALID_SIP_URI, str(error)) from error
        if self._directory.is_ours(uri.host):
            raise CannotDial(OWN_DOMAIN, f"{uri.host} belongs to this installation; <Sip> is for other hosts")
        credentials = None
        if target.username is not None:
            credentials = Credentials(target.username, target.password or "")
        if "secure" in uri.params:
            uri = self._secured(uri)
        place = ConnectionPolicyTarget(TargetSid(""), "", uri, target.priority, target.weight)
        return Destination(place, uri, headers=target.headers, credentials=credentials)

    def _secured(self, uri: SipUri) -> SipUri:
        """`;secure=true` of a `<Sip>`: TLS, and SRTP, which a node that carries no media cannot make of RTP."""
        params = {name: value for name, value in uri.params.items() if name != "secure"}
        if uri.params["secure"] == "true":
            if params.setdefault("transport", "tls") != "tls":
                raise CannotDial(SECURE_TRANSPORT_REQUIRED, f"secure=true needs TLS, not {params['transport']}")
            if self._held is not None or (self._body and not _is_secure(self._body)):
                raise CannotDial(
                    MEDIA_ENGINE_MISSING, "secure=true without SRTP on the other leg needs a media engine"
                )
        return SipUri(uri.host, uri.user, uri.port, params=params, password=uri.password)

    def _intent(
        self,
        caller_id: str | None,
        trunk: ByocTrunk,
        presentation: Presentation,
        number: str,
        to_host: str | None = None,
    ) -> CallIntent:
        """What to say to a carrier."""
        identity = self._origin.identity
        if caller_id is not None:
            identity = Identity.of_application(caller_id, identity)
        return CallIntent(
            presentation.from_value(identity),
            presentation.number(identity),
            number,
            (
                *self._directory.border(trunk).relayed(self._origin.fields, self._trunk.inbound_numbers.calling),
                *presentation.headers(identity),
            ),
            self._body,
            max(self._origin.max_forwards - 1, 0),
            to_host,
            trunk.terms(self._prack),
            self._held,
        )


def _is_secure(offer: bytes) -> bool:
    try:
        return is_secure(describe(offer))
    except SdpError:
        return False
