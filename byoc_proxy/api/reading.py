"""Lists and instances of what calls have written, which nobody creates: calls, notifications, alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byoc_proxy.api import forms, paging
from byoc_proxy.api.openapi import envelope_schema, in_query, operation, paging_parameters
from byoc_proxy.api.rendering import shown
from byoc_proxy.api.resource import Style, Verb
from byoc_proxy.api.server import Answer, Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from byoc_proxy.api.operations import Operations
    from byoc_proxy.api.resource import Resource, Row
    from byoc_proxy.api.server import Ask

    # from the filters of a request, whose names of columns it takes out, to conditions
    Conditions = Callable[[Row], Sequence[ColumnElement[bool]]]


class ReadingDesk:
    """One resource, of which `item` is the schema; `alone` are fields that only the answer to a fetch has."""

    def __init__(
        self,
        resource: Resource,
        operations: Operations,
        conditions: Conditions,
        item: Mapping[str, Any],
        alone: Sequence[str] = (),
    ) -> None:
        self._resource = resource
        self._operations = operations
        self._conditions = conditions
        self._item = dict(item)
        self._alone = alone

    def endpoints(self) -> list[Endpoint]:
        """The list and, where there is one, the instance."""
        resource = self._resource
        listed = operation(resource.name, Verb.LIST, resource.list_path, self._list_schema())
        listed["parameters"] += [*map(in_query, resource.filters), *paging_parameters()]
        endpoints = [Endpoint("GET", resource.list_path, self.list, listed)]
        if Verb.FETCH in resource.verbs:
            fetched = operation(resource.name, Verb.FETCH, resource.instance_path, self._item_schema(self._alone))
            endpoints.append(Endpoint("GET", resource.instance_path, self.fetch, fetched))
        return endpoints

    async def list(self, ask: Ask) -> Answer:
        resource = self._resource
        window, others = paging.window_of(ask.parameters)
        read = forms.read(others, resource.filters, Verb.LIST)
        filters = {name: value for name, value in read.items() if value is not None}  # an empty one filters nothing
        more = self._conditions(filters)
        page = await self._operations.page(resource, ask.scope, ask.names, filters, window, more)
        rows: list[object] = [self._shown(row, ask) for row in page.rows]
        place = ask.path if resource.style is Style.LEGACY else ask.scope.base + ask.path
        return Answer(paging.envelope(resource.style, resource.key, rows, page, window, place, others))

    async def fetch(self, ask: Ask) -> Answer:
        forms.read(ask.parameters, (), Verb.FETCH)
        row = await self._operations.fetch(self._resource, ask.scope, ask.names, ask.names["sid"])
        return Answer({**self._shown(row, ask), **dict.fromkeys(self._alone)})

    def _shown(self, row: Row, ask: Ask) -> dict[str, object]:
        return shown(self._resource, row, ask.scope.directory, ask.scope.base)

    @property
    def item(self) -> dict[str, Any]:
        """The schema of one row in a list, and of what is answered to whoever makes or changes one."""
        return self._item_schema(())

    def _list_schema(self) -> dict[str, Any]:
        return envelope_schema(self._resource.style, self._resource.key, self._item_schema(()))

    def _item_schema(self, alone: Sequence[str]) -> dict[str, Any]:
        properties = {**self._item, **dict.fromkeys(alone, {"type": "null"})}
        return {
            "type": "object",
            "required": list(properties),
            "properties": properties,
            "additionalProperties": False,
        }
