"""Structured logs: one JSON object (or one console line) per event, on standard output."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configured(
    level: Literal["debug", "info", "warning", "error"],
    form: Literal["json", "console"],
    stream: TextIO | None = None,
) -> Any:
    """A logger for the whole process, to standard output or `stream`. Secrets never reach it: nobody passes one."""
    out = stream or sys.stdout
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if form == "json":
        processors.append(structlog.processors.JSONRenderer())
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=20))
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")  # what a carrier sent may be no text in any encoding
    lazy = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
    )
    return lazy.bind()  # the real one: the lazy proxy builds a logger anew for every line
