"""The OpenAPI description of the API, made of the declarations that it runs by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, Integer

from byoc_proxy import __version__
from byoc_proxy.api.forms import FORM
from byoc_proxy.api.paging import MOST, USUAL
from byoc_proxy.api.rendering import DATES
from byoc_proxy.api.resource import Style, Verb
from byoc_proxy.api.values import Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from byoc_proxy.api.resource import Parameter, Resource
    from byoc_proxy.api.server import Endpoint

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string"}
_NUMBER: Final[Json] = {"type": "integer"}
_SID: Final[Json] = {"type": "string", "pattern": "^[A-Z]{2}[0-9a-fA-F]{32}$"}
_NAME: Final[Json] = {"type": "string", "pattern": "^[^/]{1,128}$"}
_EMPTY: Final[Json] = {"type": "string", "maxLength": 0}
_MAYBE_TEXT: Final[Json] = {"type": ["string", "null"]}
_WORDS: Final = {
    Verb.CREATE: ("Create", "create"),
    Verb.LIST: ("List", "list"),
    Verb.FETCH: ("Fetch", "fetch"),
    Verb.UPDATE: ("Update", "update"),
    Verb.DELETE: ("Delete", "delete"),
}
ERRORS: Final = {
    "400": "A parameter or a rule is against it; nothing has changed",
    "401": "No account's token, or not its own",
    "403": "Not allowed: the account is not active, or what it is about is declared in the configuration file",
    "404": "Not there, or another account's",
    "409": "In use, or there already; nothing has changed",
    "413": "The form is too large",
    "415": "The body is not a form",
    "503": "The database cannot be had now; nothing has changed",
}
RARE: Final = {"429": "More calls of the account wait for their turn than may"}  # of single operations
_ERROR: Final[Json] = {
    "type": "object",
    "required": ["code", "message", "more_info", "status"],
    "properties": {
        "code": _NUMBER,
        "message": _TEXT,
        "more_info": _TEXT,
        "status": _NUMBER,
        "details": {"type": "object"},
    },
    "additionalProperties": False,
}
_LEGACY_ENVELOPE: Final[Json] = {
    **dict.fromkeys(("first_page_uri", "uri"), _TEXT),
    **dict.fromkeys(("next_page_uri", "previous_page_uri"), _MAYBE_TEXT),
    **dict.fromkeys(("page", "page_size", "start", "end"), _NUMBER),
}
_META: Final[Json] = {
    **dict.fromkeys(("first_page_url", "url", "key"), _TEXT),
    **dict.fromkeys(("next_page_url", "previous_page_url"), _MAYBE_TEXT),
    **dict.fromkeys(("page", "page_size"), _NUMBER),
}
# What is in no column, by name; everything else is described by its column.
_COMPUTED: Final[Json] = {
    **dict.fromkeys(
        ("uri", "url", "api_version", "type", "friendly_name", "owner_account_sid", "auth_type"), _TEXT
    ),
    "auth_token": _MAYBE_TEXT,
    "warnings": {"type": "array", "items": _TEXT},
    "sip_domain_sid": _TEXT,
}


def closed(properties: Mapping[str, object]) -> Json:
    """An object with all of these properties and no others."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": dict(properties),
        "additionalProperties": False,
    }


def described(resource: Resource) -> Json:
    """The schema of a resource's answer."""
    return closed({name: _field(resource, name) for name in resource.answer})


def _field(resource: Resource, name: str) -> Json:
    if name in DATES:
        return _MAYBE_TEXT if resource.style is Style.LEGACY else {**_MAYBE_TEXT, "format": "date-time"}
    if name in ("links", "subresource_uris"):
        return closed(dict.fromkeys(resource.links, _TEXT))
    if name not in resource.table.c or name == "auth_token":
        return dict(_COMPUTED[name])
    column = resource.table.c[name]
    kind = "boolean" if isinstance(column.type, Boolean) else "string"
    kind = "integer" if isinstance(column.type, Integer) else kind
    return {"type": [kind, "null"] if column.nullable else kind}


def envelope_schema(style: Style, key: str, item: Json) -> Json:
    """The schema of a list."""
    rows: Json = {"type": "array", "items": item}
    if style is Style.V1:
        return closed({"meta": closed(_META), key: rows})
    return closed({**_LEGACY_ENVELOPE, key: rows})


def paging_parameters() -> list[Json]:
    """The parameters that every list takes."""
    schemas: dict[str, Json] = {
        "PageSize": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
        "Page": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        "PageToken": {"type": "string", "pattern": "^P[AB][0-9a-f]{32}$"},
    }
    return [
        {"name": name, "in": "query", "schema": {"anyOf": [schema, _EMPTY]}} for name, schema in schemas.items()
    ]


def operation(name: str, verb: Verb, path: str, answer: Json | None, *, tag: str = "") -> Json:
    """An operation that answers with `answer` (a schema; None: with nothing)."""
    words, verb_id = _WORDS[verb]
    status = {Verb.CREATE: "201", Verb.DELETE: "204"}.get(verb, "200")
    good: Json = {"description": f"{words} {name}"}
    if answer is not None:
        good["content"] = {"application/json": {"schema": answer}}
    return {
        "operationId": f"{verb_id}{name}",
        "summary": f"{words} {name}",
        "tags": [tag or name],
        "parameters": _path_parameters(path),
        "responses": {status: good, **{code: {"$ref": f"#/components/responses/{code}"} for code in ERRORS}},
    }


def also(told: Json, *codes: str) -> None:
    """An operation may be answered with these of `RARE`, too."""
    told["responses"] |= {code: {"$ref": f"#/components/responses/{code}"} for code in codes}


def operation_of(resource: Resource, verb: Verb) -> Json:
    """What the description says of one verb of a resource."""
    reference: Json = {"$ref": f"#/components/schemas/{resource.name}"}
    path = resource.list_path if verb in (Verb.CREATE, Verb.LIST) else resource.instance_path
    answer: Json | None = reference
    if verb is Verb.LIST:
        answer = envelope_schema(resource.style, resource.key, reference)
    if verb is Verb.CREATE and resource.prefix == "SK":
        properties = described(resource)["properties"]
        answer = closed({**properties, "secret": _TEXT})
    told = operation(resource.name, verb, path, None if verb is Verb.DELETE else answer)
    if verb is Verb.LIST:
        told["parameters"] += [*map(in_query, resource.filters), *paging_parameters()]
    if verb in (Verb.CREATE, Verb.UPDATE):
        told["requestBody"] = form_schema(resource.parameters_of(verb), verb)
    return told


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _SID if name.endswith("sid") else _NAME}
        for name in _names(path)
    ]


def _names(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)


def in_query(parameter: Parameter) -> Json:
    """A parameter of a list."""
    return {"name": parameter.name, "in": "query", "schema": _taken(parameter)}


def _taken(parameter: Parameter) -> Json:
    """What it may hold. Empty is null, and of a filter nothing: only what is required cannot be that."""
    schema = dict(parameter.kind.schema())
    if parameter.required:
        return {"minLength": 1, **schema} if schema["type"] == "string" else schema
    return schema if isinstance(parameter.kind, Words) else {"anyOf": [schema, _EMPTY]}


def form_schema(parameters: Iterable[Parameter], verb: Verb) -> Json:
    """The body of a create or an update."""
    listed = list(parameters)
    schema: Json = {
        "type": "object",
        "properties": {each.name: _taken(each) for each in listed},
        "additionalProperties": False,
    }
    required = [each.name for each in listed if each.needed(verb)]
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {FORM: {"schema": schema}}}


def _links(made: Resource, resources: Iterable[Resource]) -> Json:
    """From a create to what can be done with what was made: to it, and inside of it."""
    sid = "$response.body#/sid"
    found = {
        f"{_WORDS[verb][1]}{made.name}": _link(made.instance_path, "sid", sid)
        for verb in (Verb.FETCH, Verb.UPDATE, Verb.DELETE)
        if verb in made.verbs
    }
    for inner in resources:
        if inner.parent is made:
            link = _link(inner.list_path, inner.parent_column, sid)
            found |= {f"{_WORDS[verb][1]}{inner.name}": link for verb in (Verb.LIST, Verb.CREATE)}
    return {name: {"operationId": name, "parameters": parameters} for name, parameters in found.items()}


def _link(path: str, column: str, sid: str) -> Json:
    """Where the names in a path come from: this one from the answer, all others from the path that was asked."""
    return {name: sid if name == column else f"$request.path.{name}" for name in _names(path)}


def document(endpoints: Iterable[Endpoint], resources: Iterable[Resource]) -> Json:
    """The whole description, OpenAPI 3.1."""
    listed = list(resources)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = endpoint.operation
    for resource in listed:
        if Verb.CREATE in resource.verbs:
            paths[resource.list_path]["post"]["responses"]["201"]["links"] = _links(resource, listed)
    problem: Json = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "byoc-proxy",
            "version": __version__,
            "description": "Calls, trunks, domains, lists and policies, by the names of Twilio's REST API.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"accountSid_authToken": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"accountSid_authToken": {"type": "http", "scheme": "basic"}},
            "schemas": {"Error": _ERROR, **{each.name: described(each) for each in listed}},
            "responses": {
                code: {"description": text, "content": problem} for code, text in {**ERRORS, **RARE}.items()
            },
        },
    }
