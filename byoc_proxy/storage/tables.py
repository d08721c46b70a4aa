"""The schema: one table for each REST resource, with the resource's field names as columns.

SQLite and PostgreSQL have the same tables. `id` counts rows in the order of their making: lists are paged by it.
Moments are whole seconds since 1970, because that is what both date formats of the API can say. What may not be
read back (auth tokens, keys, passwords) is sealed or hashed before it comes here.

Rows refer to resources of the configuration file too, which have no row: such columns have no foreign key, and
`trunk.checks` judges all references against both kinds at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Sid = String(34)
_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only in a column of that very type


def _sid(name: str, **options: Any) -> Column[str]:
    return Column(name, _Sid, **{"nullable": True, **options})


def _text(name: str, length: int, default: str = "") -> Column[str]:
    return Column(name, String(length), nullable=False, server_default=default)


def _flag(name: str, default: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=true() if default else false())


def _url_and_method(name: str, method: str) -> Iterator[Column[str]]:
    yield Column(name, Text, nullable=True)
    yield _text(method, 4, "POST")


def _resource(name: str, *columns: Column[Any] | UniqueConstraint | Index, owned: bool = True) -> Table:
    """A table of things that have a SID, dates and, except for accounts, an account."""
    owner = [_sid("account_sid", nullable=False, index=True)] if owned else []
    return Table(
        name,
        metadata,
        Column("id", _Serial, primary_key=True, autoincrement=True),
        _sid("sid", nullable=False, unique=True),
        *owner,
        *columns,
        Column("date_created", BigInteger, nullable=False),
        Column("date_updated", BigInteger, nullable=False),
    )


accounts: Final = _resource(
    "accounts",
    _text("friendly_name", 64),
    _sid("parent_sid", index=True),
    _text("status", 16, "active"),
    Column("auth_token", LargeBinary, nullable=False),  # sealed: it signs webhooks, so a hash would not do
    _flag("static_ip"),
    Column("interconnect", JSON, nullable=False, server_default="[]"),
    owned=False,
)

keys: Final = _resource(
    "keys",
    _text("friendly_name", 64),
    Column("secret_hash", LargeBinary, nullable=False),
)

byoc_trunks: Final = _resource(
    "byoc_trunks",
    _text("friendly_name", 255),
    *_url_and_method("voice_url", "voice_method"),
    *_url_and_method("voice_fallback_url", "voice_fallback_method"),
    *_url_and_method("status_callback_url", "status_callback_method"),
    _flag("cnam_lookup_enabled"),
    _sid("connection_policy_sid", index=True),
    _sid("from_domain_sid", index=True),
)

# The fields about messages are kept and given back; nothing here sends one.
applications: Final = _resource(
    "applications",
    _text("friendly_name", 64),
    *_url_and_method("voice_url", "voice_method"),
    *_url_and_method("voice_fallback_url", "voice_fallback_method"),
    *_url_and_method("status_callback", "status_callback_method"),
    _flag("voice_caller_id_lookup"),
    *_url_and_method("sms_url", "sms_method"),
    *_url_and_method("sms_fallback_url", "sms_fallback_method"),
    Column("sms_status_callback", Text, nullable=True),
    Column("message_status_callback", Text, nullable=True),
    _flag("public_application_connect_enabled"),
)

twiml_bins: Final = _resource(
    "twiml_bins",
    _text("friendly_name", 255),
    Column("unique_name", String(64), nullable=False),
    Column("twiml", Text, nullable=False),
    UniqueConstraint("account_sid", "unique_name"),
)

connection_policies: Final = _resource("connection_policies", _text("friendly_name", 255))

targets: Final = _resource(
    "targets",
    Column(
        "connection_policy_sid",
        _Sid,
        ForeignKey("connection_policies.sid", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    _text("friendly_name", 255),
    Column("target", Text, nullable=False),
    Column("priority", Integer, nullable=False, server_default="10"),
    Column("weight", Integer, nullable=False, server_default="10"),
    _flag("enabled", default=True),
)

domains: Final = _resource(
    "domains",
    Column("domain_name", String(253), nullable=False, unique=True),
    _text("friendly_name", 64),
    *_url_and_method("voice_url", "voice_method"),
    *_url_and_method("voice_fallback_url", "voice_fallback_method"),
    *_url_and_method("voice_status_callback_url", "voice_status_callback_method"),
    _flag("sip_registration"),
    _flag("emergency_calling_enabled"),
    _sid("emergency_caller_sid"),
    _flag("secure"),
    _sid("byoc_trunk_sid", index=True),
)

# A list that is mapped to a domain. The legacy paths and `Auth/Calls` are one storage, registrations another.
# `kind`: calls_ip_access_control_lists, calls_credential_lists, registrations_credential_lists.
domain_mappings: Final = Table(
    "domain_mappings",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("domain_sid", _Sid, ForeignKey("domains.sid", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),
    _sid("sid", nullable=False, index=True),
    _sid("account_sid", nullable=False),
    Column("date_created", BigInteger, nullable=False),
    Column("date_updated", BigInteger, nullable=False),
    UniqueConstraint("domain_sid", "kind", "sid"),
)

ip_access_control_lists: Final = _resource("ip_access_control_lists", _text("friendly_name", 255))

ip_addresses: Final = _resource(
    "ip_addresses",
    Column(
        "ip_access_control_list_sid",
        _Sid,
        ForeignKey("ip_access_control_lists.sid", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    _text("friendly_name", 255),
    Column("ip_address", String(45), nullable=False),
    Column("cidr_prefix_length", Integer, nullable=False),
)

credential_lists: Final = _resource("credential_lists", _text("friendly_name", 64))

# HA1 only: MD5 and SHA-256 of username:realm:password, as bytes.
credentials: Final = _resource(
    "credentials",
    Column(
        "credential_list_sid",
        _Sid,
        ForeignKey("credential_lists.sid", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("username", String(32), nullable=False),
    Column("ha1_md5", LargeBinary, nullable=False),
    Column("ha1_sha256", LargeBinary, nullable=False),
    UniqueConstraint("credential_list_sid", "username"),
)

ip_records: Final = _resource(
    "ip_records",
    _text("friendly_name", 255),
    Column("ip_address", String(45), nullable=False),
    Column("cidr_prefix_length", Integer, nullable=False, server_default="32"),
)

source_ip_mappings: Final = _resource(
    "source_ip_mappings",
    Column("ip_record_sid", _Sid, ForeignKey("ip_records.sid"), nullable=False, unique=True),
    _sid("sip_domain_sid", nullable=False, index=True),
)

# A leg that a customer can name. `record` is the whole story of the call as a line of JSON, on the row of its first
# leg and once it is over. `start_time` is null as long as the leg waits to be called, `end_time` while it lives.
# `node` says who would know; `queue_time` are the milliseconds that it waited, 0 for one that never did. `owed` is
# a status callback that somebody is to get when the leg has ended.
calls: Final = _resource(
    "calls",
    _sid("parent_call_sid", index=True),
    _sid("trunk_sid"),
    _sid("domain_sid"),
    Column("from", Text, nullable=False),
    Column("to", Text, nullable=False),
    Column("caller_name", Text),
    _text("status", 16),
    _text("direction", 16),
    Column("start_time", Float),
    Column("end_time", Float),
    Column("duration", Integer),
    Column("queue_time", Integer),
    Column("cause", Text),
    _text("node", 128),
    Column("record", Text),
    Column("owed", Text),
    Index("ix_calls_account_sid_start_time", "account_sid", "start_time"),
)
_lives: Final = calls.c.end_time.is_(None)
Index("ix_calls_live", calls.c.node, sqlite_where=_lives, postgresql_where=_lives)
_owes: Final = calls.c.owed.is_not(None)
Index("ix_calls_owing", calls.c.node, sqlite_where=_owes, postgresql_where=_owes)

# Status callbacks that are to be delivered, by `node`, in the order of `id` within a call; what is delivered or
# given up is taken out. `parameters` is a list of pairs as JSON.
notices: Final = Table(
    "notices",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("token", String(36), nullable=False, unique=True),
    _sid("call_sid", nullable=False),
    _sid("account_sid", nullable=False),
    _text("node", 128),
    Column("url", Text, nullable=False),
    _text("method", 4, "POST"),
    Column("parameters", Text, nullable=False),
    Column("made_at", Float, nullable=False),
    _text("body_format", 4, "form"),
    Index("ix_notices_node", "node"),
)

# What an application was asked about a call, and what came of it. `parameters` is a JSON object, `duration` counts
# milliseconds; without an answer `response_code` is null and `failure` says why.
call_events: Final = _resource(
    "call_events",
    _sid("account_sid", nullable=False),
    _sid("call_sid", nullable=False, index=True),
    _text("method", 8),
    Column("url", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("response_code", Integer),
    Column("duration", Integer, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("failure_code", Integer),
    Column("failure", Text, nullable=False),
    owned=False,  # nobody looks for them by account alone, and there are many
)

# Coded warnings and errors: of a call, or of an INVITE that never became one.
alerts: Final = _resource(
    "alerts",
    _sid("resource_sid", index=True),
    Column("error_code", Integer, nullable=False),
    _text("log_level", 16),
    Column("alert_text", Text, nullable=False),
    Column("request_url", Text),
    Column("request_method", String(8)),
    Column("source", Text),
    Column("count", Integer, nullable=False, server_default="1"),
)

# A change of a live call that the API of one node was asked for and another node, which has the call, is to make.
# `asked` is what was asked, `answer` what came of it, each as a line of JSON; who asked takes the row away.
errands: Final = Table(
    "errands",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("node", String(128), nullable=False, index=True),
    Column("asked", Text, nullable=False),
    Column("answer", Text),
    Column("at", BigInteger, nullable=False),
)

# Who writes calls, and when each of them was last known to live: the calls of one that is silent are over. Calls
# that ended up to `recorded` are in the table; of later ones the node's records file may know more.
nodes: Final = Table(
    "nodes",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("alive", BigInteger, nullable=False),
    Column("recorded", Float, nullable=False, server_default="0"),
)

# One row. Who changes resources takes its lock first, so changes have an order that all nodes agree on.
revision: Final = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

# One row: something that only the right secret key opens, so that a wrong one is noticed before it is used, and the
# digest realm that the HA1s of all credentials are for.
secrets_for: Final = Table(
    "secrets_for",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("proof", LargeBinary, nullable=False),
    Column("realm", String(255), nullable=True),
)

# What each revision touched: the rows that another node reads again to catch up.
changes: Final = Table(
    "changes",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("section", String(32), nullable=False),
    _sid("sid", nullable=False),
    Column("at", BigInteger, nullable=False),
)
