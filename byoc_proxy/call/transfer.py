"""REFER: who is to be called in the place of the leg that asks, and what that leg is told of it (RFC 3515)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from byoc_proxy.sip.message import reason_of
from byoc_proxy.sip.uri import NameAddr, SipUri, UriError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.call.hunt import Hunt
    from byoc_proxy.call.leg import Leg
    from byoc_proxy.sip.message import Request, Response
    from byoc_proxy.sip.uri import Uri

NOT_ALLOWED: Final = 13802  # the public code: a REFER, and no referUrl that says what to do
_LONGEST_TARGET: Final = 256  # of a ReferTransferTarget
_SEPARATORS: Final = re.compile(r"[-.()]")  # of a telephone number as people write it (RFC 3966 §5.1.1)
_ID: Final = re.compile(r"\s*;\s*id\s*=\s*([^\s;]+)", re.IGNORECASE)  # of an Event
_FRAGMENT: Final = ("Content-Type", "message/sipfrag;version=2.0")


class Referral(NamedTuple):
    """What a REFER asks for: a call to `number`."""

    number: str


class Unfit(NamedTuple):
    """Why a REFER cannot be carried out: a final response."""

    status: int
    reason: str


class Wish(NamedTuple):
    """What a REFER asks for, for a script to grant: the URI of its Refer-To."""

    target: str


class Asked(NamedTuple):
    """A conversation is over because one of the two wants another one in its place."""

    wish: Wish
    reports: Reports


def read_referral(request: Request) -> Referral | Unfit:
    """The number of a Refer-To, whose host does not count: the call goes where the trunk's policy says."""
    uri = _refer_to(request)
    if isinstance(uri, Unfit):
        return uri
    if not isinstance(uri, SipUri):
        number = _SEPARATORS.sub("", unquote(uri.rest.partition(";")[0])) if uri.scheme == "tel" else ""
        return Referral(number) if number else Unfit(416, "Unsupported Refer-To")
    return Referral(uri.decoded_user) if uri.user else Unfit(484, "Refer-To Without A Number")


def read_wish(request: Request) -> Wish | Unfit:
    """The Refer-To as it is: what it means is for the application to say."""
    uri = _refer_to(request)
    if isinstance(uri, Unfit):
        return uri
    target = str(uri)
    return Wish(target) if len(target) <= _LONGEST_TARGET else Unfit(400, "Refer-To Too Long")


def _refer_to(request: Request) -> Uri | Unfit:
    """A Replaces (RFC 3891) would join two calls of the asker. We refuse what we cannot do instead of ringing
    somebody who is on the phone already.
    """
    values = request.listed("refer-to")
    if len(values) != 1:
        return Unfit(400, "One Refer-To Wanted")  # RFC 3515 §2.4.2
    try:
        uri = NameAddr.parse(values[0]).uri
    except UriError:
        return Unfit(400, "Bad Refer-To")
    if not isinstance(uri, SipUri):
        return uri
    if "replaces" in uri.headers.lower():
        return Unfit(501, "Attended Transfer Not Implemented")
    if (uri.params.get("method") or "INVITE").upper() != "INVITE":
        return Unfit(501, "Only INVITE Can Be Referred")
    return uri


def translated(event: str, numbers: Mapping[str, str]) -> str:
    """The Event of a NOTIFY as the other leg knows it: `id` is the CSeq number of the REFER (RFC 3515 §2.4.6), and
    `numbers` has those of the far end by ours. One that is not there yet is left out: the first needs none.
    """
    return _ID.sub(lambda found: f";id={numbers[found[1]]}" if found[1] in numbers else "", event)


class Reports:
    """What the leg that sent a REFER is told of the new call: NOTIFYs with the first line of each response.

    `cseq` is the number of the REFER where the dialog has had another one before (RFC 3515 §2.4.6).
    """

    def __init__(self, leg: Leg, cseq: int | None) -> None:
        self.leg = leg
        self._event = ("Event", "refer" if cseq is None else f"refer;id={cseq}")

    def heard(self, response: Response) -> None:
        """A provisional response of the new call."""
        self.tell(response.status, response.reason)

    def tell(self, status: int, reason: str = "") -> None:
        """One NOTIFY; a final status is the last (§2.4.7). A leg that has left is told nothing."""
        state = "active;expires=180" if status < 200 else "terminated;reason=noresource"
        body = f"SIP/2.0 {status} {reason or reason_of(status)}\r\n".encode("utf-8", "surrogateescape")
        headers = (self._event, ("Subscription-State", state), _FRAGMENT)
        self.leg.transact("NOTIFY", body, lambda _: None, headers)


class Transferor:
    """The leg that has asked for another one in its place, while a script sees to that: it is told how it goes, and
    kept until somebody has answered. `hunt` is what found the leg, if we called it.
    """

    def __init__(self, reports: Reports, hunt: Hunt | None) -> None:
        self._reports = reports
        self._hunt = hunt
        self._leg = reports.leg
        self._leg.on_ended = lambda _: self._free()
        if self._leg.ending is not None:
            self._free()

    def hears(self, response: Response) -> None:
        """A provisional response of whoever is called instead."""
        self._reports.heard(response)

    def leaves(self, status: int) -> None:
        """It is over for this leg, with the final response that whoever was called instead has given."""
        self._reports.tell(status)
        self._leg.hang_up()

    def _free(self) -> None:
        if self._hunt is not None:
            self._hunt.free()
