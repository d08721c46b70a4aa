"""What answers calls beside a trunk, as resources: applications (contract 1.10) and our TwiML bins.

The fields of an application that are about messages are kept and given back, as SDKs send them; nothing here sends
a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.api.errors import CONFLICT, INVALID_PARAMETER, Fault, bad_request
from byoc_proxy.api.resource import ACCOUNT_PATH, Limit, Parameter, Resource, Style, Ways, text, url_and_method
from byoc_proxy.api.values import BinName, Choice, HandlerUrl, Lines, Truth, Url
from byoc_proxy.storage import tables
from byoc_proxy.trunk.handler_checks import LONGEST_TWIML
from byoc_proxy.twiml.template import template_fault

if TYPE_CHECKING:
    from byoc_proxy.api.resource import Row
    from byoc_proxy.api.scope import Scope
    from byoc_proxy.provision.write import Write


async def _application(_: Write, __: Scope, values: Row, ___: Row | None) -> Row:
    """There is one version to choose from, so the choice is not kept."""
    return {name: value for name, value in values.items() if name != "api_version"}


async def _twiml_bin(_: Write, __: Scope, values: Row, ___: Row | None) -> Row:
    """A document that could never run is refused with the code that a call would have met."""
    fault = template_fault(values["twiml"]) if "twiml" in values else None
    if fault is not None:
        raise bad_request([Fault("Twiml", fault.code, f"Twiml cannot run: {fault.text}")])
    return values


APPLICATIONS: Final = Resource(
    "Application",
    "AP",
    tables.applications,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/Applications",
    "applications",
    (
        text("FriendlyName", "friendly_name", 64),
        Parameter("ApiVersion", Choice(("2010-04-01",)), "api_version"),
        *url_and_method("VoiceUrl", "voice_url", kind=HandlerUrl()),
        *url_and_method("VoiceFallbackUrl", "voice_fallback_url", kind=HandlerUrl()),
        *url_and_method("StatusCallback", "status_callback"),
        Parameter("VoiceCallerIdLookup", Truth(), "voice_caller_id_lookup", False),
        *url_and_method("SmsUrl", "sms_url"),
        *url_and_method("SmsFallbackUrl", "sms_fallback_url"),
        Parameter("SmsStatusCallback", Url(), "sms_status_callback"),
        Parameter("MessageStatusCallback", Url(), "message_status_callback"),
        Parameter("PublicApplicationConnectEnabled", Truth(), "public_application_connect_enabled", False),
    ),
    (
        *("account_sid", "api_version", "date_created", "date_updated", "friendly_name", "message_status_callback"),
        *("sid", "sms_fallback_method", "sms_fallback_url", "sms_method", "sms_status_callback", "sms_url"),
        *("status_callback", "status_callback_method", "uri", "voice_caller_id_lookup", "voice_fallback_method"),
        *("voice_fallback_url", "voice_method", "voice_url", "public_application_connect_enabled"),
    ),
    section="applications",
    filters=(text("FriendlyName", "friendly_name", 64),),
    limit=Limit(1000, INVALID_PARAMETER, "applications"),
    ways=Ways(prepare=_application),
)

TWIML_BINS: Final = Resource(
    "TwimlBin",
    "EH",
    tables.twiml_bins,
    Style.V1,
    "/v1/TwimlBins",
    "twiml_bins",
    (
        Parameter("UniqueName", BinName(), "unique_name", required=True),
        text("FriendlyName", "friendly_name", 255),
        Parameter("Twiml", Lines(LONGEST_TWIML), "twiml", required=True),
    ),
    (
        *("account_sid", "sid", "friendly_name", "unique_name", "twiml"),
        *("date_created", "date_updated", "url"),
    ),
    section="twiml_bins",
    limit=Limit(1000, INVALID_PARAMETER, "twiml_bins"),
    duplicate=(CONFLICT, "There is a TwiML bin called {unique_name} already"),
    ways=Ways(prepare=_twiml_bin),
)
