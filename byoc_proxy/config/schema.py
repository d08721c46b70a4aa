"""The keys of the configuration file and what each may hold.

A section that the process reads, a section that describes the installation, and one model for an entry of each
resource section. What needs two entries to judge is judged elsewhere (`trunk.checks`, `config.process`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from byoc_proxy.config.fields import (
    AccessControlListSid,
    AccountName,
    AccountSid,
    Address,
    AddressSid,
    AdvertisedAddress,
    AuthorityFile,
    BindAddress,
    Cidr,
    Count,
    CountryCode,
    CredentialListSid,
    CredentialSid,
    DialPrefix,
    Digits,
    DomainSid,
    ExistingFile,
    FileName,
    Ha1Md5,
    Ha1Sha256,
    HeaderHost,
    HeaderPattern,
    HostName,
    LongSecret,
    NameServer,
    NotEmpty,
    NumberAsText,
    OwnRange,
    PolicySid,
    Port,
    PortRange,
    Ports,
    RegionName,
    Seconds,
    Secret,
    SipUser,
    Target,
    TargetSid,
    Text64,
    Text255,
    TrunkHandlerUrl,
    TrunkSid,
    UserName,
    WebUrl,
)
from byoc_proxy.config.section import Limit, Section
from byoc_proxy.config.services_schema import ApiSection, DatabaseSection, HealthSection
from byoc_proxy.sip.digest import Algorithm
from byoc_proxy.sip.terms import LEAST_INTERVAL
from byoc_proxy.trunk.checks import MOST_PRIORITY, MOST_WEIGHT
from byoc_proxy.trunk.identity import IdentityHeader, TrustIdentity
from byoc_proxy.trunk.model import STATUS_EVENTS, AccountStatus, StatusEvent, UdpOversize
from byoc_proxy.trunk.numbers import Plus
from byoc_proxy.trunk.relaying import DEFAULT_RELAYED

HttpMethod = Literal["GET", "POST"]
Interval = Annotated[Count, Field(ge=LEAST_INTERVAL, le=86400)]  # RFC 4028 §5


class RegionSection(Section):
    label: Text255 = ""
    neighbours: tuple[Text64, ...] = ()
    addresses: tuple[Address, ...] = ()


class SignallingPortsSection(Section):
    """A transport that is left out is not offered."""

    udp: Port | None = None
    tcp: Port | None = None
    tls: Port | None = None


class MediaSection(Section):
    addresses: Annotated[tuple[OwnRange, ...], NotEmpty]
    ports: Ports = PortRange(10000, 60000)


class InstallationSection(Section):
    base_domain: HostName
    realm: Annotated[Text255, Field(pattern=r'^[^"\\]+$')] | None = None
    region: Text64 = "us1"
    regions: dict[RegionName, RegionSection] | None = None
    default_region: Text64 | None = None
    signalling_ports: SignallingPortsSection = SignallingPortsSection()
    media: MediaSection | None = None
    unknown_domain: Annotated[Literal["drop", "404"], NumberAsText] = "drop"
    static_ip_regions: tuple[Text64, ...] = ("us1",)


class ListenerSection(Section):
    transport: Literal["udp", "tcp", "tls"]
    bind: BindAddress
    advertise: AdvertisedAddress | None = None
    allow_private_address: bool = False
    certificate: ExistingFile | None = None
    private_key: ExistingFile | None = None

    @model_validator(mode="after")
    def _has_its_files(self) -> ListenerSection:
        files = (self.certificate, self.private_key)
        if self.transport == "tls" and None in files:
            raise ValueError("transport tls needs certificate and private_key")
        if self.transport != "tls" and files != (None, None):
            raise ValueError("certificate and private_key are for tls only; set transport: tls or remove them")
        return self


def _level(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return {True: "full", False: "off"}.get(value, value) if isinstance(value, bool) else value


VerifyLevel = Annotated[Literal["full", "chain", "off"], BeforeValidator(_level)]


class TlsFilesSection(Section):
    ca_file: ExistingFile | None = None
    certificate: ExistingFile | None = None
    private_key: ExistingFile | None = None

    @model_validator(mode="after")
    def _has_a_pair(self) -> Self:
        if (self.certificate is None) is not (self.private_key is None):
            raise ValueError("needs both certificate and private_key, or neither")
        return self


class TlsClientSection(TlsFilesSection):
    verify: VerifyLevel = "full"


class TargetTlsSection(TlsFilesSection):
    """What is left out is as `tls_client` has it."""

    verify: VerifyLevel | None = None
    name: Annotated[Text255, Field(min_length=1)] | None = None


class DnsSection(Section):
    nameservers: tuple[NameServer, ...] = ()
    timeout: Seconds = 2.0


class WebhooksSection(Section):
    connect_timeout: Seconds = 5.0
    total_timeout: Seconds = 15.0
    callback_patience: Annotated[Seconds, Field(ge=1, le=86400)] = 3600.0
    requests_per_host: Limit = 256

    @model_validator(mode="after")
    def _fits(self) -> WebhooksSection:
        if self.connect_timeout > self.total_timeout:
            raise ValueError("connect_timeout is longer than total_timeout; make it shorter")
        return self


class LogSection(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class ConnectionsSection(Section):
    max: Limit = 5000
    max_per_source: Limit = 200
    handshake_timeout: Seconds = 5.0
    message_timeout: Seconds = 10.0
    idle_timeout: Seconds = 600.0


class StrangersSection(Section):
    per_source: Limit = 20
    in_all: Limit = 500
    ban_after: Limit = 20
    ban_time: Seconds = 600.0


class LimitsSection(Section):
    max_calls: Limit = 5000
    max_calls_per_second: Limit | None = None
    strangers: StrangersSection = StrangersSection()
    drain_grace: Seconds = 30.0
    connections: ConnectionsSection = ConnectionsSection()


class ProcessSection(Section):
    listeners: Annotated[tuple[ListenerSection, ...], NotEmpty]
    tls_client: TlsClientSection = TlsClientSection()
    dns: DnsSection = DnsSection()
    webhooks: WebhooksSection = WebhooksSection()
    records: FileName | None = None
    log: LogSection = LogSection()
    limits: LimitsSection = LimitsSection()
    health: HealthSection | None = None
    database: DatabaseSection | None = None
    api: ApiSection | None = None
    digest_secret: LongSecret | None = None

    @model_validator(mode="before")
    @classmethod
    def _what_the_api_makes_has_a_place(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("api") is not None and value.get("database") is None:
            return {**value, "database": {}}
        return value


class Entry(Section):
    """What every resource has. `account` is a key of `accounts`; it may be left out when there is only one.

    Without `friendly_name` it is the key; an empty one stays empty.
    """

    account: Text64 | None = None
    friendly_name: Text255 | None = None


class AccountEntry(Section):
    sid: AccountSid | None = None
    friendly_name: Text255 | None = None
    auth_token: Secret
    parent: Text64 | None = None
    static_ip: bool = False
    interconnect: tuple[Cidr, ...] = ()
    status: AccountStatus = "active"
    calls_per_second: Limit | None = None


class NumberFormatSection(Section):
    strip_prefix: DialPrefix = ""
    strip_digits: Annotated[Count, Field(ge=0, le=32)] = 0
    country_code: CountryCode | None = None
    national_prefix: Digits | None = None
    international_prefix: Digits = "00"
    prepend: Digits = ""
    plus: Plus = "keep"
    tech_prefix: DialPrefix = ""

    @model_validator(mode="after")
    def _knows_the_country(self) -> NumberFormatSection:
        if self.country_code is not None and self.national_prefix is None:
            raise ValueError(
                "country_code needs national_prefix, what is dialled there before a national number: "
                "'0' in much of Europe, '1' in North America, '' where there is none"
            )
        return self


class CalledFormatSection(NumberFormatSection):
    min_digits: Annotated[Count, Field(ge=0, le=32)] = 0


class InboundNumbersSection(Section):
    called: CalledFormatSection = CalledFormatSection()
    calling: NumberFormatSection = NumberFormatSection()


class OutboundNumbersSection(Section):
    called: NumberFormatSection = NumberFormatSection()
    calling: NumberFormatSection = NumberFormatSection()


class TrunkEntry(Entry):
    sid: TrunkSid | None = None
    voice_url: TrunkHandlerUrl | None = None
    voice_twiml: Annotated[str, Field(min_length=1, max_length=65536)] | None = None
    voice_method: HttpMethod = "POST"
    voice_fallback_url: TrunkHandlerUrl | None = None
    voice_fallback_method: HttpMethod = "POST"
    status_callback_url: WebUrl | None = None
    status_callback_method: HttpMethod = "POST"
    status_callback_events: Annotated[tuple[StatusEvent, ...], NotEmpty] = STATUS_EVENTS
    cnam_lookup_enabled: bool = False
    connection_policy: Text64 | None = None
    fallback_connection_policy: Text64 | None = None
    from_domain: Text64 | None = None
    ringing: Literal["early", "relay"] = "early"
    caller_format: Literal["auto", "sip"] = "auto"
    webhook_format: Literal["form", "json"] = "form"
    identity_header: IdentityHeader = "pai"
    pass_headers: bool = True
    max_calls: Limit | None = None
    max_calls_per_second: Limit | None = None
    contact_routing: Literal["auto", "contact", "source"] = "auto"
    refer: Literal["reject", "relay", "terminate"] = "reject"
    session_expires: Interval | Literal[0] = 1800
    min_se: Interval = LEAST_INTERVAL
    reliable_provisionals: Literal["required", "media", "always"] = "media"
    from_user: SipUser | None = None
    from_host: HeaderHost | None = None
    to_host: HeaderHost | None = None
    trust_identity: TrustIdentity = "acl"
    relay_headers: tuple[HeaderPattern, ...] = DEFAULT_RELAYED
    inbound_numbers: InboundNumbersSection = InboundNumbersSection()
    outbound_numbers: OutboundNumbersSection = OutboundNumbersSection()


class ClientCertificatesSection(Section):
    ca_file: AuthorityFile
    names: tuple[HostName, ...] = ()


class DomainEntry(Entry):
    sid: DomainSid | None = None
    friendly_name: Text64 | None = None
    domain_name: HostName | None = None
    trunk: Text64 | None = None
    ip_access_control_lists: tuple[Text64, ...] = ()
    credential_lists: tuple[Text64, ...] = ()
    secure: bool = False
    static_ips: tuple[Address, ...] = ()
    digest_algorithms: tuple[Algorithm, ...] = (Algorithm.MD5, Algorithm.SHA_256)
    client_certificates: ClientCertificatesSection | None = None


class AddressEntry(Section):
    sid: AddressSid | None = None
    cidr: Cidr
    friendly_name: Text255 = ""


def _cidr_alone(value: Any) -> Any:
    return {"cidr": value} if isinstance(value, str) else value


class AccessControlListEntry(Entry):
    sid: AccessControlListSid | None = None
    addresses: tuple[Annotated[AddressEntry, BeforeValidator(_cidr_alone)], ...] = ()


def _no_as_off(value: Any) -> Any:
    return "off" if value is False else value  # YAML 1.1 reads `off` as a boolean


def _mode_alone(value: Any) -> Any:
    return {"mode": value} if isinstance(value, str) or value is False else value


class CredentialEntry(Section):
    sid: CredentialSid | None = None
    username: UserName
    password: Secret | None = None
    ha1_md5: Ha1Md5 | None = None
    ha1_sha256: Ha1Sha256 | None = None

    @model_validator(mode="after")
    def _has_one_secret(self) -> CredentialEntry:
        both_hashes = self.ha1_md5 is not None and self.ha1_sha256 is not None
        any_hash = self.ha1_md5 is not None or self.ha1_sha256 is not None
        if both_hashes is not any_hash or any_hash is (self.password is not None):
            raise ValueError("needs either password, or both ha1_md5 and ha1_sha256")
        return self


class CredentialListEntry(Entry):
    sid: CredentialListSid | None = None
    friendly_name: Text64 | None = None
    credentials: tuple[CredentialEntry, ...] = ()


class HealthRulesSection(Section):
    """The keys that are written; `trunk.model.HealthRules` has the defaults of the others."""

    mode: Annotated[Literal["options", "passive", "off"], BeforeValidator(_no_as_off)] | None = None
    interval: Annotated[Seconds, Field(ge=1, le=3600)] | None = None
    misses: Annotated[Count, Field(ge=1, le=100)] | None = None
    answers: Annotated[Count, Field(ge=1, le=100)] | None = None
    timeout: Annotated[Seconds, Field(le=32)] | None = None


HealthEntry = Annotated[HealthRulesSection, BeforeValidator(_mode_alone)]


class TargetEntry(Section):
    sid: TargetSid | None = None
    target: Target
    friendly_name: Text255 | None = None
    priority: Annotated[Count, Field(ge=0, le=MOST_PRIORITY)] = 10
    weight: Annotated[Count, Field(ge=1, le=MOST_WEIGHT)] = 10
    enabled: bool = True
    health: HealthEntry | None = None
    outbound_proxy: Target | None = None
    udp_oversize: UdpOversize = "tcp"
    tls: TargetTlsSection | None = None

    @model_validator(mode="after")
    def _speaks_tls(self) -> Self:
        if self.tls is not None and (self.outbound_proxy or self.target).transport != "tls":
            raise ValueError("tls is for targets over TLS; write ;transport=tls behind the target or remove tls")
        return self


class CredentialsSection(Section):
    username: AccountName
    password: Secret
    realm: Text255 | None = None


class PolicyEntry(Entry):
    sid: PolicySid | None = None
    targets: tuple[TargetEntry, ...] = ()
    failover_stop_codes: tuple[Annotated[Text64, NumberAsText], ...] | None = None
    follow_redirects: bool = False
    ring_no_progress_timeout: Seconds = 10.0
    no_reply_timeout: Seconds = 4.0
    credentials: CredentialsSection | None = None
    health: HealthEntry = HealthRulesSection()
