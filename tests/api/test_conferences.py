"""Conferences and participants without an engine that mixes (contract 1.9, S99)."""

from typing import Any

import pytest

from byoc_proxy.api.conferences import PARTICIPANT
from tests.support.api import ACME, OTHER, TRUNKS, Installation

pytestmark = pytest.mark.store

LIST = "/Conferences.json"
ROOM = "/Conferences/Room of all/Participants.json"
SID = "CF" + "1" * 32
MEDIA = 12490


async def invitation(api: Installation, **more: str) -> dict[str, Any]:
    trunk = await api.acme.made(TRUNKS, FriendlyName="Carrier A")
    return {"To": "+14158675309", "From": "+14155551212", "Byoc": trunk["sid"], **more}


async def test_there_is_no_conference_and_the_list_says_so_in_its_envelope(api: Installation) -> None:
    reply = await api.acme.get(LIST, Status="in-progress", PageSize="20")
    place = f"/2010-04-01/Accounts/{ACME}{LIST}?Status=in-progress&PageSize=20&Page=0"
    assert (reply.status, reply.json["conferences"], reply.json["uri"]) == (200, [], place)
    assert (reply.json["start"], reply.json["end"], reply.json["next_page_uri"]) == (0, 0, None)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Status", "over", 20422),
        ("DateCreated>", "yesterday", 20422),
        ("Room", "x", 20001),
        ("PageSize", "0", 20007),
    ],
)
async def test_a_wrong_filter_is_refused(api: Installation, name: str, value: str, code: int) -> None:
    reply = await api.acme.get(LIST, **{name: value})
    assert (reply.status, reply.code) == (400, code)


async def test_s99_a_participant_is_refused_by_the_absence_of_an_engine_that_mixes(api: Installation) -> None:
    """By the name of a conference, and by a SID, as the page does."""
    for conference in ("Room", "Room%20of%20all", SID):
        path = f"/Conferences/{conference}/Participants.json"
        reply = await api.acme.post(path, await invitation(api))
        assert (reply.status, reply.code) == (400, MEDIA)
        assert "a media engine that mixes" in reply.message


async def test_s99_of_an_unknown_conference_nothing_is_there(api: Installation) -> None:
    for conference in ("Room", SID):
        here = f"/Conferences/{conference}"
        asked = [await api.acme.get(f"{here}/Participants.json")]
        for participant in ("CA" + "1" * 32, "alice"):
            one = f"{here}/Participants/{participant}.json"
            asked += [await api.acme.get(one), await api.acme.post(one, Muted="true"), await api.acme.delete(one)]
        assert [(reply.status, reply.code) for reply in asked] == [(404, 20404)] * 7
    for reply in (await api.acme.get(f"/Conferences/{SID}.json"), await api.acme.post(f"/Conferences/{SID}.json")):
        assert (reply.status, reply.code) == (404, 20404)


WRONG = {
    "To": ("abc", 21211),
    "From": ("Jack & Jill", 21212),
    "CallerId": ("Jack & Jill", 21212),
    "Byoc": ("BY" + "0" * 32, 21300),
    "StatusCallback": ("nonsense", 21402),
    "StatusCallbackMethod": ("PUT", 21403),
    "StatusCallbackEvent": ("joined", 21626),
    "Label": ("x" * 129, 16025),
    "Timeout": ("4", 21208),
    "WaitUrl": ("nonsense", 21205),
    "WaitMethod": ("PUT", 21209),
    "SipAuthUsername": ("x" * 256, 21221),
    "SipAuthPassword": ("x" * 256, 21222),
    "RecordingStatusCallback": ("nonsense", 21402),
    "RecordingStatusCallbackMethod": ("PUT", 21403),
    "ConferenceStatusCallback": ("nonsense", 21402),
    "ConferenceStatusCallbackMethod": ("PUT", 21403),
    "ConferenceRecordingStatusCallback": ("nonsense", 21402),
    "ConferenceRecordingStatusCallbackMethod": ("PUT", 21403),
    "AmdStatusCallback": ("nonsense", 21402),
    "AmdStatusCallbackMethod": ("PUT", 21403),
    "ClientNotificationUrl": ("nonsense", 21402),
    "MachineDetection": ("Disable", 21234),
    **dict.fromkeys(("MachineDetectionTimeout", "MachineDetectionSpeechThreshold"), ("1", 21263)),
    **dict.fromkeys(("MachineDetectionSpeechEndThreshold", "MachineDetectionSilenceTimeout"), ("1", 21263)),
    **dict.fromkeys(("Region", "CallToken", "CallReason", "CallerDisplayName"), ("a\r\nb", 20422)),
}


async def test_s99_every_parameter_of_a_participant_is_judged_by_its_own_code(api: Installation) -> None:
    good = await invitation(api)
    for parameter in PARTICIPANT:
        value, code = WRONG.get(parameter.name, ("x" * 300, 20422))
        reply = await api.acme.post(ROOM, {**good, parameter.name: value})
        assert (reply.status, reply.code) == (400, code), parameter.name
    assert {each.name for each in PARTICIPANT} >= set(WRONG)


@pytest.mark.parametrize(("name", "code"), [("To", 21201), ("From", 21213), ("Byoc", 21214)])
async def test_s99_a_participant_needs_two_parties_and_a_trunk(api: Installation, name: str, code: int) -> None:
    good = await invitation(api)
    del good[name]
    assert (await api.acme.post(ROOM, good)).code == code


async def test_conferences_of_another_account_are_not_there(api: Installation) -> None:
    theirs = f"/2010-04-01/Accounts/{OTHER}"
    assert (await api.acme.get(f"{theirs}{LIST}")).status == 404
    assert (await api.acme.post(f"{theirs}{ROOM}", await invitation(api))).status == 404
