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
    *("response_schema_conformance", "unsupported_method", "allow_header_conformance", "ignored_auth"),
    *("use_after_free", "ensure_resource_availability"),
)
# Guessed links take any `sid` for any other; ours say which is which.
SETTINGS = """
[phases.stateful.inference]
algorithms = []

[parameters]
"""
STATIC = {"static_ip": True, "interconnect": ["10.9.0.0/24"]}


def places_of(made: Owned) -> str:
    """Paths lead to what is there: random SIDs would hear 404 and nothing else."""
    parents = {**made.names(BY_NAME["ByocTrunk"]), "sid": ""}
    lines = [f'{name} = "{sid}"' for name, sid in parents.items() if sid]
    for resource in RESOURCES:
        names = {name: sid for name, sid in made.names(resource).items() if f"{{{name}}}" in resource.instance_path}
        for method in ("GET", "POST") if Verb.UPDATE in resource.verbs else ("GET",):
            lines += ["[[operations]]", f'include-name = "{method} {resource.instance_path}"']
            lines += ["[operations.parameters]", *(f'{name} = "{sid}"' for name, sid in names.items())]
    return "\n".join(lines)


async def report(directory: Path, phase: str, *more_checks: str) -> None:
    """Let schemathesis run for a third of the time, and fail on what it finds."""
    document = api_document()
    document["accounts"]["acme"] |= STATIC
    checks = ("--checks", ",".join((*CHECKS, *more_checks)))
    options = ("--phases", phase, "--max-time", str(SECONDS // 3), *checks, "--seed", "4", "--no-color")
    async with api_daemon(directory, document) as api:
        client = Client(None, MAIN, AUTH_TOKEN, base=api.base)
        made = Owned(client, MAIN)
        await made.make_all(1)
        await client.close()
        places = f'account_sid = "{MAIN}"' if phase == "stateful" else places_of(made)
        (directory / "schemathesis.toml").write_text(SETTINGS + places, encoding="utf-8")
        schemathesis = str(Path(sys.executable).with_name("schemathesis"))
        code, said = await run(
            *(
                directory,
                schemathesis,
                "run",
                f"{api.base}/openapi.json",
                "--auth",
                f"{MAIN}:{AUTH_TOKEN}",
                *options,
            ),
            within=SECONDS + 60,
        )
    assert code == 0, said
    print(said[said.rfind("= SUMMARY") :])  # noqa: T201 - for who runs it by hand


async def test_every_operation_answers_as_described_whatever_rule_of_it_is_broken(tmp_path: Path) -> None:
    """S105: path, form encoding, JSON casing, pagination and dates are those of the OpenAPI description."""
    await report(tmp_path, "coverage", "negative_data_rejection")


async def test_requests_made_up_at_random_are_answered_as_described(tmp_path: Path) -> None:
    """Whether they are refused is not asked: what was made wrong may be right again as it is sent: a list of
    no values is no parameter.
    """
    await report(tmp_path, "fuzzing")


async def test_what_was_made_is_there_for_what_follows_and_what_was_deleted_is_not(tmp_path: Path) -> None:
    """The links of the description, followed as far as they lead."""
    await report(tmp_path, "stateful")
