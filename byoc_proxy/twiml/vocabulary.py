"""Every word of TwiML for voice: which element stands where, which attributes it takes, what becomes of each here.

The readers of documents ask this table, the page `docs/twiml.md` prints it, and a test builds each word with the
official SDK. A key of `WORDS` is the way to an element below `<Response>`: `Dial/Number`. What may stand in several
places has one entry: `Say` is also that of `<Gather>`, `Say/break` that of any depth.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from byoc_proxy.twiml.media_words import MEDIA_WORDS
from byoc_proxy.twiml.words import INVALID_URL, Attribute, Fate, Word, list_of, one_of, silent, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL: Final = Attribute(code=INVALID_URL, refuses=True)
_UNREAD: Final = Attribute(Fate.NO_EFFECT)
_METHODS: Final = re.compile("GET|POST", re.IGNORECASE)
_ANYTHING_PRINTABLE: Final = re.compile(r"[^\x00-\x1f\x7f]*")
_MACHINE: Final = {
    "machineDetection": Attribute(Fate.NEEDS_MEDIA, values=one_of("Enable", "DetectMessageEnd")),
    "machineDetectionTimeout": _UNREAD,
    "machineDetectionSpeechThreshold": _UNREAD,
    "machineDetectionSpeechEndThreshold": _UNREAD,
    "machineDetectionSilenceTimeout": _UNREAD,
    "amdStatusCallback": _UNREAD,
    "amdStatusCallbackMethod": _UNREAD,
}


def _leg(code: int) -> dict[str, Attribute]:
    """What `<Number>` and `<Sip>` have in common; `code` is that of a wrong method."""
    return {
        "url": Attribute(Fate.NEEDS_MEDIA),
        "method": Attribute(Fate.NO_EFFECT, code, values=_METHODS),
        "statusCallback": _URL,
        "statusCallbackMethod": Attribute(code=code),
        "statusCallbackEvent": Attribute(),
        **_MACHINE,
    }


_DIAL: Final = {
    "action": _URL,
    "method": Attribute(code=13210),
    "timeout": Attribute(code=13212),
    "timeLimit": Attribute(code=13216),
    "callerId": Attribute(code=13214, refuses=True),
    "answerOnBridge": Attribute(Fate.NO_EFFECT, 13219, values=one_of("true", "false")),
    "sequential": Attribute(code=13218),
    "referUrl": _URL,
    "referMethod": Attribute(code=13210),
    "hangupOnStar": Attribute(Fate.NEEDS_MEDIA, 13213, values=one_of("true", "false"), silent=frozenset({"false"})),
    "record": Attribute(
        Fate.NEEDS_MEDIA,
        13217,
        values=re.compile("do-not-record|record-from-(?:answer|ringing)(?:-dual)?|true|false"),
        silent=frozenset({"do-not-record", "false"}),
    ),
    "ringTone": Attribute(
        Fate.NEEDS_MEDIA, 13220, values=re.compile("automatic|[a-z]{2}|us-old"), silent=frozenset({"automatic"})
    ),
    "trim": Attribute(Fate.NO_EFFECT, 13699, values=one_of("trim-silence", "do-not-trim")),
    "recordingTrack": Attribute(Fate.NO_EFFECT, values=one_of("inbound", "outbound", "both")),
    "recordingStatusCallback": Attribute(Fate.NO_EFFECT, 13256, values=_ANYTHING_PRINTABLE),
    "recordingStatusCallbackMethod": Attribute(Fate.NO_EFFECT, 13210, values=_METHODS),
    "recordingStatusCallbackEvent": Attribute(Fate.NO_EFFECT, values=list_of("in-progress", "completed", "absent")),
    "recordingConfigurationId": _UNREAD,
    "callReason": Attribute(Fate.NO_EFFECT, values=re.compile(r"[^\x00-\x1f\x7f]{0,50}")),
    "events": Attribute(Fate.NO_EFFECT, values=one_of("call-progress-event")),
    "passports": Attribute(Fate.SKIPPED),
}

WORDS: Final[Mapping[str, Word]] = {
    "Dial": Word(attributes=_DIAL),
    "Dial/Number": Word(
        attributes={
            "byoc": Attribute(code=21300),  # when it is dialled: only then the trunks are known
            "sendDigits": Attribute(Fate.NEEDS_MEDIA, 13222, values=re.compile("[0-9A-Da-d#*wW]{1,32}")),
            **_leg(13221),
        }
    ),
    "Dial/Sip": Word(
        attributes={
            "username": Attribute(code=13249, refuses=True),
            "password": Attribute(code=13249, refuses=True),
            **_leg(13241),
        }
    ),
    "Dial/Sip/Uri": Word(
        attributes={
            "priority": Attribute(),
            "weight": Attribute(),
            "username": Attribute(code=13249, refuses=True),
            "password": Attribute(code=13249, refuses=True),
        }
    ),
    "Dial/Sip/Headers": Word(),
    "Dial/Sip/Headers/Header": Word(attributes={"name": Attribute(code=32111), "value": Attribute(code=32112)}),
    "Dial/Application": skipped(
        "url method statusCallback statusCallbackEvent statusCallbackMethod customerId copyParentTo", 13215
    ),
    "Dial/Application/ApplicationSid": skipped(code=13215),
    "Dial/Application/Parameter": skipped("name value", 13215),
    "Dial/Sim": skipped(code=13215),
    "Dial/WhatsApp": skipped("url method statusCallback statusCallbackEvent statusCallbackMethod", 13215),
    "Refer": Word(attributes={"action": _URL, "method": Attribute()}),
    "Refer/Sip": Word(),
    "Redirect": Word(attributes={"method": Attribute(code=13710)}),
    "Reject": Word(attributes={"reason": Attribute(code=13810)}),
    "Reject/Parameter": silent("name value"),
    "Hangup": Word(),
    "Hangup/Parameter": silent("name value"),
    "Pause": Word(attributes={"length": Attribute(code=13910)}),
    "Leave": skipped(),
    "Sms": skipped("to from action method statusCallback"),
    "Queue": skipped("url method reservationSid postWorkActivitySid"),
    **MEDIA_WORDS,
}
