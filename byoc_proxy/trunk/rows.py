"""The rows of an installation by SID and by the names that they may have only once.

One value is one state of all rows. `changed` copies the mappings that are touched, of references, and shares the
rest: a change of one row among 10 000 costs a tenth of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from byoc_proxy.trunk.changes import SECTIONS
from byoc_proxy.trunk.model import Resources
from byoc_proxy.trunk.origination import REGION_TOKEN
from byoc_proxy.trunk.regions import without_region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from byoc_proxy.sip.uri import SipUri
    from byoc_proxy.trunk.changes import Row
    from byoc_proxy.trunk.model import (
        Account,
        Application,
        ByocTrunk,
        ConnectionPolicy,
        CredentialList,
        Installation,
        IpAccessControlList,
        SipDomain,
        TwimlBin,
    )

    Key = tuple[str, str]  # section and SID
    Changed = Mapping[Key, Row | None]  # rows as they shall be; None: removed


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A section is a field of `Resources`. Of rows that claim one name, the one that had it first has it here.

    `names`: domains by name. `static_ips`: domains by static address. `near_hosts`: SIDs of the policies with a
    target at a host that is a name of ours, or would be if there were such a domain. `bin_names`: TwiML bins by
    account and name.
    """

    installation: Installation
    accounts: Mapping[str, Account]
    trunks: Mapping[str, ByocTrunk]
    domains: Mapping[str, SipDomain]
    ip_access_control_lists: Mapping[str, IpAccessControlList]
    credential_lists: Mapping[str, CredentialList]
    connection_policies: Mapping[str, ConnectionPolicy]
    twiml_bins: Mapping[str, TwimlBin]
    applications: Mapping[str, Application]
    names: Mapping[str, SipDomain]
    static_ips: Mapping[str, SipDomain]
    near_hosts: Mapping[str, frozenset[str]]
    bin_names: Mapping[tuple[str, str], TwimlBin]

    @classmethod
    def none(cls, installation: Installation) -> Rows:
        return cls(installation, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})

    def section(self, name: str) -> Mapping[str, Any]:
        """The rows of a section by SID."""
        rows: Mapping[str, Any] = getattr(self, name)
        return rows

    def resources(self) -> Resources:
        """The rows as they would be judged and built from."""
        sections: dict[str, Any] = {name: tuple(self.section(name).values()) for name in SECTIONS}
        return Resources(self.installation, **sections)

    def named(self, host: str) -> tuple[SipDomain, str] | None:
        """The domain that a host names, in lower case, and the region: the node's own for a generic name."""
        domain = self.names.get(host)
        if domain is not None:
            return domain, self.installation.region
        local = without_region(host, self.installation.base_domain, self.installation.regions)
        if local is None:
            return None
        domain = self.names.get(local[0])
        return (domain, local[1]) if domain is not None else None

    def bin_of(self, account_sid: str, name: str) -> TwimlBin | None:
        """The TwiML bin of an account by its name or SID; a foreign one is as unknown as a wrong one."""
        found = self.bin_names.get((account_sid, name))
        if found is None:
            found = self.twiml_bins.get(name)
        return found if found is not None and found.account_sid == account_sid else None

    def hosts_of(self, uri: SipUri) -> frozenset[str]:
        """The hosts that a target leads to and that could be names of ours: one for each region that it names."""
        if not uri.host.endswith(self.installation.base_domain.removeprefix("sip.")):
            return frozenset()
        return frozenset(uri.host.replace(REGION_TOKEN, region) for region in self.installation.regions)

    def changed(self, changed: Changed) -> Rows:
        """These rows with others in their place, beside them or none at all."""
        sections: dict[str, Any] = {}
        for (section, sid), row in changed.items():
            table = sections.get(section)
            if table is None:
                table = sections[section] = dict(self.section(section))
            if row is None:
                table.pop(sid, None)
            else:
                table[sid] = row
        if "domains" in sections:
            sections |= self._domain_names(changed)
        if "connection_policies" in sections:
            sections["near_hosts"] = self._near_hosts(changed)
        if "twiml_bins" in sections:
            sections["bin_names"] = self._bin_names(changed)
        return replace(self, **sections)

    def _bin_names(self, changed: Changed) -> dict[tuple[str, str], TwimlBin]:
        """As with domains: what was claimed is free before anything is claimed anew."""
        names = dict(self.bin_names)
        touched = [(sid, row) for (section, sid), row in changed.items() if section == "twiml_bins"]
        for sid, _ in touched:
            before = self.twiml_bins.get(sid)
            if before is not None:
                del names[before.account_sid, before.unique_name]
        for _, after in touched:
            row: Any = after
            if row is not None:
                names.setdefault((row.account_sid, row.unique_name), row)
        return names

    def _domain_names(self, changed: Changed) -> dict[str, Any]:
        """What was claimed is free for all before anything is claimed anew: two domains may change names."""
        names, static_ips = dict(self.names), dict(self.static_ips)
        touched = [(sid, row) for (section, sid), row in changed.items() if section == "domains"]
        for sid, _ in touched:
            before = self.domains.get(sid)
            if before is not None:
                del names[before.domain_name]
                for address in before.static_ips:
                    del static_ips[address]
        for sid, _ in touched:
            row: Any = changed["domains", sid]
            if row is not None:
                names.setdefault(row.domain_name, row)
                for address in row.static_ips:
                    static_ips.setdefault(address, row)
        return {"names": names, "static_ips": static_ips}

    def _near_hosts(self, changed: Changed) -> dict[str, frozenset[str]]:
        near = dict(self.near_hosts)
        for (section, sid), row in changed.items():
            if section != "connection_policies":
                continue
            before = self.connection_policies.get(sid)
            for host in self._target_hosts(before):
                near[host] -= {sid}
                if not near[host]:
                    del near[host]
            after: Any = row
            for host in self._target_hosts(after):
                near[host] = near.get(host, frozenset()) | {sid}
        return near

    def _target_hosts(self, policy: ConnectionPolicy | None) -> Iterator[str]:
        hosts: set[str] = set()
        for target in policy.targets if policy is not None else ():
            hosts |= self.hosts_of(target.target)
            if target.outbound_proxy is not None:
                hosts |= self.hosts_of(target.outbound_proxy)
        return iter(hosts)
