"""Schemathesis tries `/openapi.json` and holds each answer against it: by rule, by chance, in chains.

`scripts/contract` runs the same for longer: BYOC_CONTRACT_SECONDS.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.api_daemon import AUTH_TOKEN, MAIN, api_daemon

SECONDS = int(os.environ.get("BYOC_CONTRACT_SECONDS", "30"))
pytestmark = [pytest.mark.wire, pytest.mark.timeout(SECONDS + 90)]

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "unsupported_method", "allow_header_conformance"),
    *("ignored_auth", "use_after_free", "ensure_resource_availability"),
)
# Guessed links take any `sid` for any other; ours say which is which.
SETTINGS = f"""
[parameters]
account_sid = "{MAIN}"

[phases.stateful.inference]
algorithms = []
"""


async def test_no_request_gets_an_answer_that_the_description_does_not_have(tmp_path: Path) -> None:
    """S105: path, form encoding, JSON casing, pagination and dates are those of the OpenAPI description."""
    (tmp_path / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
    options = ("--max-time", str(SECONDS), "--checks", ",".join(CHECKS), "--seed", "4", "--no-color")
    async with api_daemon(tmp_path) as api:
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.base}/openapi.json"),
            *("--auth", f"{MAIN}:{AUTH_TOKEN}", *options),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    report = said.decode(errors="replace")
    summary = report[report.rfind("= SUMMARY") :]
    assert process.returncode == 0, report
    print(summary)  # noqa: T201 - for who runs it by hand
    assert "Failures:" not in summary
