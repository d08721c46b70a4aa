"""The words of TwiML that are audio: a node without a media engine answers each with 12490.

Their attributes are listed and not read: they say how to play or record, and nothing is played or recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from byoc_proxy.twiml.words import media

if TYPE_CHECKING:
    from collections.abc import Mapping

    from byoc_proxy.twiml.words import Word

_RECORDED: Final = "recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent"
_REPORTED: Final = "statusCallback statusCallbackMethod"
_STREAM: Final = f"name connectorName url track {_REPORTED} audioFormat sampleRate"
_SIPREC: Final = f"name connectorName track {_REPORTED}"
_TRANSCRIPTION: Final = (
    "name track statusCallbackUrl statusCallbackMethod inboundTrackLabel outboundTrackLabel partialResults"
    " languageCode transcriptionEngine profanityFilter speechModel hints enableAutomaticPunctuation"
    " intelligenceService"
)
_SPEECH: Final = (
    "ttsProvider voice transcriptionProvider speechModel hints asrSmartFormat ttsTextNormalization"
    " ttsLanguageTextNormalization"
)

_DIALLED: Final = {
    "Client": f"url method {_REPORTED} statusCallbackEvent",
    "Client/Identity": "",
    "Client/Parameter": "name value",
    "Conference": (
        "muted beep startConferenceOnEnter endConferenceOnExit waitUrl waitMethod maxParticipants record"
        f" recordingConfigurationId region coach trim {_REPORTED} statusCallbackEvent {_RECORDED}"
        " eventCallbackUrl jitterBufferSize participantLabel"
    ),
    "Queue": "url method reservationSid postWorkActivitySid",
}
_SSML: Final = {
    "break": "strength time",
    "emphasis": "level",
    "lang": "xml:lang",
    "p": "",
    "phoneme": "alphabet ph",
    "prosody": "volume rate pitch",
    "s": "",
    "say-as": "interpret-as format",
    "sub": "alias",
    "w": "role",
}
_FORKED: Final = {
    "": "",
    "/Stream": _STREAM,
    "/Stream/Parameter": "name value",
    "/Siprec": _SIPREC,
    "/Siprec/Parameter": "name value",
    "/Transcription": _TRANSCRIPTION,
    "/Transcription/Config": "name value",
    "/Transcription/Parameter": "name value",
}
_CONNECTED: Final = {
    "": "action method",
    "/AiSession": "aiConnector aiSessionConfiguration",
    "/Autopilot": "",
    "/Conversation": (
        "serviceInstanceSid inboundAutocreation routingAssignmentTimeout inboundTimeout url method record trim"
        f" {_RECORDED} {_REPORTED} statusCallbackEvent"
    ),
    "/ConversationRelay": (
        f"url language ttsLanguage transcriptionLanguage {_SPEECH} profanityFilter dtmfDetection welcomeGreeting"
        " partialPrompts welcomeGreetingInterruptible interruptible preemptible intelligenceService"
        " reportInputDuringAgentSpeech elevenlabsTextNormalization interruptSensitivity debug"
        " backgroundNoiseReduction speechTimeout deepgramSmartFormat ignoreBackchannel events"
        " partialPromptOnHangup eagerEotThreshold elevenlabsLanguageTextNormalization includeInPrompt"
        " customerName applicationReconnect echoPromptFiltering turnDetection"
    ),
    "/ConversationRelay/Language": f"code {_SPEECH}",
    "/ConversationRelay/Parameter": "name value",
    "/ConversationRelaySession": "connector sessionConfiguration",
    "/Room": "participantIdentity",
    "/Stream": _STREAM,
    "/Stream/Parameter": "name value",
    "/VirtualAgent": f"connectorName language sentimentAnalysis {_REPORTED}",
    "/VirtualAgent/Config": "name value",
    "/VirtualAgent/Parameter": "name value",
}
_VERBS: Final = {
    "Say": "voice language loop",
    "Play": "loop digits",
    "Gather": (
        "input action method timeout speechTimeout maxSpeechTime profanityFilter finishOnKey numDigits"
        " partialResultCallback partialResultCallbackMethod language hints bargeIn debug actionOnEmptyResult"
        " speechModel enhanced"
    ),
    "Record": (
        f"action method timeout finishOnKey maxLength playBeep trim {_RECORDED} transcribe transcribeCallback"
        " recordingConfigurationId"
    ),
    "Enqueue": "action method waitUrl waitUrlMethod workflowSid maxQueueSize",
    "Enqueue/Task": "priority timeout",
    "Echo": "",
    "Pay": (
        f"input action bankAccountType {_REPORTED} timeout maxAttempts securityCode postalCode"
        " minPostalCodeLength paymentConnector paymentMethod tokenType chargeAmount currency description"
        " validCardTypes language"
    ),
    "Pay/Parameter": "name value",
    "Prompt": "for errorType cardType attempt requireMatchingInputs",
    "Start/Recording": f"{_RECORDED} trim track channels recordingConfigurationId",
}

MEDIA_WORDS: Final[Mapping[str, Word]] = {
    name: media(attributes)
    for name, attributes in {
        **_VERBS,
        **{f"Say/{name}": attributes for name, attributes in _SSML.items()},
        **{f"Dial/{name}": attributes for name, attributes in _DIALLED.items()},
        **{f"Start{name}": attributes for name, attributes in _FORKED.items()},
        **{f"Stop{name}": attributes for name, attributes in _FORKED.items()},
        **{f"Connect{name}": attributes for name, attributes in _CONNECTED.items()},
        "Start": "action method",
    }.items()
}
