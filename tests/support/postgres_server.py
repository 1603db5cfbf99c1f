"""A PostgreSQL server of our own, from the binaries of a package, in a folder that goes away with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PASSWORD = "s3cret-of-tests"


@dataclass(frozen=True)
class Server:
    """A server on the loopback interface."""

    port: int

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> Any:
        """A psycopg connection of its own, which commits when it is told to."""
        import psycopg

        return psycopg.connect(self.url(database).replace("+psycopg", ""))

    def run(self, database: str, *statements: str) -> None:
        """Statements, each committed by itself."""
        with self.connect(database) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.execute(statement)

    def empty(self, database: str) -> None:
        """End all connections to a database, and drop its schemas with all that is in them, and its readers."""
        with self.connect(database) as connection:
            connection.autocommit = True
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            own = "nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
            found = connection.execute(f"SELECT quote_ident(nspname) FROM pg_namespace WHERE {own}").fetchall()
            for (schema,) in found:
                connection.execute(f"DROP SCHEMA {schema} CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
            for (user,) in connection.execute("SELECT usename FROM pg_user WHERE usename LIKE 'reader%'").fetchall():
                connection.execute(f"DROP USER {user}")


def binaries() -> Path | None:
    """Folder of `initdb` and `postgres`: on the path, or where Debian puts them; None where there are none."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in places if (p / "initdb").exists() and (p / "postgres").exists()), None)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server that runs while the block does.

    Args:
        folder: of `initdb` and `postgres`.
    """
    who = _user()
    home = Path(tempfile.mkdtemp(prefix="postgres-of-tests-"))
    try:
        (home / "password").write_text(PASSWORD)
        if who:
            for path in (home, home / "password"):
                shutil.chown(path, who["user"])
        initdb = [folder / "initdb", "-D", home / "data", "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]
        made = [*initdb, "--pwfile", home / "password", "--locale=C", "--no-sync"]
        subprocess.run([str(part) for part in made], check=True, capture_output=True, cwd=home, **who)
        port = _free_port()
        settings = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={home}", "fsync=off"]
        command = [
            str(folder / "postgres"),
            "-D",
            str(home / "data"),
            *(part for each in settings for part in ("-c", each)),
        ]
        with (home / "log").open("w") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, **who)
        try:
            server = Server(port)
            _wait(server, process, home / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _user() -> dict[str, Any]:
    """Whom to run as: PostgreSQL refuses root."""
    import pwd

    if os.getuid() != 0:
        return {}
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    return {"user": user.pw_name, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(300):
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")
