"""Every word that the official SDK can write is known, and what becomes of it is what the vocabulary says."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import pytest
from twilio.twiml import TwiML
from twilio.twiml.voice_response import VoiceResponse

from byoc_proxy.twiml.document import parse
from byoc_proxy.twiml.interpreter import Entry, run
from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING, Document, NeedsMedia, TwimlError
from byoc_proxy.twiml.vocabulary import WORDS
from byoc_proxy.twiml.words import Attribute, Fate
from tests.support.stage import Stage

# What stands inside an element so that it makes sense; <Dial> without a noun has a number, <Refer> needs a <Sip>.
TEXTS = {
    "Dial/Number": "+14158675309",
    "Dial/Sip": "sip:alice@example.com",
    "Dial/Sip/Uri": "sip:alice@example.com",
    "Refer/Sip": "sip:alice@example.com",
    "Redirect": "/next",
}
# Words of the documentation that the SDK's VoiceResponse cannot write
ONLY_DOCUMENTED = {("Dial", "callReason")}
# For each attribute that is read: a value, and one that it cannot have
SAMPLES: dict[str, dict[str, tuple[str, str | None]]] = {
    "Dial": {
        "action": ("/after", "/af\x7fter"),
        "method": ("GET", "PUT"),
        "timeout": ("20", "long"),
        "timeLimit": ("60", "4h"),
        "callerId": ("+14155551212", "Mr. Smith"),
        "answerOnBridge": ("true", "yes"),
        "sequential": ("true", "1"),
        "referUrl": ("/refer", "/re\x7ffer"),
        "referMethod": ("GET", "PATCH"),
        "hangupOnStar": ("true", "star"),
        "record": ("record-from-answer-dual", "always"),
        "ringTone": ("de", "loud"),
        "trim": ("trim-silence", "hair"),
        "recordingTrack": ("both", "third"),
        "recordingStatusCallback": ("/recorded", "/recorded\x7f"),
        "recordingStatusCallbackMethod": ("GET", "PUT"),
        "recordingStatusCallbackEvent": ("in-progress completed", "lost"),
        "recordingConfigurationId": ("any", None),
        "callReason": ("Your delivery", "x" * 51),
        "events": ("call-progress-event", "all"),
        "passports": ("eyJhbGciOiJFUzI1NiJ9", None),
    },
    "Dial/Number": {
        "byoc": ("BY" + "1" * 32, None),
        "sendDigits": ("ww12#", "hello"),
    },
    "Dial/Sip": {"username": ("alice", "a" * 256), "password": ("secret", "p" * 256)},
    "Dial/Sip/Uri": {
        "username": ("alice", "a" * 256),
        "password": ("secret", "p" * 256),
        "priority": ("1", "first"),
        "weight": ("70", "0"),
    },
    "Dial/Sip/Headers/Header": {"name": ("X-Ticket", "Via"), "value": ("7", "7\x7f")},
    "Refer": {"action": ("/after", "/af\x7fter"), "method": ("GET", "PUT")},
    "Redirect": {"method": ("GET", "PUT")},
    "Reject": {"reason": ("busy", "bored")},
    "Pause": {"length": ("5", "0")},
}
LEG: dict[str, tuple[str, str | None]] = {
    "url": ("/whisper", None),
    "method": ("GET", "PUT"),
    "statusCallback": ("/status", "/sta\ntus"),
    "statusCallbackMethod": ("GET", "PUT"),
    "statusCallbackEvent": ("initiated ringing answered", "sneezed"),
    "machineDetection": ("Enable", "maybe"),
    "machineDetectionTimeout": ("30", None),
    "machineDetectionSpeechThreshold": ("2400", None),
    "machineDetectionSpeechEndThreshold": ("1200", None),
    "machineDetectionSilenceTimeout": ("5000", None),
    "amdStatusCallback": ("/machine", None),
    "amdStatusCallbackMethod": ("GET", None),
}
SAMPLES["Dial/Number"] |= LEG
SAMPLES["Dial/Sip"] |= LEG
# What has to stand beside an attribute for it to mean something
COMPANY = {
    ("statusCallbackMethod"): {"statusCallback": "/status"},
    ("statusCallbackEvent"): {"statusCallback": "/status"},
    ("password"): {"username": "alice"},
    ("value"): {"name": "X-Ticket"},
}


@dataclass(frozen=True)
class Written:
    """A word as the SDK writes it: the elements around it, itself last, and its attributes."""

    way: tuple[type[TwiML], ...]
    attributes: frozenset[str]


def nested(parent: TwiML) -> Iterator[tuple[TwiML, frozenset[str]]]:
    """What the SDK lets stand in an element, each with all its attributes."""
    for name, method in inspect.getmembers(type(parent), inspect.isfunction):
        if name in vars(type(parent)) and not name.startswith("_"):
            arguments = [each for each in inspect.signature(method).parameters if each not in ("self", "kwargs")]
            child = method(type(parent)(), **dict.fromkeys(arguments, "x"))
            yield child, frozenset(child.attrs)


def path_of(parent: str, name: str) -> str:
    """The vocabulary has one entry for what may stand in several places."""
    if parent.startswith("Say"):
        return f"Say/{name}"
    alone = name in WORDS and parent in ("Gather", "Prompt", "Pay")
    return name if alone or not parent else f"{parent}/{name}"


@cache
def sdk_words() -> Mapping[str, Written]:
    """Every element of the SDK below a VoiceResponse."""
    found: dict[str, Written] = {}
    open_ones: list[tuple[str, TwiML, tuple[type[TwiML], ...]]] = [("", VoiceResponse(), ())]
    while open_ones:
        parent_path, parent, way = open_ones.pop()
        for child, attributes in nested(parent):
            path = path_of(parent_path, child.name)
            if path not in found:
                found[path] = Written((*way, type(child)), attributes)
                open_ones.append((path, child, (*way, type(child))))
    return found


def blank(kind: type[TwiML]) -> TwiML:
    """An element without attributes; what a constructor insists on is its text."""
    needed = [each for each in inspect.signature(kind).parameters.values() if each.kind is not each.VAR_KEYWORD]
    return kind(**{each.name: "" for each in needed if each.default is each.empty})


def build(path: str, attributes: Mapping[str, str]) -> bytes:
    """A document of the SDK in which the word stands where it may."""
    response = VoiceResponse()
    parent: TwiML = response
    for depth, kind in enumerate(sdk_words()[path].way):
        element = blank(kind)
        place = "/".join(path.split("/")[: depth + 1])
        element.value = TEXTS.get(place)
        parent = parent.nest(element)
    parent.attrs.update(attributes)
    if path == "Dial":
        parent.value = TEXTS["Dial/Number"]
    if path == "Refer":
        parent.sip(TEXTS["Refer/Sip"])
    return str(response).encode()


def codes(document: Document) -> list[int]:
    return [warning.code for warning in document.warnings]


def refusal(body: bytes) -> int:
    with pytest.raises(TwimlError) as caught:
        parse(body)
    return caught.value.code


def rows(*fates: Fate) -> list[str]:
    return [path for path, word in WORDS.items() if word.fate in fates]


def read_attributes() -> Iterator[tuple[str, str]]:
    for path in rows(Fate.RUNS):
        for name in WORDS[path].attributes:
            yield path, name


def test_every_word_of_the_sdk_is_in_the_vocabulary_and_no_other() -> None:
    written = {(path, name) for path, word in sdk_words().items() for name in ("", *word.attributes)}
    known = {(path, name) for path, word in WORDS.items() for name in ("", *word.attributes)}
    assert known - written == ONLY_DOCUMENTED
    assert written - known == set()


def test_every_attribute_that_is_read_has_a_sample() -> None:
    assert {(path, name) for path, names in SAMPLES.items() for name in names} == set(read_attributes())


# --- elements ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", rows(Fate.RUNS))
def test_a_word_that_runs_is_read_without_a_warning(path: str) -> None:
    attributes = {"name": "X-Ticket"} if path.endswith("Header") else {}
    document = parse(build(path, attributes))
    assert codes(document) == []
    (verb,) = document.verbs
    assert type(verb).__name__ == path.partition("/")[0]


@pytest.mark.parametrize("path", rows(Fate.NEEDS_MEDIA))
async def test_a_word_that_is_audio_stops_the_call_with_12490(path: str) -> None:
    body = build(path, {})
    top, _, noun = path.partition("/")
    what = noun.partition("/")[0] if top == "Dial" else top
    assert parse(body) == Document((NeedsMedia(f"<{what}>"),))
    stage = Stage()
    await run(stage, Entry(body))
    assert stage.noted == [MEDIA_ENGINE_MISSING]
    assert stage.done == [f"fail {MEDIA_ENGINE_MISSING}"]


@pytest.mark.parametrize("path", rows(Fate.SKIPPED))
async def test_a_word_that_is_not_served_is_warned_of_and_the_rest_runs(path: str) -> None:
    word = WORDS[path]
    body = build(path, {})
    if path.startswith("Dial/"):
        assert refusal(body) == word.code  # nobody is left to be called
        noun = b"<Number>+14158675309</Number></Dial>"
        body = body.replace(b"</Dial>", noun)
    stage = Stage()
    await run(stage, Entry(body))
    assert stage.noted == [word.code]
    assert stage.done == (["dial", "hang up"] if path.startswith("Dial/") else ["hang up"])


@pytest.mark.parametrize("path", rows(Fate.NO_EFFECT))
def test_a_word_without_effect_changes_nothing(path: str) -> None:
    assert parse(build(path, {"name": "a", "value": "b"})) == parse(build(path.partition("/")[0], {}))


# --- attributes --------------------------------------------------------------------------------------------


def beside(name: str) -> dict[str, str]:
    return dict(COMPANY.get(name, {}))


@pytest.mark.parametrize(("path", "name"), list(read_attributes()))
def test_an_attribute_does_what_the_vocabulary_says(path: str, name: str) -> None:
    attribute, company = WORDS[path].attributes[name], beside(name)
    without = parse(build(path, company))
    document = parse(build(path, {**company, name: SAMPLES[path][name][0]}))
    match attribute.fate:
        case Fate.RUNS:
            assert document.verbs != without.verbs
            assert codes(document) == []
        case Fate.NO_EFFECT:
            assert document == without
        case Fate.SKIPPED:
            assert document.verbs == without.verbs
            assert codes(document) == [attribute.code]
        case Fate.NEEDS_MEDIA:
            element = path.rpartition("/")[2]
            assert document == Document((NeedsMedia(f"<{element} {name}>"),))


@pytest.mark.parametrize(
    ("path", "name"), [each for each in read_attributes() if SAMPLES[each[0]][each[1]][1] is not None]
)
def test_a_value_that_cannot_be_has_the_code_of_its_attribute(path: str, name: str) -> None:
    attribute, company, wrong = WORDS[path].attributes[name], beside(name), SAMPLES[path][name][1] or ""
    body = build(path, {**company, name: wrong})
    if attribute.refuses:
        assert refusal(body) == attribute.code
        return
    document = parse(body)
    assert attribute.code in codes(document)
    if name != "weight":  # it is moved to the nearest one
        assert document.verbs == parse(build(path, company if name != "value" else {})).verbs


def silent_ones() -> Iterator[tuple[str, str, str]]:
    for path, name in read_attributes():
        attribute: Attribute = WORDS[path].attributes[name]
        if attribute.fate is Fate.NEEDS_MEDIA:
            for value in sorted({"", *attribute.silent}):
                yield path, name, value


@pytest.mark.parametrize(("path", "name", "value"), list(silent_ones()))
def test_an_attribute_that_asks_for_no_audio_needs_none(path: str, name: str, value: str) -> None:
    assert parse(build(path, {name: value})) == parse(build(path, {}))


@pytest.mark.parametrize("path", rows(Fate.RUNS))
def test_an_attribute_that_nobody_has_is_warned_of(path: str) -> None:
    attributes = {"name": "X-Ticket"} if path.endswith("Header") else {}
    assert codes(parse(build(path, {**attributes, "colour": "red"}))) == [12200]
