"""Brings a database to this version's schema, inside one transaction of the caller's.

Alembic runs the steps of `migrations/versions`, each of which knows the one before it. Both databases undo the
statements that change a schema with the transaction they stand in: a step happens whole or not at all.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from byoc_proxy.storage.errors import UnusableDatabase
from byoc_proxy.storage.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LOCK: Final = 0x62796F63  # one number for the advisory lock of all nodes
_SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> tuple[str | None, str]:
    """Run the steps that are missing; (version before, version now). Several nodes may ask at once: one does it.

    `UnusableDatabase` when a newer program has changed the schema.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    scripts = _scripts()
    head = scripts.get_current_head()
    if head is None:
        raise UnusableDatabase(f"byoc-proxy is not installed whole: there are no migrations in {_SCRIPTS}")
    before = version(connection)
    if before == head:
        return before, head
    if before is not None and before not in {script.revision for script in scripts.walk_revisions()}:
        raise UnusableDatabase(
            f"the database has version {before} of the schema, which is newer than {head}, the last one that this "
            "program knows; run the newer program, or restore the backup from before its first start"
        )

    def steps(current: Any, _: MigrationContext) -> Any:
        return scripts._upgrade_revs(head, current)

    context = MigrationContext.configure(
        connection, opts={"fn": steps, "transactional_ddl": True, "target_metadata": metadata}
    )
    with Operations.context(context):
        context.run_migrations()
    return before, head


def version(connection: Connection) -> str | None:
    """The version of the schema that a database has; None: it is new."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The version that this program brings a database to."""
    return _scripts().get_current_head()


@cache
def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return ScriptDirectory.from_config(config)
