"""From the parameters of a create to the call that is wanted: pure, all faults at once (contract 1.8).

What would need a media engine is refused with its code, never left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from byoc_proxy.api import call_parameters as these
from byoc_proxy.api import forms
from byoc_proxy.api.errors import Fault, bad_request
from byoc_proxy.api.parties import is_client, is_number
from byoc_proxy.api.resource import Verb
from byoc_proxy.api.values import Sid
from byoc_proxy.call.new_call import NewCall
from byoc_proxy.sip.digest_client import Credentials
from byoc_proxy.trunk.model import TWIML, AccountSid
from byoc_proxy.twiml.interpreter import Entry, ScriptRequest
from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING, StatusCallback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from byoc_proxy.api.forms import Pairs
    from byoc_proxy.api.resource import Row
    from byoc_proxy.api.scope import Scope
    from byoc_proxy.trunk.model import Application

UNREACHABLE: Final = 21214
NO_PASSWORD: Final = 21223
NO_USERNAME: Final = 21224
URL_WINS: Final = 32019


@dataclass(frozen=True, slots=True)
class Order:
    """A call, and the coded warnings that belong into its record."""

    call: NewCall
    warnings: tuple[tuple[int, str], ...] = ()


def order_of(scope: Scope, pairs: Pairs) -> Order:
    """What a create asks for. `ApiError` with every fault."""
    by_application = any(name == these.APPLICATION_SID.name and value for name, value in pairs)
    dropped = these.QUIETLY_IGNORED | (these.OF_THE_APPLICATION if by_application else frozenset())
    taken = [(name, value) for name, value in pairs if name not in dropped]
    values = forms.read(taken, these.CREATE, Verb.CREATE)
    application = _application(values, scope)
    faults = [
        *party_faults(values, scope),
        *_script(values, application),
        *bin_faults(values, scope),
        *media_faults(values, these.MEDIA),
        *_login(values),
    ]
    if faults:
        raise bad_request(faults)
    called: str = values["to"]
    over_trunk = is_number(called)
    new = NewCall(
        account_sid=scope.account.sid,
        to=called,
        from_=values["from"],
        entry=entry_of(values) if application is None else entry_of(_of_application(application)),
        trunk_sid=_trunk_sid(values["byoc"], scope) if over_trunk else None,
        caller_id=values["caller_id"],
        timeout=values["timeout"],
        time_limit=values["time_limit"],
        callback=callback_of(values) if application is None else callback_of(_of_application(application)),
        credentials=None if over_trunk else _credentials(values),
    )
    both = values["url"] is not None and values["twiml"] is not None
    return Order(new, ((URL_WINS, "Url and Twiml are both given: Url is used"),) if both else ())


def entry_of(values: Row) -> Entry:
    """The script that `SCRIPT` parameters name: `Url` before `Twiml`."""
    fallback = values.get("fallback_url")
    otherwise = None if fallback is None else ScriptRequest(fallback, values.get("fallback_method") or "POST")
    url = values.get("url")
    if url is not None:
        return Entry(ScriptRequest(url, values.get("method") or "POST"), otherwise)
    return Entry((values.get("twiml") or "").encode(), otherwise)


def callback_of(values: Row) -> StatusCallback | None:
    """Who is told how the call goes; None: nobody."""
    url = values.get("status_callback")
    if url is None:
        return None
    events = values.get("status_callback_event") or ("completed",)
    return StatusCallback(url, values.get("status_callback_method") or "POST", events)


def media_faults(values: Row, asking: Mapping[str, str]) -> Iterator[Fault]:
    """The parameters, by column, that ask for what only a media engine could do."""
    for column, name in asking.items():
        if values.get(column):
            text = f"{name} needs a media engine, and this installation has none; leave it out"
            yield Fault(name, MEDIA_ENGINE_MISSING, text)


def party_faults(values: Row, scope: Scope) -> Iterator[Fault]:
    """Who may be called, by whom, over what. `Byoc` counts for telephone numbers alone."""
    called: str = values["to"]
    if is_client(called):
        text = f"To is {called[:80]}: a client needs a media engine, and this installation has none"
        yield Fault("To", MEDIA_ENGINE_MISSING, text)
    if not is_number(called):
        return
    if not is_number(values["from"]):
        yield Fault("From", these.FROM, f"From must be a telephone number when To is one, not {values['from']!r}")
    byoc: str | None = values["byoc"]
    if byoc is None:
        text = f"{called} cannot be reached: there is no telephone network here; name a trunk in Byoc"
        yield Fault("To", UNREACHABLE, text)
        return
    if _trunk_sid(byoc, scope) is None:
        yield Fault("Byoc", these.TRUNK, f"Byoc {byoc[:80]!r} is no BYOC trunk of this account")


def _trunk_sid(byoc: str, scope: Scope) -> str | None:
    """The trunk of this account that is meant."""
    try:
        found = scope.directory.trunk_of(AccountSid(scope.account.sid), Sid("BY").read(byoc))
    except ValueError:
        return None
    return None if found is None else found.sid


def bin_faults(values: Row, scope: Scope) -> Iterator[Fault]:
    """The TwiML bins that are named and are not there."""
    for column, name, code in (("url", "Url", these.URL), ("fallback_url", "FallbackUrl", these.OTHER_URL)):
        url = values.get(column) or ""
        if url.startswith(TWIML) and not scope.directory.bin_of(scope.account.sid, url.removeprefix(TWIML)):
            yield Fault(name, code, f"{name} {url} names no TwiML bin of this account")


def _application(values: Row, scope: Scope) -> Application | None:
    sid = values["application_sid"]
    return scope.directory.application_of(AccountSid(scope.account.sid), sid) if sid is not None else None


def _of_application(application: Application) -> Row:
    """Its handlers, by the columns of a request's."""
    return {
        "url": application.voice_url,
        "method": application.voice_method,
        "fallback_url": application.voice_fallback_url,
        "fallback_method": application.voice_fallback_method,
        "status_callback": application.status_callback,
        "status_callback_method": application.status_callback_method,
    }


def _script(values: Row, application: Application | None) -> Iterator[Fault]:
    sid = values["application_sid"]
    if sid is not None and application is None:
        yield Fault("ApplicationSid", these.APPLICATION, f"ApplicationSid {sid} is no application of this account")
    elif application is not None and application.voice_url is None:
        yield Fault("ApplicationSid", these.APPLICATION, f"ApplicationSid {sid} is an application without VoiceUrl")
    elif sid is not None:
        return
    elif values["url"] is None and values["twiml"] is None:
        yield Fault("Url", these.URL, "Url, Twiml or ApplicationSid is needed: one of them says what the call does")


def _login(values: Row) -> Iterator[Fault]:
    username, password = values["sip_auth_username"], values["sip_auth_password"]
    if username is not None and password is None:
        yield Fault("SipAuthPassword", NO_PASSWORD, "SipAuthUsername needs SipAuthPassword beside it")
    if password is not None and username is None:
        yield Fault("SipAuthUsername", NO_USERNAME, "SipAuthPassword needs SipAuthUsername beside it")


def _credentials(values: Row) -> Credentials | None:
    username = values["sip_auth_username"]
    return None if username is None else Credentials(username, values["sip_auth_password"])
