"""The API put together: every endpoint, and the description of them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byoc_proxy.api.alerts import alert_endpoints
from byoc_proxy.api.calls import call_endpoints
from byoc_proxy.api.catalogue import RESOURCES
from byoc_proxy.api.conferences import conference_endpoints
from byoc_proxy.api.endpoints import endpoints_of
from byoc_proxy.api.events import event_endpoints
from byoc_proxy.api.openapi import document
from byoc_proxy.api.operations import Operations
from byoc_proxy.api.server import Api, Public

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from byoc_proxy.api.call_desk import CallDesk
    from byoc_proxy.api.errands import Errands
    from byoc_proxy.api.server import Endpoint
    from byoc_proxy.provision.provisioning import Provisioning


def application(
    provisioning: Provisioning,
    limits: Mapping[str, int],
    desk: CallDesk,
    errands: Errands,
    others: Iterable[Endpoint],
    new_id: Callable[[], str],
    log: Any,
) -> Api:
    """`limits` are those of `resource.Limit`; `desk` makes and changes calls, `errands` those of other
    nodes; `others` are the endpoints that are
    about no row of the catalogue.
    """
    operations = Operations(provisioning, limits)
    endpoints = [
        *endpoints_of(RESOURCES, operations, provisioning.directories),
        *call_endpoints(operations, provisioning.database, desk, errands),
        *conference_endpoints(),
        *alert_endpoints(operations),
        *event_endpoints(operations),
        *others,
    ]
    described = document(endpoints, RESOURCES)
    return Api(endpoints, [Public("/openapi.json", lambda: described)], provisioning, new_id, log)
