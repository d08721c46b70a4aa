"""A PostgreSQL of the tests' own: one server for a session, a fresh database in some 50 ms, no network."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

USER = "postgres"
OWNER = USER if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
LIMIT = 30.0  # seconds for a start; it takes one
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}

# Whoever is still connected has lost; constraints are off while rows go. `revision` always has its one row.
_EMPTY = """
SET session_replication_role = replica;
DO $$
DECLARE name text;
BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  FOR name IN SELECT tablename FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'revision')
  LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
  UPDATE revision SET number = 0;
END $$
"""


class Postgres:
    """A running server that is reached over a socket in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._programs = _programs()
        self._data = str(directory / "data")
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._shared: str | None = None

    def initialize(self) -> None:
        command = [f"{self._programs}/initdb", "-D", self._data, "-U", USER, "-A", "trust"]
        options = ["--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(
            [*command, *options], check=True, capture_output=True, cwd=self.directory, user=OWNER, group=OWNER
        )

    def start(self) -> None:
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [f"{self._programs}/postgres", "-D", self._data, "-k", str(self.directory)]
        self._process = subprocess.Popen([*command, *settings], cwd=self.directory, user=OWNER, group=OWNER)
        give_up = time.monotonic() + LIMIT
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError("PostgreSQL does not start")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: disconnect everybody and end; SIGQUIT: at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(LIMIT)
            self._process = None

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.directory}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        command = [f"{self._programs}/psql", "-h", str(self.directory), "-U", USER, "-d", database]
        done = subprocess.run([*command, "-Atqc", statement], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def create(self, template: str = "template0") -> str:
        """A new database; its name."""
        self._databases += 1
        name = f"test{self._databases}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def emptied(self, template: str) -> str:
        """The name of a database that is as `template` was: the same one for each test, within
        20 ms. Who changes the schema makes a database of his own."""
        if self._shared is None:
            self._shared = self.create(template)
        else:
            self.sql(_EMPTY, self._shared)
        return self._shared

    def drop(self, database: str) -> None:
        self.sql(f"DROP DATABASE {database} WITH (FORCE)")

    def _is_ready(self) -> bool:
        command = [f"{self._programs}/pg_isready", "-q", "-h", str(self.directory), "-U", USER]
        return subprocess.run(command, check=False).returncode == 0


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    directory = Path(tempfile.mkdtemp(prefix="byoc-postgres-"))
    server = Postgres(directory)
    try:
        if OWNER is not None:
            shutil.chown(directory, OWNER, OWNER)
        server.initialize()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(directory)


def _programs() -> Path:
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    assert found, "PostgreSQL is not installed: apt-get install postgresql"
    return max(found, key=lambda path: int(path.parent.name))
