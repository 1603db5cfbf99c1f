"""A database that cannot be read says why in one line, which never holds the password."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.ingest_bench import Bench
from support.postgres_server import PASSWORD, Server
from support.sql_bench import entry, insert, sql_bench

from tasks.errors import ConfigError, SourceError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings

TABLE = (
    "CREATE TABLE counts (station_id text, minute_utc timestamptz, entries int, exits int,"
    " changed_at timestamptz NOT NULL DEFAULT now())"
)
URL = "postgresql+psycopg://reader@127.0.0.1/ops"


def refusal(bench: Bench, url: str | None, monkeypatch: pytest.MonkeyPatch, **more: Any) -> str:
    """The line that an ingest ends with."""
    if url:
        monkeypatch.setenv("OPS_URL", url)
    with pytest.raises(SourceError) as caught:
        bench.ingest(**more)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    return line


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"table": "nowhere"}, r'relation "nowhere" does not exist: correct table or query'),
        ({"table": "away.counts"}, r'relation "away.counts" does not exist: correct table or query'),
        ({"columns": {"entries": "ins"}}, r"counts has no column 'ins' \(it has station_id, .*: write columns = "),
        ({"columns": {"minute": "at"}}, r"counts has no column 'at' .*columns = \{ minute = "),
        ({"watermark": "at"}, r"counts has no column 'at' \(it has .* correct watermark of source 'ops'"),
        ({"watermark": "station_id"}, r"station_id holds 'A', neither a time nor a number: .* another watermark"),
        ({"query": "SELECT station_id FROM counts"}, r"query has no column 'minute_utc' \(it has station_id\)"),
        ({"query": "SELECT *, 1 AS entries FROM counts"}, r"query has 2 columns 'entries'"),
        ({"query": "SELEC 1"}, r'syntax error at or near "1": correct query'),
        (
            {"query": "SELECT *, nextval('numbers') FROM counts"},
            r"cannot execute nextval\(\) in a read-only transaction: let query only read",
        ),
        ({"query": "SELECT *, pg_sleep(9) FROM counts"}, r"due to statement timeout: raise statement_timeout_seconds"),
        ({"table": "secrets"}, r"permission denied for table secrets: let the user SELECT"),
        ({"table": "endless"}, r"timestamp too large .*: correct the value, or leave its row out by a query"),
    ],
)
def test_what_the_database_refuses_is_said_in_one_line(
    postgres: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], why: str
) -> None:
    postgres.run(
        database,
        TABLE,
        "INSERT INTO counts VALUES ('A', '2024-05-10 10:00Z', 1, 0)",
        "CREATE SEQUENCE numbers",
        "CREATE TABLE secrets (station_id text)",
        "CREATE TABLE endless AS SELECT station_id, 'infinity'::timestamptz AS minute_utc, entries, changed_at FROM counts",
        f"CREATE USER reader_{database} PASSWORD '{PASSWORD}'",
        f"GRANT SELECT ON counts, endless TO reader_{database}",
        f"GRANT ALL ON SEQUENCE numbers TO reader_{database}",
    )
    url = postgres.url(database).replace("//postgres:", f"//reader_{database}:")
    bench = sql_bench(tmp_path, "env:OPS_URL", statement_timeout_seconds=1, **changes)
    line = refusal(bench, url, monkeypatch)
    assert re.search(why, line), line
    assert f"postgresql://127.0.0.1:{postgres.port}/{database}" in line
    assert PASSWORD not in line


def test_a_server_that_does_not_let_in_or_is_not_there_is_named(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = sql_bench(tmp_path, "env:OPS_URL")
    wrong = refusal(bench, postgres.url(password="not-this-one"), monkeypatch)
    assert "password authentication failed" in wrong
    assert wrong.endswith("correct user and password in the environment")
    absent = refusal(bench, postgres.url("nowhere"), monkeypatch)
    assert absent.endswith("correct the path or database of url")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        down = refusal(bench, f"postgresql://me:{PASSWORD}@127.0.0.1:{closed.getsockname()[1]}/ops", monkeypatch)
    assert "onnection refused" in down
    assert down.endswith("see that the server runs, and that url has its host and port")
    assert not any(secret in line for line in (wrong, absent, down) for secret in ("not-this-one", PASSWORD))


def test_no_file_and_no_word_of_an_ingest_holds_the_password(
    postgres: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.run(database, TABLE, "INSERT INTO counts VALUES ('A', '2024-05-10 10:00Z', 1, 0), ('', now(), 1, 0)")
    monkeypatch.setenv("OPS_URL", postgres.url(database))
    bench = sql_bench(tmp_path, "env:OPS_URL")
    report = bench.ingest()
    assert (report.rows, report.rejected) == (1, 1)
    assert report.examples[0].startswith(f"postgresql://127.0.0.1:{postgres.port}/{database} counts:0 missing_station ")
    assert entry(bench)["origin"] == f"postgresql://127.0.0.1:{postgres.port}/{database} counts"
    assert PASSWORD not in f"{report} {bench.settings!r} {bench.table('rejects')}"
    assert bench.files()
    assert not any(PASSWORD.encode() in content for content in bench.files().values())


def test_a_driver_that_is_not_there_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    line = refusal(sql_bench(tmp_path, URL), None, monkeypatch)
    assert line.endswith("needs psycopg, which is not installed: pip install 'nexthour[postgresql]'")
    line = refusal(sql_bench(tmp_path, "mysql+pymysql://me@db/ops"), None, monkeypatch)
    assert line.endswith("needs pymysql, which is not installed: pip install pymysql, or another driver in url")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("env:OPS_URL", "source 'ops': url needs the environment variable OPS_URL, which is not set"),
        ("nonsense", "source 'ops': url is no SQLAlchemy URL such as postgresql"),
        ("postgresql://db:port/ops", "source 'ops': url is no SQLAlchemy URL such as postgresql"),
        ("oraculum://db/ops", "source 'ops': url: SQLAlchemy knows no database 'oraculum'"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_mistake_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, why: str
) -> None:
    monkeypatch.delenv("OPS_URL", raising=False)
    with pytest.raises(ConfigError, match=why):
        sql_bench(tmp_path, url).ingest()


def test_a_variable_that_holds_no_url_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_URL", f"user:{PASSWORD}")
    with pytest.raises(ConfigError, match="environment variable OPS_URL is no SQLAlchemy URL") as caught:
        sql_bench(tmp_path, "env:OPS_URL").ingest()
    assert PASSWORD not in str(caught.value)


def test_files_cannot_stand_in_for_a_database(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", "2024-05-10T10:00Z", 1, 0, 1))
    with pytest.raises(ConfigError, match="source 'ops' reads a database: --path is for sources of files"):
        bench.ingest(paths=("x.csv",))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"table": None}, "source 'ops': give either table or query"),
        ({"query": "SELECT 1", "table": "counts"}, "source 'ops': give either table or query"),
        ({"url": "postgresql://me:hunter2@db/ops"}, 'holds a password: .* write url = "env:NAME"'),
        ({"url": "postgresql://:hunter2@db/ops"}, "holds a password"),
        ({"url": "postgresql://me@db/ops?sslmode=require&password=hunter2"}, "holds a password"),
        ({"watermark": None, "overlap": 5}, "overlap needs a watermark"),
        ({"timezone": "Chicago"}, "source 'ops': timezone: .*did you mean America/Chicago"),
        ({"columns": {"entrances": "ins"}}, "source 'ops': columns.entrances is unknown; did you mean 'entries'?"),
    ],
)
def test_a_table_of_the_toml_that_cannot_be_meant_is_rejected(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        sql_bench(tmp_path, **changes).settings  # noqa: B018
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://me@db:5432/ops", "sqlite:////ops.db", "mssql+pyodbc://db/ops?driver=ODBC+Driver+18", "env:OPS"],
)
def test_a_url_without_a_password_is_taken(tmp_path: Path, url: str) -> None:
    assert sql_bench(tmp_path, url).settings.sources[0].url == url  # type: ignore[union-attr]


def test_a_relative_sqlite_file_lies_beside_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "nexthour.toml"
    table = '[[sources]]\nname = "ops"\nkind = "sql"\ntable = "t"\nurl = '
    for url, meant in (("sqlite:///ops.db", f"sqlite:///{tmp_path}/ops.db"), ("sqlite:////x/ops.db",) * 2):
        config.write_text(f'{table}"{url}"\n')
        settings: Settings = load_settings(config)
        assert settings.sources[0].url == meant  # type: ignore[union-attr]


def test_a_file_that_is_no_database_is_told_apart(tmp_path: Path) -> None:
    bench = sql_bench(tmp_path)
    insert(bench, ("A", "2024-05-10T10:00Z", 1, 0, 1))
    (tmp_path / "ops.db").write_bytes(os.urandom(4096))
    with pytest.raises(SourceError, match="file is not a database: correct the path or database of url"):
        bench.ingest()
    assert not bench.files("ledger")


def test_the_command_line_does_not_import_what_only_databases_need() -> None:
    code = (
        "import sys; import flows.cli.main, tasks.ingest.steps; from tasks.ingest.sources import kinds; kinds();"
        "print([m for m in ('sqlalchemy', 'psycopg') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_password_that_the_database_repeats_is_masked(
    postgres: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = sql_bench(tmp_path, "env:OPS_URL", query=f"SELECT '{PASSWORD}'::int AS station_id")
    line = refusal(bench, postgres.url(database), monkeypatch)
    assert 'invalid input syntax for type integer: "***"' in line
