"""Schemathesis tries `/openapi.json` and holds each answer against it: by rule, by chance, in chains.

`scripts/contract` runs the same for longer: BYOC_CONTRACT_SECONDS.
"""

import os
import sys
from pathlib import Path

import pytest

from byoc_proxy.api.catalogue import RESOURCES
from byoc_proxy.api.resource import Verb
from tests.api.one_of_each import BY_NAME, Owned
from tests.support.api import Client
from tests.support.api_daemon import AUTH_TOKEN, MAIN, api_daemon, api_document
from tests.support.programs import run

SECONDS = int(os.environ.get("BYOC_CONTRACT_SECONDS", "30"))
pytestmark = [pytest.mark.wire, pytest.mark.timeout(SECONDS + 90)]

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "unsupported_method", "allow_header_conformance"),
    *("ignored_auth", "use_after_free", "ensure_resource_availability"),
)
# Guessed links take any `sid` for any other; ours say which is which.
SETTINGS = """
[phases.stateful.inference]
algorithms = []
"""
STATIC = {"static_ip": True, "interconnect": ["10.9.0.0/24"]}


def settings(made: Owned) -> str:
    """Paths lead to what is there: random SIDs would hear 404 and nothing else."""
    parents = {**made.names(BY_NAME["ByocTrunk"]), "sid": ""}
    lines = [SETTINGS, "[parameters]", *(f'{name} = "{sid}"' for name, sid in parents.items() if sid)]
    for resource in RESOURCES:
        for method in ("GET", "POST") if Verb.UPDATE in resource.verbs else ("GET",):
            lines += [
                "[[operations]]",
                f'include-name = "{method} {resource.instance_path}"',
                "[operations.parameters]",
            ]
            lines += [
                f'{name} = "{sid}"'
                for name, sid in made.names(resource).items()
                if f"{{{name}}}" in resource.instance_path
            ]
    return "\n".join(lines)


async def test_no_request_gets_an_answer_that_the_description_does_not_have(tmp_path: Path) -> None:
    """S105: path, form encoding, JSON casing, pagination and dates are those of the OpenAPI description."""
    document = api_document()
    document["accounts"]["acme"] |= STATIC
    options = ("--max-time", str(SECONDS), "--checks", ",".join(CHECKS), "--seed", "4", "--no-color")
    async with api_daemon(tmp_path, document) as api:
        client = Client(None, MAIN, AUTH_TOKEN, base=api.base)
        made = Owned(client, MAIN)
        await made.make_all(1)
        await client.close()
        (tmp_path / "schemathesis.toml").write_text(settings(made), encoding="utf-8")
        schemathesis = str(Path(sys.executable).with_name("schemathesis"))
        code, report = await run(
            *(
                tmp_path,
                schemathesis,
                "run",
                f"{api.base}/openapi.json",
                "--auth",
                f"{MAIN}:{AUTH_TOKEN}",
                *options,
            ),
            within=SECONDS + 60,
        )
    assert code == 0, report
    print(report[report.rfind("= SUMMARY") :])  # noqa: T201 - for who runs it by hand
