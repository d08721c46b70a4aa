"""What a create and an update of a call may say (contract 1.8), as data: names, kinds, codes.

What asks for audio is listed with what asks for nothing, because both are read: the one is refused (`MEDIA`), and
the other would be wrong here if it were wrong at Twilio.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from byoc_proxy.api.errors import INVALID_PARAMETER
from byoc_proxy.api.parties import Called, Calling
from byoc_proxy.api.resource import Parameter
from byoc_proxy.api.values import Choice, CodedFault, HandlerUrl, Several, Sid, Truth, Url, Whole, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_TO: Final = 21201
URL: Final = 21205
SEND_DIGITS: Final = 21206
TIMEOUT: Final = 21208
METHOD: Final = 21209
TO: Final = 21211
FROM: Final = 21212
NO_FROM: Final = 21213
APPLICATION: Final = 21218
SIP_USERNAME: Final = 21221
SIP_PASSWORD: Final = 21222
AMD: Final = 21234
AMD_TIMES: Final = 21263
TRUNK: Final = 21300
OTHER_URL: Final = 21402
OTHER_METHOD: Final = 21403
EVENT: Final = 21626
LONG_TWIML: Final = 32018

EVENTS: Final = ("initiated", "ringing", "answered", "completed")
METHODS: Final = Choice(("GET", "POST"))
LONGEST_TWIML: Final = 4000
LONGEST_TIMEOUT: Final = 600  # seconds of ringing
LONGEST_CALL: Final = 86_400  # seconds
_DIGITS: Final = re.compile(r"[0-9A-Da-d#*wW]{1,32}")


@dataclass(frozen=True, slots=True)
class Twiml:
    """A document in the request itself. Its own faults are found when it runs, as those of any document."""

    def read(self, text: str) -> str:
        if len(text) > LONGEST_TWIML:
            raise CodedFault(LONG_TWIML, f"has {len(text)} characters; at most {LONGEST_TWIML} are allowed")
        return text

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "maxLength": LONGEST_TWIML}


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """A web address whose host has no underscore: names of hosts have none (RFC 1123 §2.1)."""

    def read(self, text: str) -> str:
        text = Url().read(text)
        if "_" in (urlsplit(text).hostname or ""):
            raise ValueError("has an underscore in its host name; use a name without one")
        return text

    def schema(self) -> Mapping[str, object]:
        return Url().schema()


@dataclass(frozen=True, slots=True)
class Digits:
    """Keys to be pressed once the call is answered; `w` waits half a second, `W` a second."""

    def read(self, text: str) -> str:
        if not _DIGITS.fullmatch(text):
            raise ValueError("must be 1 to 32 of 0-9 A-D # * w W")
        return text

    def schema(self) -> Mapping[str, object]:
        return {"type": "string", "pattern": f"^{_DIGITS.pattern}$"}


def callback(name: str, column: str, *events: str, code: int = INVALID_PARAMETER) -> tuple[Parameter, ...]:
    """`NameMethod` and `NameEvent` beside the URL `Name`; the last of `events` is what is told when none is."""
    url = Parameter(name, CallbackUrl(), column, code=OTHER_URL)
    method = Parameter(f"{name}Method", METHODS, f"{column}_method", "POST", code=OTHER_METHOD)
    if not events:
        return url, method
    return url, method, Parameter(f"{name}Event", Several(events), f"{column}_event", events[-1:], code=code)


PARTIES: Final = (
    Parameter("To", Called(), "to", required=True, code=TO, missing=NO_TO),
    Parameter("From", Calling(), "from", required=True, code=FROM, missing=NO_FROM),
    Parameter("CallerId", Calling(), "caller_id", code=FROM),
    Parameter("Byoc", Words(1000), "byoc", code=TRUNK),
)
APPLICATION_SID: Final = Parameter("ApplicationSid", Sid("AP"), "application_sid", code=APPLICATION)
SCRIPT: Final = (
    Parameter("Url", HandlerUrl(), "url", code=URL),
    Parameter("Method", METHODS, "method", "POST", code=METHOD),
    Parameter("FallbackUrl", HandlerUrl(), "fallback_url", code=OTHER_URL),
    Parameter("FallbackMethod", METHODS, "fallback_method", "POST", code=OTHER_METHOD),
    Parameter("Twiml", Twiml(), "twiml", code=LONG_TWIML),
)
TIME_LIMIT: Final = Parameter("TimeLimit", Whole(1, LONGEST_CALL), "time_limit", 14_400)
SIP_AUTH: Final = (
    Parameter("SipAuthUsername", Words(255), "sip_auth_username", code=SIP_USERNAME),
    Parameter("SipAuthPassword", Words(255), "sip_auth_password", code=SIP_PASSWORD),
)
ABOUT_THE_CALL: Final = (
    Parameter("CallReason", Words(50), "call_reason"),
    Parameter("CallToken", Words(4000), "call_token"),
    Parameter("ClientNotificationUrl", Url(), "client_notification_url", code=OTHER_URL),
)
RECORDING: Final = (
    Parameter("Record", Truth(), "record", False),
    Parameter("RecordingChannels", Choice(("mono", "dual")), "recording_channels", "mono"),
    Parameter("RecordingTrack", Choice(("inbound", "outbound", "both")), "recording_track", "both"),
    *callback("RecordingStatusCallback", "recording_status_callback", "in-progress", "absent", "completed"),
    Parameter("Trim", Choice(("trim-silence", "do-not-trim")), "trim", "trim-silence"),
)
MACHINE_DETECTION: Final = (
    Parameter("MachineDetection", Choice(("Enable", "DetectMessageEnd")), "machine_detection", code=AMD),
    Parameter("MachineDetectionTimeout", Whole(3, 59), "machine_detection_timeout", 30, code=AMD_TIMES),
    Parameter("MachineDetectionSpeechThreshold", Whole(1000, 6000), "amd_speech", 2400, code=AMD_TIMES),
    Parameter("MachineDetectionSpeechEndThreshold", Whole(500, 5000), "amd_speech_end", 1200, code=AMD_TIMES),
    Parameter("MachineDetectionSilenceTimeout", Whole(2000, 10_000), "amd_silence", 5000, code=AMD_TIMES),
)
CREATE: Final = (
    *PARTIES,
    APPLICATION_SID,
    *SCRIPT,
    *callback("StatusCallback", "status_callback", *EVENTS, code=EVENT),
    Parameter("Timeout", Whole(1, LONGEST_TIMEOUT), "timeout", 60, code=TIMEOUT),
    TIME_LIMIT,
    *SIP_AUTH,
    *ABOUT_THE_CALL,
    Parameter("SendDigits", Digits(), "send_digits", code=SEND_DIGITS),
    *RECORDING,
    *MACHINE_DETECTION,
    Parameter("AsyncAmd", Truth(), "async_amd", False),
    *callback("AsyncAmdStatusCallback", "async_amd_status_callback"),
)
UPDATE: Final = (
    *SCRIPT,
    Parameter("Status", Choice(("canceled", "completed")), "status"),
    *callback("StatusCallback", "status_callback"),
    TIME_LIMIT,
)
# An application has these of its own; those of the request are not even looked at (contract 1.8).
OF_THE_APPLICATION: Final = frozenset(
    "Url Method FallbackUrl FallbackMethod Twiml StatusCallback StatusCallbackMethod StatusCallbackEvent".split()
)
# In examples of the public documentation, and in no table of it.
QUIETLY_IGNORED: Final = frozenset("IfMachine Transcribe TranscriptionConfiguration MachineDetectionEngine".split())
# Columns of what only a media engine could do, with the names to say so by.
MEDIA: Final[Mapping[str, str]] = {
    "send_digits": "SendDigits",
    "record": "Record",
    "machine_detection": "MachineDetection",
}
