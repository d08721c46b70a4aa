"""Logs take whatever a carrier may have sent."""

import io
import sys
from typing import Literal

import pytest

from byoc_proxy.observe.log import configured


@pytest.mark.parametrize("form", ["json", "console"])
def test_bytes_that_are_no_text_are_logged_escaped(
    form: Literal["json", "console"], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii", write_through=True))
    configured("info", form).info("call.admitted", caller="sip:\udcff\u2603@example.test")
    assert b"\\udcff\\u2603" in written.getvalue()
