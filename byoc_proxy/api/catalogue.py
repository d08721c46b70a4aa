"""Every resource that the API serves rows of, as data: contract 1.2 to 1.7, accounts and keys.

Where a belongs-to is written twice in the contract (a mapping's legacy path and its `Auth/Calls` path), it is two
resources over the same rows.
"""

from __future__ import annotations

from typing import Final

from byoc_proxy.api import ways
from byoc_proxy.api.errors import INVALID_SID
from byoc_proxy.api.handlers import APPLICATIONS, TWIML_BINS
from byoc_proxy.api.resource import (
    ACCOUNT_PATH,
    ALL_VERBS,
    NO_UPDATE,
    Limit,
    Parameter,
    Resource,
    Style,
    Verb,
    Ways,
    text,
    url_and_method,
)
from byoc_proxy.api.values import (
    Address,
    Choice,
    HandlerUrl,
    Password,
    Sid,
    TargetUri,
    Truth,
    UserName,
    Whole,
    Words,
)
from byoc_proxy.storage import tables
from byoc_proxy.trunk.checks import MOST_PRIORITY, MOST_TARGETS, MOST_WEIGHT

DOMAIN: Final = 21231
DOMAIN_NAME: Final = 21232
HAS_SUBDOMAINS: Final = 21233
ACCESS_CONTROL_LIST: Final = 21235
ACCESS_CONTROL_LIST_IN_USE: Final = 21236
IP_ADDRESS: Final = 21238
CREDENTIAL_LIST: Final = 21240
CREDENTIAL_LIST_IN_USE: Final = 21241
CREDENTIAL: Final = 21243
TRUNK_SID: Final = 21300

_OWNED_DATES: Final = ("date_created", "date_updated")
_URLS: Final = ("voice_url", "voice_method", "voice_fallback_url", "voice_fallback_method")


def _name_of_list(longest: int, code: int) -> Parameter:
    return Parameter("FriendlyName", Words(longest), "friendly_name", required=True, always=True, code=code)


ACCOUNTS: Final = Resource(
    "Account",
    "AC",
    tables.accounts,
    Style.LEGACY,
    "/2010-04-01/Accounts",
    "accounts",
    (
        text("FriendlyName", "friendly_name", 64),
        Parameter("Status", Choice(("active", "suspended", "closed")), "status", "active", create=False),
    ),
    (
        "sid",
        "friendly_name",
        "status",
        "type",
        "owner_account_sid",
        "auth_token",
        *_OWNED_DATES,
        "uri",
        "subresource_uris",
    ),
    verbs=ALL_VERBS - {Verb.DELETE},
    section="accounts",
    links={
        "applications": "Applications",
        "calls": "Calls",
        "keys": "Keys",
        "notifications": "Notifications",
        "sip": "SIP",
    },
    filters=(
        text("FriendlyName", "friendly_name", 64),
        Parameter("Status", Choice(("active", "suspended", "closed")), "status"),
    ),
    ways=Ways(prepare=ways.account, more=ways.account_facts),
)

KEYS: Final = Resource(
    "Key",
    "SK",
    tables.keys,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/Keys",
    "keys",
    (text("FriendlyName", "friendly_name", 64),),
    ("sid", "friendly_name", *_OWNED_DATES),
    ways=Ways(prepare=ways.key),
)

CONNECTION_POLICIES: Final = Resource(
    "ConnectionPolicy",
    "NY",
    tables.connection_policies,
    Style.V1,
    "/v1/ConnectionPolicies",
    "connection_policies",
    (text("FriendlyName", "friendly_name", 255),),
    ("account_sid", "sid", "friendly_name", *_OWNED_DATES, "url", "links"),
    section="connection_policies",
    links={"targets": "Targets"},
    limit=Limit(10_000, 21253, "connection_policies"),
)

TARGETS: Final = Resource(
    "ConnectionPolicyTarget",
    "NE",
    tables.targets,
    Style.V1,
    "/v1/ConnectionPolicies/{connection_policy_sid}/Targets",
    "targets",
    (
        Parameter("Target", TargetUri(), "target", required=True),
        text("FriendlyName", "friendly_name", 255),
        Parameter("Priority", Whole(0, MOST_PRIORITY), "priority", 10),
        Parameter("Weight", Whole(1, MOST_WEIGHT), "weight", 10),
        Parameter("Enabled", Truth(), "enabled", True),
    ),
    (
        *("account_sid", "connection_policy_sid", "sid", "friendly_name"),
        *("target", "priority", "weight", "enabled", *_OWNED_DATES, "url"),
    ),
    parent=CONNECTION_POLICIES,
    parent_column="connection_policy_sid",
    section="connection_policies",
    section_column="connection_policy_sid",
    limit=Limit(MOST_TARGETS, 21254),
)

BYOC_TRUNKS: Final = Resource(
    "ByocTrunk",
    "BY",
    tables.byoc_trunks,
    Style.V1,
    "/v1/ByocTrunks",
    "byoc_trunks",
    (
        text("FriendlyName", "friendly_name", 255),
        *url_and_method("VoiceUrl", "voice_url", kind=HandlerUrl()),
        *url_and_method("VoiceFallbackUrl", "voice_fallback_url", kind=HandlerUrl()),
        *url_and_method("StatusCallbackUrl", "status_callback_url"),
        Parameter("CnamLookupEnabled", Truth(), "cnam_lookup_enabled", False),
        Parameter("ConnectionPolicySid", Sid("NY"), "connection_policy_sid", code=INVALID_SID),
        Parameter("FromDomainSid", Sid("SD"), "from_domain_sid", code=INVALID_SID),
    ),
    (
        *("account_sid", "sid", "friendly_name", *_URLS, "status_callback_url", "status_callback_method"),
        *("cnam_lookup_enabled", "connection_policy_sid", "from_domain_sid", *_OWNED_DATES, "url"),
    ),
    section="trunks",
)

DOMAINS: Final = Resource(
    "SipDomain",
    "SD",
    tables.domains,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/SIP/Domains",
    "domains",
    (
        Parameter("DomainName", Words(253), "domain_name", required=True, code=DOMAIN_NAME),
        text("FriendlyName", "friendly_name", 64, code=DOMAIN),
        *url_and_method("VoiceUrl", "voice_url", DOMAIN),
        *url_and_method("VoiceFallbackUrl", "voice_fallback_url", DOMAIN),
        *url_and_method("VoiceStatusCallbackUrl", "voice_status_callback_url", DOMAIN),
        Parameter("SipRegistration", Truth(), "sip_registration", False, code=DOMAIN),
        Parameter("EmergencyCallingEnabled", Truth(), "emergency_calling_enabled", False, code=DOMAIN),
        Parameter("Secure", Truth(), "secure", False, code=DOMAIN),
        Parameter("ByocTrunkSid", Sid("BY"), "byoc_trunk_sid", code=TRUNK_SID),
        Parameter("EmergencyCallerSid", Sid("PN"), "emergency_caller_sid", code=DOMAIN),
    ),
    (
        *("account_sid", "api_version", "auth_type", *_OWNED_DATES, "domain_name", "friendly_name", "sid", "uri"),
        *(*_URLS, "voice_status_callback_url", "voice_status_callback_method", "subresource_uris"),
        *("sip_registration", "emergency_calling_enabled", "secure", "byoc_trunk_sid", "emergency_caller_sid"),
        "warnings",
    ),
    section="domains",
    links={
        "credential_list_mappings": "CredentialListMappings",
        "ip_access_control_list_mappings": "IpAccessControlListMappings",
    },
    limit=Limit(100, 21230, "domains"),
    code=DOMAIN,
    duplicate=(DOMAIN_NAME, "Domain {domain_name} already exists."),
    in_use=(409, 20409),
    ways=Ways(prepare=ways.domain, users=ways.users_of_domain, more=ways.domain_facts),
)

IP_ACCESS_CONTROL_LISTS: Final = Resource(
    "SipIpAccessControlList",
    "AL",
    tables.ip_access_control_lists,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/SIP/IpAccessControlLists",
    "ip_access_control_lists",
    (_name_of_list(255, ACCESS_CONTROL_LIST),),
    ("sid", "account_sid", "friendly_name", *_OWNED_DATES, "subresource_uris", "uri"),
    section="ip_access_control_lists",
    links={"ip_addresses": "IpAddresses"},
    limit=Limit(1000, 21255, "ip_access_control_lists"),
    code=ACCESS_CONTROL_LIST,
    in_use=(400, ACCESS_CONTROL_LIST_IN_USE),
    ways=Ways(prepare=ways.unique_list_name(tables.ip_access_control_lists, ACCESS_CONTROL_LIST)),
)

IP_ADDRESSES: Final = Resource(
    "SipIpAddress",
    "IP",
    tables.ip_addresses,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/SIP/IpAccessControlLists/{{ip_access_control_list_sid}}/IpAddresses",
    "ip_addresses",
    (
        Parameter("FriendlyName", Words(255), "friendly_name", required=True, code=IP_ADDRESS),
        Parameter("IpAddress", Address(), "ip_address", required=True, code=IP_ADDRESS),
        Parameter("CidrPrefixLength", Whole(0, 128), "cidr_prefix_length", code=IP_ADDRESS),
    ),
    (
        *("sid", "account_sid", "friendly_name", "ip_address", "cidr_prefix_length"),
        *("ip_access_control_list_sid", *_OWNED_DATES, "uri"),
    ),
    parent=IP_ACCESS_CONTROL_LISTS,
    parent_column="ip_access_control_list_sid",
    section="ip_access_control_lists",
    section_column="ip_access_control_list_sid",
    limit=Limit(100, 21237, "ip_addresses"),
    code=IP_ADDRESS,
    duplicate=(ACCESS_CONTROL_LIST, "It is in this list already"),
    ways=Ways(prepare=ways.ip_address),
)

CREDENTIAL_LISTS: Final = Resource(
    "SipCredentialList",
    "CL",
    tables.credential_lists,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/SIP/CredentialLists",
    "credential_lists",
    (_name_of_list(64, CREDENTIAL_LIST),),
    ("account_sid", *_OWNED_DATES, "friendly_name", "sid", "subresource_uris", "uri"),
    section="credential_lists",
    links={"credentials": "Credentials"},
    limit=Limit(1000, 21239, "credential_lists"),
    code=CREDENTIAL_LIST,
    in_use=(400, CREDENTIAL_LIST_IN_USE),
    ways=Ways(users=ways.users_of_credential_list),
)

CREDENTIALS: Final = Resource(
    "SipCredential",
    "CR",
    tables.credentials,
    Style.LEGACY,
    f"{ACCOUNT_PATH}/SIP/CredentialLists/{{credential_list_sid}}/Credentials",
    "credentials",
    (
        Parameter("Username", UserName(), "username", required=True, update=False, code=CREDENTIAL),
        Parameter("Password", Password(), "password", required=True, code=CREDENTIAL),
    ),
    ("sid", "account_sid", "credential_list_sid", "username", *_OWNED_DATES, "uri"),
    parent=CREDENTIAL_LISTS,
    parent_column="credential_list_sid",
    section="credential_lists",
    section_column="credential_list_sid",
    limit=Limit(1000, 21242, "credentials"),
    code=CREDENTIAL,
    duplicate=(CREDENTIAL, "User {username} is in this list already"),
    ways=Ways(prepare=ways.credential),
)

IP_RECORDS: Final = Resource(
    "IpRecord",
    "IL",
    tables.ip_records,
    Style.V1,
    "/v1/IpRecords",
    "ip_records",
    (
        Parameter("IpAddress", Address(), "ip_address", required=True, update=False),
        text("FriendlyName", "friendly_name", 255),
        Parameter("CidrPrefixLength", Whole(32, 128), "cidr_prefix_length", update=False),
    ),
    ("account_sid", "sid", "friendly_name", "ip_address", "cidr_prefix_length", *_OWNED_DATES, "url"),
    ways=Ways(prepare=ways.ip_record, users=ways.users_of_ip_record),
)

SOURCE_IP_MAPPINGS: Final = Resource(
    "SourceIpMapping",
    "IB",
    tables.source_ip_mappings,
    Style.V1,
    "/v1/SourceIpMappings",
    "source_ip_mappings",
    (
        Parameter("IpRecordSid", Sid("IL"), "ip_record_sid", required=True, update=False, code=INVALID_SID),
        Parameter("SipDomainSid", Sid("SD"), "sip_domain_sid", required=True, always=True, code=INVALID_SID),
    ),
    ("sid", "ip_record_sid", "sip_domain_sid", *_OWNED_DATES, "url"),
    section="domains",
    section_column="sip_domain_sid",
    duplicate=(20409, "{ip_record_sid} is mapped to a domain already"),
    ways=Ways(prepare=ways.source_ip_mapping),
)


def _mapping(path: str, listed: Resource, kind: str, *, legacy: bool = False) -> Resource:
    """A list mapped to a domain: its SID is the mapped list's own (contract 1.5 "Auth mappings")."""
    name = listed.name.removeprefix("Sip")
    plain = ("account_sid", *_OWNED_DATES, "friendly_name", "sid")
    key = {"CL": "credential_list_mappings", "AL": "ip_access_control_list_mappings"}[listed.prefix]
    return Resource(
        f"Sip{''.join(path.split('/')[:-1])}{name}Mapping",
        listed.prefix,
        tables.domain_mappings,
        Style.LEGACY,
        f"{ACCOUNT_PATH}/SIP/Domains/{{domain_sid}}/{path}",
        key if legacy else "contents",
        (Parameter(f"{name}Sid", Sid(listed.prefix), "sid", required=True, code=DOMAIN),),
        (*plain, "domain_sid", "uri") if legacy else plain,
        verbs=NO_UPDATE,
        parent=DOMAINS,
        parent_column="domain_sid",
        section="domains",
        section_column="domain_sid",
        fixed={"kind": kind},
        limit=Limit(100, DOMAIN),
        code=DOMAIN,
        duplicate=(DOMAIN, f"{name} already associated with this domain"),
        ways=Ways(prepare=ways.mapping(listed.table), more=ways.mapping_facts(listed.table.name)),
    )


CALLS_ACL: Final = "calls_ip_access_control_lists"
CALLS_CREDENTIALS: Final = "calls_credential_lists"
REGISTRATIONS: Final = "registrations_credential_lists"

MAPPINGS: Final = (
    _mapping("Auth/Calls/CredentialListMappings", CREDENTIAL_LISTS, CALLS_CREDENTIALS),
    _mapping("Auth/Calls/IpAccessControlListMappings", IP_ACCESS_CONTROL_LISTS, CALLS_ACL),
    _mapping("Auth/Registrations/CredentialListMappings", CREDENTIAL_LISTS, REGISTRATIONS),
    _mapping("CredentialListMappings", CREDENTIAL_LISTS, CALLS_CREDENTIALS, legacy=True),
    _mapping("IpAccessControlListMappings", IP_ACCESS_CONTROL_LISTS, CALLS_ACL, legacy=True),
)

RESOURCES: Final = (
    ACCOUNTS,
    KEYS,
    BYOC_TRUNKS,
    CONNECTION_POLICIES,
    TARGETS,
    IP_RECORDS,
    SOURCE_IP_MAPPINGS,
    DOMAINS,
    *MAPPINGS,
    IP_ACCESS_CONTROL_LISTS,
    IP_ADDRESSES,
    CREDENTIAL_LISTS,
    CREDENTIALS,
    APPLICATIONS,
    TWIML_BINS,
)
