"""The addresses of the catalogue: for each resource its list and its instances, with what may be done there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byoc_proxy.api import forms, paging
from byoc_proxy.api.catalogue import ACCOUNTS, KEYS
from byoc_proxy.api.openapi import operation_of
from byoc_proxy.api.rendering import shown
from byoc_proxy.api.resource import Style, Verb
from byoc_proxy.api.server import Answer, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from byoc_proxy.api.operations import Operations
    from byoc_proxy.api.resource import Resource, Row
    from byoc_proxy.api.server import Ask
    from byoc_proxy.trunk.directory import Directories

CLOSED_TO_KEYS = (ACCOUNTS, KEYS)


def endpoints_of(
    resources: Iterable[Resource], operations: Operations, directories: Directories
) -> Iterator[Endpoint]:
    """What `api.server` routes by."""
    for resource in resources:
        desk = Desk(resource, operations, directories)
        served = {
            Verb.LIST: ("GET", resource.list_path, desk.list),
            Verb.CREATE: ("POST", resource.list_path, desk.create),
            Verb.FETCH: ("GET", resource.instance_path, desk.fetch),
            Verb.UPDATE: ("POST", resource.instance_path, desk.update),
            Verb.DELETE: ("DELETE", resource.instance_path, desk.delete),
        }
        for verb, (method, path, serve) in served.items():
            if verb in resource.verbs:
                told = operation_of(resource, verb)
                yield Endpoint(method, path, serve, told, open_to_keys=resource not in CLOSED_TO_KEYS)


class Desk:
    """One resource: from parameters to an operation, from its row to the answer."""

    def __init__(self, resource: Resource, operations: Operations, directories: Directories) -> None:
        self._resource = resource
        self._operations = operations
        self._directories = directories

    async def create(self, ask: Ask) -> Answer:
        values = forms.read(ask.parameters, self._resource.parameters_of(Verb.CREATE), Verb.CREATE)
        row = await self._operations.create(self._resource, ask.scope, ask.names, values)
        told_once = {"secret": row["secret"]} if "secret" in row else {}
        return Answer({**self._shown(row, ask), **told_once}, 201)

    async def list(self, ask: Ask) -> Answer:
        window, others = paging.window_of(ask.parameters)
        filters = forms.read(others, self._resource.parameters_of(Verb.LIST), Verb.LIST)
        page = await self._operations.page(self._resource, ask.scope, ask.names, filters, window)
        rows: list[object] = [self._shown(row, ask) for row in page.rows]
        style = self._resource.style
        place = ask.path if style is Style.LEGACY else ask.scope.base + ask.path
        return Answer(paging.envelope(style, self._resource.key, rows, page, window, place, others))

    async def fetch(self, ask: Ask) -> Answer:
        forms.read(ask.parameters, (), Verb.FETCH)
        row = await self._operations.fetch(self._resource, ask.scope, ask.names, ask.names["sid"])
        return Answer(self._shown(row, ask))

    async def update(self, ask: Ask) -> Answer:
        values = forms.read(ask.parameters, self._resource.parameters_of(Verb.UPDATE), Verb.UPDATE)
        row = await self._operations.update(self._resource, ask.scope, ask.names, ask.names["sid"], values)
        return Answer(self._shown(row, ask))

    async def delete(self, ask: Ask) -> Answer:
        forms.read(ask.parameters, (), Verb.DELETE)
        await self._operations.delete(self._resource, ask.scope, ask.names, ask.names["sid"])
        return Answer(None, 204)

    def _shown(self, row: Row, ask: Ask) -> dict[str, object]:
        return shown(self._resource, row, self._directories.current, ask.scope.base)
