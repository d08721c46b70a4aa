"""Conferences and their participants (contract 1.9), as far as they can be had without an engine that mixes.

No conference is ever held, so none is listed or found. Who is to be called into one is read, and judged, like any
call; then the answer names what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.api import call_parameters as calls
from byoc_proxy.api import forms, paging
from byoc_proxy.api.call_orders import party_faults
from byoc_proxy.api.errors import Fault, bad_request, not_found
from byoc_proxy.api.moments import three_ways
from byoc_proxy.api.openapi import closed, envelope_schema, form_schema, in_query, operation, paging_parameters
from byoc_proxy.api.resource import ACCOUNT_PATH, Parameter, Style, Verb, text
from byoc_proxy.api.server import Answer, Endpoint
from byoc_proxy.api.values import Choice, Sid, Truth, Url, Whole, Words
from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING

if TYPE_CHECKING:
    from byoc_proxy.api.openapi import Json
    from byoc_proxy.api.server import Ask

LABEL: Final = 16025
CONFERENCES_PATH: Final = f"{ACCOUNT_PATH}/Conferences.json"
CONFERENCE_PATH: Final = f"{ACCOUNT_PATH}/Conferences/{{sid}}.json"
PARTICIPANTS_PATH: Final = f"{ACCOUNT_PATH}/Conferences/{{conference}}/Participants.json"
PARTICIPANT_PATH: Final = f"{ACCOUNT_PATH}/Conferences/{{conference}}/Participants/{{participant}}.json"

_CONFERENCE_EVENTS: Final = (
    *("join", "leave", "mute", "hold", "modify", "speaker", "announcement", "start", "end"),
)
_RECORDING_EVENTS: Final = ("in-progress", "absent", "completed")
_FILTERS: Final = (
    *three_ways("DateCreated", "date_created"),
    *three_ways("DateUpdated", "date_updated"),
    text("FriendlyName", "friendly_name", 128),
    Parameter("Status", Choice(("init", "in-progress", "completed")), "status"),
)
PARTICIPANT: Final = (
    *calls.PARTIES,
    *calls.callback("StatusCallback", "status_callback", *calls.EVENTS, code=calls.EVENT),
    Parameter("Label", Words(128), "label", code=LABEL),
    Parameter("Timeout", Whole(5, calls.LONGEST_TIMEOUT), "timeout", 60, code=calls.TIMEOUT),
    calls.TIME_LIMIT,
    Parameter("Muted", Truth(), "muted", False),
    Parameter("Beep", Choice(("true", "false", "onEnter", "onExit")), "beep", "true"),
    Parameter("StartConferenceOnEnter", Truth(), "start_conference_on_enter", True),
    Parameter("EndConferenceOnExit", Truth(), "end_conference_on_exit", False),
    Parameter("WaitUrl", Url(), "wait_url", code=calls.URL),
    Parameter("WaitMethod", calls.METHODS, "wait_method", "POST", code=calls.METHOD),
    Parameter("EarlyMedia", Truth(), "early_media", True),
    Parameter("MaxParticipants", Whole(2, 250), "max_participants", 250),
    Parameter(
        "ConferenceRecord",
        Choice(("true", "false", "record-from-start", "do-not-record")),
        "conference_record",
        "false",
    ),
    Parameter("ConferenceTrim", Choice(("trim-silence", "do-not-trim")), "conference_trim", "trim-silence"),
    *calls.callback("ConferenceStatusCallback", "conference_status_callback", *_CONFERENCE_EVENTS),
    *calls.callback("ConferenceRecordingStatusCallback", "conference_recording_callback", *_RECORDING_EVENTS),
    *calls.RECORDING,
    *calls.SIP_AUTH,
    Parameter("Region", Words(32), "region"),
    Parameter("Coaching", Truth(), "coaching", False),
    Parameter("CallSidToCoach", Sid("CA"), "call_sid_to_coach"),
    Parameter("JitterBufferSize", Choice(("off", "small", "medium", "large")), "jitter_buffer_size", "large"),
    *calls.ABOUT_THE_CALL,
    *calls.MACHINE_DETECTION,
    *calls.callback("AmdStatusCallback", "amd_status_callback"),
    Parameter("CallerDisplayName", Words(255, least=2), "caller_display_name"),
)
_TEXT: Final[Json] = {"type": "string"}
_MAYBE_TEXT: Final[Json] = {"type": ["string", "null"]}
_TRUTH: Final[Json] = {"type": "boolean"}
CONFERENCE_ITEM: Final[Json] = closed(
    {
        **dict.fromkeys(("sid", "account_sid", "api_version", "friendly_name", "region", "status", "uri"), _TEXT),
        **dict.fromkeys(("date_created", "date_updated"), _TEXT),
        **dict.fromkeys(("reason_conference_ended", "call_sid_ending_conference"), _MAYBE_TEXT),
        "subresource_uris": closed(dict.fromkeys(("participants", "recordings"), _TEXT)),
    }
)
PARTICIPANT_ITEM: Final[Json] = closed(
    {
        **dict.fromkeys(("account_sid", "call_sid", "conference_sid", "status", "uri"), _TEXT),
        **dict.fromkeys(("date_created", "date_updated"), _TEXT),
        **dict.fromkeys(("label", "call_sid_to_coach", "queue_time"), _MAYBE_TEXT),
        **dict.fromkeys(("coaching", "muted", "hold"), _TRUTH),
        **dict.fromkeys(("end_conference_on_exit", "start_conference_on_enter"), _TRUTH),
    }
)


def conference_endpoints() -> list[Endpoint]:
    """Everything under `Conferences`."""
    listed = operation("Conference", Verb.LIST, CONFERENCES_PATH, _list_schema("conferences", CONFERENCE_ITEM))
    listed["parameters"] += [*map(in_query, _FILTERS), *paging_parameters()]
    invited = operation("Participant", Verb.CREATE, PARTICIPANTS_PATH, PARTICIPANT_ITEM)
    invited["summary"] += f": refused with {MEDIA_ENGINE_MISSING} while there is no engine that mixes"
    invited["requestBody"] = form_schema(PARTICIPANT, Verb.CREATE)
    participants = _list_schema("participants", PARTICIPANT_ITEM)
    nowhere: list[tuple[str, str, str, Verb, Json | None]] = [
        ("GET", CONFERENCE_PATH, "Conference", Verb.FETCH, CONFERENCE_ITEM),
        ("POST", CONFERENCE_PATH, "Conference", Verb.UPDATE, CONFERENCE_ITEM),
        ("GET", PARTICIPANTS_PATH, "Participant", Verb.LIST, participants),
        ("GET", PARTICIPANT_PATH, "Participant", Verb.FETCH, PARTICIPANT_ITEM),
        ("POST", PARTICIPANT_PATH, "Participant", Verb.UPDATE, PARTICIPANT_ITEM),
        ("DELETE", PARTICIPANT_PATH, "Participant", Verb.DELETE, None),
    ]
    return [
        Endpoint("GET", CONFERENCES_PATH, _list, listed),
        Endpoint("POST", PARTICIPANTS_PATH, _invite, invited),
        *(
            Endpoint(method, path, _nowhere, operation(name, verb, path, answer))
            for method, path, name, verb, answer in nowhere
        ),
    ]


def _list_schema(key: str, item: Json) -> Json:
    return envelope_schema(Style.LEGACY, key, item)


async def _list(ask: Ask) -> Answer:
    """There is none; what is asked must be right all the same."""
    window, filters = paging.window_of(ask.parameters)
    forms.read(filters, _FILTERS, Verb.LIST)
    page = paging.Page([], has_next=False, has_previous=False)
    return Answer(paging.envelope(Style.LEGACY, "conferences", [], page, window, ask.path, filters))


async def _nowhere(ask: Ask) -> Answer:
    raise not_found(ask.path)


async def _invite(ask: Ask) -> Answer:
    """S99: by the name of a conference, which a create would open, or by the SID of one."""
    values = forms.read(ask.parameters, PARTICIPANT, Verb.CREATE)
    conference = ask.names["conference"]
    text = f"A participant of {conference[:128]!r} needs a media engine that mixes, and this installation has none"
    raise bad_request([*party_faults(values, ask.scope), Fault("", MEDIA_ENGINE_MISSING, text)])
