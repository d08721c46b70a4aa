"""The description of the API at `/openapi.json`."""

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from byoc_proxy.api.catalogue import RESOURCES
from byoc_proxy.api.resource import Verb
from tests.support.api import Installation

pytestmark = pytest.mark.store


async def description(api: Installation) -> Any:
    reply = await api.client("", "").get("/openapi.json")
    assert reply.status == 200
    return reply.json


async def test_everybody_may_read_it_and_it_is_valid(api: Installation) -> None:
    """S105, and what a linter says."""
    OpenAPIV31SpecValidator(await description(api)).validate()


async def test_it_describes_every_operation_of_every_resource(api: Installation) -> None:
    told = await description(api)
    ids = {operation["operationId"] for path in told["paths"].values() for operation in path.values()}
    expected = {f"{verb.name.lower()}{each.name}" for each in RESOURCES for verb in each.verbs}
    assert expected <= ids
    for resource in RESOURCES:
        for verb in (Verb.CREATE, Verb.UPDATE) if Verb.UPDATE in resource.verbs else (Verb.CREATE,):
            path = resource.list_path if verb is Verb.CREATE else resource.instance_path
            (form,) = told["paths"][path]["post"]["requestBody"]["content"].values()
            assert list(form["schema"]["properties"]) == [each.name for each in resource.parameters_of(verb)]


async def test_its_links_lead_from_what_was_made_to_operations_that_are_there(api: Installation) -> None:
    paths = (await description(api))["paths"]
    places = {each["operationId"]: path for path, methods in paths.items() for each in methods.values()}
    links = paths["/v1/ConnectionPolicies"]["post"]["responses"]["201"]["links"]
    assert sorted(links) == [
        "createConnectionPolicyTarget",
        "deleteConnectionPolicy",
        "fetchConnectionPolicy",
        "listConnectionPolicyTarget",
        "updateConnectionPolicy",
    ]
    for methods in paths.values():
        for link in methods.get("post", {}).get("responses", {}).get("201", {}).get("links", {}).values():
            assert set(link["parameters"]) == set(re.findall(r"\{(\w+)\}", places[link["operationId"]]))


async def test_it_says_what_may_be_empty(api: Installation) -> None:
    """An empty value clears a field and filters nothing; what is required has one character at least."""
    paths = (await description(api))["paths"]
    (form,) = paths["/v1/ByocTrunks"]["post"]["requestBody"]["content"].values()
    empty = {"type": "string", "maxLength": 0}
    assert form["schema"]["properties"]["VoiceUrl"]["anyOf"][1] == empty
    assert "minLength" not in form["schema"]["properties"]["FriendlyName"]
    targets = paths["/v1/ConnectionPolicies/{connection_policy_sid}/Targets"]
    (form,) = targets["post"]["requestBody"]["content"].values()
    assert form["schema"]["properties"]["Target"]["minLength"] == 1
    assert [each["schema"]["anyOf"][1] for each in targets["get"]["parameters"] if each["in"] == "query"] == [
        empty
    ] * 3


async def test_it_tells_no_secret(api: Installation) -> None:
    assert "a-token-of" not in repr(await description(api))
