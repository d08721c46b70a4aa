"""The keys of what a node has beside calls: health pages, a database, an API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from byoc_proxy.config.fields import BindAddress, Count, DatabaseUrl, FileName, HostPort
from byoc_proxy.config.section import Limit, Section

Days = Annotated[Count, Field(ge=1, le=36500)]


class HealthSection(Section):
    bind: BindAddress


class DatabaseSection(Section):
    url: Annotated[DatabaseUrl, Field(validate_default=True)] = "sqlite:///byoc-proxy.db"
    key_file: FileName | None = None
    keep_calls: Days = 90
    keep_alerts: Days = 30


class ResourceLimitsSection(Section):
    """How many of each an account may have, or a list."""

    domains: Limit = 100
    ip_access_control_lists: Limit = 1000
    ip_addresses: Limit = 100
    credential_lists: Limit = 1000
    credentials: Limit = 1000
    connection_policies: Limit = 10_000
    applications: Limit = 1000
    twiml_bins: Limit = 1000


class ApiSection(Section):
    bind: BindAddress = HostPort("127.0.0.1", 8080)
    limits: ResourceLimitsSection = ResourceLimitsSection()
    calls_per_second: Limit = 1
    queued_calls: Limit = 1000
