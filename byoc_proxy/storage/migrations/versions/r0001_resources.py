"""Accounts, keys, trunks, handlers, domains, lists, records, calls, callbacks, alerts; changes; the key's proof.

What stands here stays as it is: databases were made by it. What changes, changes by a further step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Iterator

revision: Final = "0001"
down_revision: Final = None

_SID: Final = sa.String(34)
_SERIAL: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _who()
    _trunks()
    _scripts()
    _domains()
    _lists()
    _addresses()
    _calls()
    _events()
    _callbacks()
    _order()


def _id() -> sa.Column[int]:
    return sa.Column("id", _SERIAL, primary_key=True, autoincrement=True)


def _sid(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, _SID, **{"nullable": True, **options})


def _text(name: str, length: int, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, server_default=default)


def _flag(name: str, default: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.true() if default else sa.false())


def _whole(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=default)


def _hidden(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _urls(*names: str) -> Iterator[sa.Column[str]]:
    for name in names:
        yield sa.Column(f"{name}_url", sa.Text, nullable=True)
        yield _text(f"{name}_method", 4, "POST")


def _dates() -> Iterator[sa.Column[int]]:
    yield sa.Column("date_created", sa.BigInteger, nullable=False)
    yield sa.Column("date_updated", sa.BigInteger, nullable=False)


def _inside(name: str, parent: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, _SID, sa.ForeignKey(f"{parent}.sid", ondelete="CASCADE"), nullable=False, **options)


def _resource(name: str, *columns: sa.schema.SchemaItem, owned: bool = True) -> None:
    owner = [_sid("account_sid", nullable=False, index=True)] if owned else []
    op.create_table(name, _id(), _sid("sid", nullable=False, unique=True), *owner, *columns, *_dates())


def _who() -> None:
    _resource(
        "accounts",
        _text("friendly_name", 64),
        _sid("parent_sid", index=True),
        _text("status", 16, "active"),
        _hidden("auth_token"),
        _flag("static_ip"),
        sa.Column("interconnect", sa.JSON, nullable=False, server_default="[]"),
        owned=False,
    )
    _resource("keys", _text("friendly_name", 64), _hidden("secret_hash"))


def _trunks() -> None:
    _resource(
        "byoc_trunks",
        _text("friendly_name", 255),
        *_urls("voice", "voice_fallback", "status_callback"),
        _flag("cnam_lookup_enabled"),
        _sid("connection_policy_sid", index=True),
        _sid("from_domain_sid", index=True),
    )
    _resource("connection_policies", _text("friendly_name", 255))
    _resource(
        "targets",
        _inside("connection_policy_sid", "connection_policies", index=True),
        _text("friendly_name", 255),
        sa.Column("target", sa.Text, nullable=False),
        _whole("priority", "10"),
        _whole("weight", "10"),
        _flag("enabled", default=True),
    )


def _scripts() -> None:
    _resource(
        "applications",
        _text("friendly_name", 64),
        *_urls("voice", "voice_fallback"),
        sa.Column("status_callback", sa.Text, nullable=True),
        _text("status_callback_method", 4, "POST"),
        _flag("voice_caller_id_lookup"),
        *_urls("sms", "sms_fallback"),
        sa.Column("sms_status_callback", sa.Text, nullable=True),
        sa.Column("message_status_callback", sa.Text, nullable=True),
        _flag("public_application_connect_enabled"),
    )
    _resource(
        "twiml_bins",
        _text("friendly_name", 255),
        sa.Column("unique_name", sa.String(64), nullable=False),
        sa.Column("twiml", sa.Text, nullable=False),
        sa.UniqueConstraint("account_sid", "unique_name"),
    )


def _domains() -> None:
    _resource(
        "domains",
        sa.Column("domain_name", sa.String(253), nullable=False, unique=True),
        _text("friendly_name", 64),
        *_urls("voice", "voice_fallback", "voice_status_callback"),
        _flag("sip_registration"),
        _flag("emergency_calling_enabled"),
        _sid("emergency_caller_sid"),
        _flag("secure"),
        _sid("byoc_trunk_sid", index=True),
    )
    op.create_table(
        "domain_mappings",
        _id(),
        _inside("domain_sid", "domains"),
        sa.Column("kind", sa.String(32), nullable=False),
        _sid("sid", nullable=False, index=True),
        _sid("account_sid", nullable=False),
        *_dates(),
        sa.UniqueConstraint("domain_sid", "kind", "sid"),
    )


def _lists() -> None:
    _resource("ip_access_control_lists", _text("friendly_name", 255))
    _resource(
        "ip_addresses",
        _inside("ip_access_control_list_sid", "ip_access_control_lists", index=True),
        _text("friendly_name", 255),
        sa.Column("ip_address", sa.String(45), nullable=False),
        _whole("cidr_prefix_length"),
    )
    _resource("credential_lists", _text("friendly_name", 64))
    _resource(
        "credentials",
        _inside("credential_list_sid", "credential_lists", index=True),
        sa.Column("username", sa.String(32), nullable=False),
        _hidden("ha1_md5"),
        _hidden("ha1_sha256"),
        sa.UniqueConstraint("credential_list_sid", "username"),
    )


def _addresses() -> None:
    _resource(
        "ip_records",
        _text("friendly_name", 255),
        sa.Column("ip_address", sa.String(45), nullable=False),
        _whole("cidr_prefix_length", "32"),
    )
    _resource(
        "source_ip_mappings",
        sa.Column("ip_record_sid", _SID, sa.ForeignKey("ip_records.sid"), nullable=False, unique=True),
        _sid("sip_domain_sid", nullable=False, index=True),
    )


def _calls() -> None:
    _resource(
        "calls",
        _sid("parent_call_sid", index=True),
        _sid("trunk_sid"),
        _sid("domain_sid"),
        sa.Column("from", sa.Text, nullable=False),
        sa.Column("to", sa.Text, nullable=False),
        sa.Column("caller_name", sa.Text),
        _text("status", 16),
        _text("direction", 16),
        sa.Column("start_time", sa.Float),
        sa.Column("end_time", sa.Float),
        sa.Column("duration", sa.Integer),
        sa.Column("queue_time", sa.Integer),
        sa.Column("cause", sa.Text),
        _text("node", 128),
        sa.Column("record", sa.Text),
        sa.Column("owed", sa.Text),
        sa.Index("ix_calls_account_sid_start_time", "account_sid", "start_time"),
    )
    lives = sa.text("end_time IS NULL")
    op.create_index("ix_calls_live", "calls", ["node"], sqlite_where=lives, postgresql_where=lives)
    owes = sa.text("owed IS NOT NULL")
    op.create_index("ix_calls_owing", "calls", ["node"], sqlite_where=owes, postgresql_where=owes)
    _resource(
        "alerts",
        _sid("resource_sid", index=True),
        _whole("error_code"),
        _text("log_level", 16),
        sa.Column("alert_text", sa.Text, nullable=False),
        sa.Column("request_url", sa.Text),
        sa.Column("request_method", sa.String(8)),
        sa.Column("source", sa.Text),
        _whole("count", "1"),
    )
    op.create_table(
        "nodes",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("alive", sa.BigInteger, nullable=False),
        sa.Column("recorded", sa.Float, nullable=False, server_default="0"),
    )


def _callbacks() -> None:
    op.create_table(
        "notices",
        _id(),
        sa.Column("token", sa.String(36), nullable=False, unique=True),
        _sid("call_sid", nullable=False),
        _sid("account_sid", nullable=False),
        _text("node", 128),
        sa.Column("url", sa.Text, nullable=False),
        _text("method", 4, "POST"),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        _text("body_format", 4, "form"),
        sa.Index("ix_notices_node", "node"),
    )


def _events() -> None:
    _resource(
        "call_events",
        _sid("account_sid", nullable=False),
        _sid("call_sid", nullable=False, index=True),
        _text("method", 8),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("response_code", sa.Integer),
        _whole("duration"),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("failure_code", sa.Integer),
        sa.Column("failure", sa.Text, nullable=False),
        owned=False,
    )


def _order() -> None:
    op.create_table(
        "errands",
        _id(),
        sa.Column("node", sa.String(128), nullable=False, index=True),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    order = op.create_table(
        "revision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(order, [{"id": 1, "number": 0}])
    op.create_table(
        "secrets_for",
        sa.Column("id", sa.Integer, primary_key=True),
        _hidden("proof"),
        sa.Column("realm", sa.String(255), nullable=True),
    )
    op.create_table(
        "changes",
        _id(),
        sa.Column("revision", sa.BigInteger, nullable=False, index=True),
        sa.Column("section", sa.String(32), nullable=False),
        _sid("sid", nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
