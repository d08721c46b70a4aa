"""A small installation to test against: Acme has a domain with both kinds of list, a trunk and two targets."""

from dataclasses import replace
from typing import Any

from byoc_proxy.sip.digest import Ha1
from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.model import (
    Account,
    AccountSid,
    ByocTrunk,
    ByocTrunkSid,
    ConnectionPolicy,
    ConnectionPolicySid,
    ConnectionPolicyTarget,
    Credential,
    CredentialList,
    CredentialListSid,
    CredentialSid,
    HealthRules,
    Installation,
    IpAccessControlList,
    IpAccessControlListSid,
    IpAddress,
    IpAddressSid,
    Resources,
    SipDomain,
    SipDomainSid,
    TargetSid,
    stable_sid,
)
from byoc_proxy.trunk.origination import read_target
from byoc_proxy.trunk.regions import DEFAULT_REGIONS

BASE = "sip.example.test"
ACME = AccountSid(stable_sid("AC", "acme"))
OTHER = AccountSid(stable_sid("AC", "other"))
TRUNK = ByocTrunkSid(stable_sid("BY", "acme"))
DOMAIN = SipDomainSid(stable_sid("SD", "acme"))
DALLAS = IpAccessControlListSid(stable_sid("AL", "dallas"))
SBCS = CredentialListSid(stable_sid("CL", "sbcs"))
CARRIERS = ConnectionPolicySid(stable_sid("NY", "carriers"))

INSTALLATION = Installation(BASE, BASE, "us1", DEFAULT_REGIONS)


def account(sid: AccountSid = ACME, **fields: Any) -> Account:
    return Account(sid, **{"friendly_name": "Acme", "auth_token": "secret-token", **fields})


def trunk(**fields: Any) -> ByocTrunk:
    usual = {"friendly_name": "Acme Trunk", "voice_url": "https://app.example.test/voice"}
    return ByocTrunk(
        fields.pop("sid", TRUNK),
        fields.pop("account_sid", ACME),
        **{**usual, "connection_policy_sid": CARRIERS, **fields},
    )


def domain(name: str = "acme", **fields: Any) -> SipDomain:
    sid = fields.pop("sid", SipDomainSid(stable_sid("SD", name)))
    usual = {
        "byoc_trunk_sid": TRUNK,
        "ip_access_control_list_sids": (DALLAS,),
        "credential_list_sids": (SBCS,),
    }
    return SipDomain(sid, fields.pop("account_sid", ACME), f"{name}.{BASE}", **{**usual, **fields})


def acl(*cidrs: str, sid: IpAccessControlListSid = DALLAS, name: str = "Dallas") -> IpAccessControlList:
    addresses = (IpAddress(IpAddressSid(stable_sid("IP", name, cidr)), "", cidr) for cidr in cidrs)
    return IpAccessControlList(sid, ACME, name, tuple(addresses))


def credentials(*users: str, sid: CredentialListSid = SBCS) -> CredentialList:
    held = (
        Credential(CredentialSid(stable_sid("CR", sid, user)), user, Ha1.of(user, BASE, f"{user} of {sid}"))
        for user in users
    )
    return CredentialList(sid, ACME, "SBCs", tuple(held))


def target(
    uri: str,
    priority: int = 10,
    weight: int = 10,
    *,
    enabled: bool = True,
    health: HealthRules | None = None,
) -> ConnectionPolicyTarget:
    sid = TargetSid(stable_sid("NE", uri))
    return ConnectionPolicyTarget(sid, uri, read_target(uri), priority, weight, enabled, health)


def policy(*targets: ConnectionPolicyTarget, **fields: Any) -> ConnectionPolicy:
    owner = fields.pop("account_sid", ACME)
    return ConnectionPolicy(CARRIERS, owner, "Carriers", targets, **fields)


def resources(**fields: Any) -> Resources:
    """One of each, all right; `fields` replace whole collections."""
    production = IpAddress(IpAddressSid(stable_sid("IP", "production")), "Production SBC", "203.0.113.8/30")
    usual = Resources(
        INSTALLATION,
        accounts=(account(),),
        trunks=(trunk(),),
        domains=(domain(),),
        ip_access_control_lists=(IpAccessControlList(DALLAS, ACME, "Dallas", (production,)),),
        credential_lists=(credentials("sbc1"),),
        connection_policies=(policy(target("sip:a.example"), target("sip:b.example", 20)),),
    )
    return replace(usual, **fields)


def directory(**fields: Any) -> Directory:
    return Directory.build(resources(**fields))
