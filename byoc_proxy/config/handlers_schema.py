"""The keys of what answers calls beside a trunk: TwiML bins and applications."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from byoc_proxy.config.fields import ApplicationSid, BinName, HandlerUrl, Text64, TwimlBinSid, WebUrl
from byoc_proxy.config.schema import Entry, HttpMethod
from byoc_proxy.trunk.handler_checks import LONGEST_TWIML


class TwimlBinEntry(Entry):
    sid: TwimlBinSid | None = None
    unique_name: BinName | None = None
    twiml: Annotated[str, Field(min_length=1, max_length=LONGEST_TWIML)]


class ApplicationEntry(Entry):
    sid: ApplicationSid | None = None
    friendly_name: Text64 | None = None
    voice_url: HandlerUrl | None = None
    voice_method: HttpMethod = "POST"
    voice_fallback_url: HandlerUrl | None = None
    voice_fallback_method: HttpMethod = "POST"
    status_callback: WebUrl | None = None
    status_callback_method: HttpMethod = "POST"
    voice_caller_id_lookup: bool = False
