"""An installation with one of everything, and what makes another one of each kind."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byoc_proxy.api.catalogue import RESOURCES
from byoc_proxy.api.resource import Resource
from byoc_proxy.storage.database import Database
from tests.support.api import ACME, DECLARED, OTHER, PASSWORD, Client, Installation, installed

FILE = DECLARED.replace("auth_token:", "static_ip: true, interconnect: [10.9.0.0/24], auth_token:")
BY_NAME = {each.name: each for each in RESOURCES}
# What creates one, in this order; a value in braces is the SID of something made before.
CREATES: dict[str, dict[str, str]] = {
    "Account": {"FriendlyName": "{name}"},
    "Key": {"FriendlyName": "{name}"},
    "ConnectionPolicy": {"FriendlyName": "{name}"},
    "ConnectionPolicyTarget": {"Target": "sip:{name}.example", "Priority": "10", "Weight": "10", "Enabled": "true"},
    "ByocTrunk": {"FriendlyName": "{name}", "ConnectionPolicySid": "{ConnectionPolicy}"},
    "SipDomain": {"DomainName": "{name}.sip.example.test", "ByocTrunkSid": "{ByocTrunk}"},
    "SipIpAccessControlList": {"FriendlyName": "{name}"},
    "SipIpAddress": {"FriendlyName": "{name}", "IpAddress": "203.0.113.{serial}"},
    "SipCredentialList": {"FriendlyName": "{name}"},
    "SipCredential": {"Username": "{name}", "Password": PASSWORD},
    "IpRecord": {"IpAddress": "10.9.0.{serial}"},
    "SourceIpMapping": {"IpRecordSid": "{IpRecord}", "SipDomainSid": "{SipDomain}"},
    "Application": {"FriendlyName": "{name}"},
    "TwimlBin": {"UniqueName": "{name}", "Twiml": "<Response/>"},
    "SipAuthCallsCredentialListMapping": {"CredentialListSid": "{SipCredentialList}"},
    "SipAuthCallsIpAccessControlListMapping": {"IpAccessControlListSid": "{SipIpAccessControlList}"},
    "SipAuthRegistrationsCredentialListMapping": {"CredentialListSid": "{SipCredentialList}"},
}
# The legacy paths lead to what the paths of calls have made.
SAME = {
    "SipCredentialListMapping": "SipAuthCallsCredentialListMapping",
    "SipIpAccessControlListMapping": "SipAuthCallsIpAccessControlListMapping",
}
_PARENTS = {
    "connection_policy_sid": "ConnectionPolicy",
    "domain_sid": "SipDomain",
    "ip_access_control_list_sid": "SipIpAccessControlList",
    "credential_list_sid": "SipCredentialList",
}


@dataclass
class Owned:
    """What a client has made: SIDs by the name of the resource."""

    client: Client
    account: str
    sids: dict[str, str] = field(default_factory=dict)

    def names(self, resource: Resource) -> dict[str, str]:
        """The SIDs of the resource's path."""
        parents = {column: self.sids.get(name, "") for column, name in _PARENTS.items()}
        return {"account_sid": self.account, "sid": self.sids.get(resource.name, ""), **parents}

    def list_path(self, resource: Resource) -> str:
        return resource.list_path.format_map(self.names(resource))

    def instance_path(self, resource: Resource) -> str:
        return resource.instance_path.format_map(self.names(resource))

    def creates(self, resource: Resource, serial: int) -> dict[str, str]:
        """The parameters of one more."""
        known = {**self.sids, "name": f"n{serial}", "serial": str(serial)}
        template = CREATES[SAME.get(resource.name, resource.name)]
        return {name: text.format_map(known) for name, text in template.items()}

    async def make_all(self, serial: int) -> None:
        for name in CREATES:
            resource = BY_NAME[name]
            made: Any = await self.client.made(self.list_path(resource), self.creates(resource, serial))
            self.sids[name] = made["sid"]
        self.sids |= {legacy: self.sids[name] for legacy, name in SAME.items()}


async def one_of_each(database: Database, directory: Path) -> tuple[Installation, Owned, Owned]:
    """The installation, what Acme has in it, and what Other has."""
    api = await installed(database, directory, FILE)
    acme, other = Owned(api.acme, ACME), Owned(api.other, OTHER)
    await acme.make_all(1)
    await other.make_all(2)
    return api, acme, other
