"""Functions of an operator's, as a configuration file names them: `python:tests.support.functions:dials`."""

import asyncio
import threading
import time
from collections.abc import Mapping

from twilio.twiml.voice_response import Dial, VoiceResponse

asked: list[Mapping[str, str]] = []
hurry = threading.Event()  # lets `hangs` return


def dials(parameters: Mapping[str, str]) -> VoiceResponse:
    """Rings +14158675309 for whoever calls, and remembers what it was asked."""
    asked.append(parameters)
    response = VoiceResponse()
    dial = Dial()
    dial.number("+14158675309")
    response.append(dial)
    return response


def rejects(_: Mapping[str, str]) -> str:
    return '<Response><Reject reason="busy"/></Response>'


async def awaits(parameters: Mapping[str, str]) -> bytes:
    await asyncio.sleep(0.01)
    return f"<Response><Dial>{parameters['To']}</Dial></Response>".encode()


async def never(_: Mapping[str, str]) -> str:
    await asyncio.Event().wait()
    return ""


def hangs(_: Mapping[str, str]) -> str:
    hurry.wait(20)
    return "<Response/>"


def waits_a_little(_: Mapping[str, str]) -> str:
    time.sleep(0.05)
    return "<Response/>"


def raises(_: Mapping[str, str]) -> str:
    raise LookupError("nobody\r\nX-Evil: is here")


def leaves(_: Mapping[str, str]) -> str:
    raise SystemExit(3)


def says_nothing(_: Mapping[str, str]) -> None:
    return None


def says_too_much(_: Mapping[str, str]) -> str:
    return "<Response>" + " " * 65536 + "</Response>"


def says_a_number(_: Mapping[str, str]) -> int:
    return 42


def goes_round(parameters: Mapping[str, str]) -> str:
    """Asks itself once more by an empty <Redirect>."""
    asked.append(parameters)
    return "<Response><Reject/></Response>" if len(asked) > 1 else "<Response><Redirect/></Response>"


not_a_function = 42
