"""Loads a configuration and judges what no floor below may judge: TwiML that stands in it, how its URLs are to be
asked, TLS files that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.config.load import ConfigProblems, Loaded, load
from byoc_proxy.listeners import TlsFiles
from byoc_proxy.net.tls import UnusableFile
from byoc_proxy.trunk.handler_checks import HANDLERS, functions_named
from byoc_proxy.twiml.document import parse
from byoc_proxy.twiml.template import template_fault
from byoc_proxy.twiml.verbs import MEDIA_ENGINE_MISSING, TwimlError, media_needs
from byoc_proxy.webhook.overrides import overrides
from byoc_proxy.webhook.urls import WebhookError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from byoc_proxy.trunk.model import ByocTrunk, TwimlBin


def load_checked(path: Path, environ: Mapping[str, str]) -> Loaded:
    """`config.load.load`, with documents that a call could run and certificates that fit. `ConfigProblems`."""
    loaded = load(path, environ)
    problems = [f"{path}: {fault}" for trunk in loaded.resources.trunks for fault in _script_faults(trunk)]
    problems += [f"{path}: {fault}" for trunk in loaded.resources.trunks for fault in _url_faults(trunk)]
    problems += [f"{path}: {fault}" for stored in loaded.resources.twiml_bins for fault in _bin_faults(stored)]
    problems += [f"{path}: {fault}" for fault in (*_function_faults(loaded), *_file_faults(loaded))]
    if problems:
        raise ConfigProblems(problems)
    return loaded


def _function_faults(loaded: Loaded) -> Iterator[str]:
    named = functions_named(loaded.resources)
    if not named:
        return
    from byoc_proxy.webhook.functions import NotLoaded, load_function  # and with it aiohttp: not without need

    for trunk in loaded.resources.trunks:
        for field in HANDLERS:
            url = getattr(trunk, field)
            try:
                if url in named:
                    load_function(url)
            except NotLoaded as error:
                place = f"trunks.{loaded.names[trunk.sid][1]}.{field}"
                yield f"{place}: {error}; install what it is in, or set PYTHONPATH"


def _file_faults(loaded: Loaded) -> Iterator[str]:
    try:
        TlsFiles(loaded)
    except UnusableFile as error:
        yield f"{error}; give PEM files that belong together"


def _bin_faults(stored: TwimlBin) -> Iterator[str]:
    fault = template_fault(stored.twiml)
    if fault is not None:
        yield f"TwiML bin {stored.unique_name}: twiml: {fault.code} {fault.text}"


def _url_faults(trunk: ByocTrunk) -> Iterator[str]:
    for key in ("voice_url", "voice_fallback_url", "status_callback_url"):
        try:
            overrides(getattr(trunk, key) or "")
        except WebhookError as error:
            yield f"trunk {trunk.friendly_name or trunk.sid}: {key}: {error.code} {error.text}"


def _script_faults(trunk: ByocTrunk) -> Iterator[str]:
    if trunk.voice_twiml is None:
        return
    name = f"trunk {trunk.friendly_name or trunk.sid}: voice_twiml"
    try:
        document = parse(trunk.voice_twiml.encode())
    except TwimlError as error:
        yield f"{name}: {error.code} {error.text}; give a <Response> with verbs that run"
        return
    for need in media_needs(document):
        yield f"{name}: {MEDIA_ENGINE_MISSING} {need} needs a media engine and none is configured"
