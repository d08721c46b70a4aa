"""Installations of many rows, made up: the same shape gives the same rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from byoc_proxy.sip.digest import Ha1
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
NUMBER = "+12145550142"
USER = "user"
PASSWORD = "not-a-secret"
_LOGIN = Ha1.of(USER, BASE, PASSWORD)


@dataclass(frozen=True, slots=True)
class Shape:
    """`accounts` with `domains` each, and with `lists` of either kind, of `entries` each, for these to share."""

    name: str
    accounts: int
    domains: int
    lists: int
    entries: int

    def resources(self) -> Resources:
        """Rows that fit together; each account has a trunk and a policy."""
        accounts = [AccountSid(stable_sid("AC", str(at))) for at in range(self.accounts)]
        owned = [(owner, at * self.lists + each) for at, owner in enumerate(accounts) for each in range(self.lists)]
        return Resources(
            Installation(BASE, BASE, "us1", DEFAULT_REGIONS),
            accounts=tuple(map(Account, accounts)),
            trunks=tuple(map(_trunk, accounts)),
            domains=tuple(self._domains(accounts)),
            ip_access_control_lists=tuple(self._access_control_list(owner, number) for owner, number in owned),
            credential_lists=tuple(self._credential_list(owner, number) for owner, number in owned),
            connection_policies=tuple(map(_policy, accounts)),
        )

    def list_of(self, account: int, domain: int) -> int:
        """The number of the lists that a domain of an account has."""
        return account * self.lists + domain * self.lists // self.domains

    def _domains(self, accounts: list[AccountSid]) -> Iterator[SipDomain]:
        for at, owner in enumerate(accounts):
            for each in range(self.domains):
                number, name = str(self.list_of(at, each)), f"d{at}-{each}"
                yield SipDomain(
                    SipDomainSid(stable_sid("SD", name)),
                    owner,
                    f"{name}.{BASE}",
                    byoc_trunk_sid=ByocTrunkSid(stable_sid("BY", owner)),
                    ip_access_control_list_sids=(IpAccessControlListSid(stable_sid("AL", number)),),
                    credential_list_sids=(CredentialListSid(stable_sid("CL", number)),),
                )

    def _access_control_list(self, owner: AccountSid, number: int) -> IpAccessControlList:
        entries = range(number * self.entries, (number + 1) * self.entries)
        addresses = tuple(IpAddress(IpAddressSid(stable_sid("IP", str(at))), "", _cidr(at)) for at in entries)
        return IpAccessControlList(IpAccessControlListSid(stable_sid("AL", str(number))), owner, "", addresses)

    def _credential_list(self, owner: AccountSid, number: int) -> CredentialList:
        entries = range(number * self.entries + 1, (number + 1) * self.entries)
        others = (_credential(f"user{at}", Ha1(f"{at:032x}", f"{at:064x}")) for at in entries)
        sid = CredentialListSid(stable_sid("CL", str(number)))
        return CredentialList(sid, owner, "", (_credential(USER, _LOGIN), *others))


SHAPES = (
    Shape("one domain", 1, 1, 1, 10),
    Shape("10 000 domains, a list of each kind per domain, of 10", 1, 10_000, 10_000, 10),
    Shape("100 accounts of 100 domains, a list of each kind per account, of 1000", 100, 100, 1, 1000),
    Shape("10 000 domains, one list of each kind for all, of 1000", 1, 10_000, 1, 1000),
)


def source_of(shape: Shape, domain: SipDomain) -> str:
    """An address that the list of a domain holds."""
    account, _, each = domain.domain_name.partition(".")[0].removeprefix("d").partition("-")
    entry = shape.list_of(int(account), int(each)) * shape.entries + int(each) % shape.entries
    return _cidr(entry).partition("/")[0]


def one_entry_more(acl: IpAccessControlList) -> IpAccessControlList:
    entry = IpAddress(IpAddressSid(stable_sid("IP", "more")), "", "192.0.2.7")
    return replace(acl, addresses=(*acl.addresses, entry))


def one_user_more(users: CredentialList) -> CredentialList:
    return replace(users, credentials=(*users.credentials, _credential("more", _LOGIN)))


def another_domain(domain: SipDomain) -> SipDomain:
    """A new one that has what `domain` has."""
    return replace(domain, sid=SipDomainSid(stable_sid("SD", "more")), domain_name=f"more.{BASE}")


def _trunk(owner: AccountSid) -> ByocTrunk:
    policy = ConnectionPolicySid(stable_sid("NY", owner))
    url = "https://app.example.test/voice"
    return ByocTrunk(ByocTrunkSid(stable_sid("BY", owner)), owner, voice_url=url, connection_policy_sid=policy)


def _policy(owner: AccountSid) -> ConnectionPolicy:
    target = ConnectionPolicyTarget(TargetSid(stable_sid("NE", owner)), "", read_target("sip:sbc.carrier.example"))
    return ConnectionPolicy(ConnectionPolicySid(stable_sid("NY", owner)), owner, targets=(target,))


def _credential(user: str, ha1: Ha1) -> Credential:
    return Credential(CredentialSid(stable_sid("CR", user)), user, ha1)


def _cidr(at: int) -> str:
    """The entry of that number: an address or, one in four, a small range."""
    text = ".".join(str(byte) for byte in (0x0A000000 + at * 16).to_bytes(4, "big"))
    return f"{text}/29" if at % 4 == 0 else text
