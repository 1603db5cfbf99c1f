"""Every command that the runbook names does what it says there, on a small network."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.ingest_bench import Bench
from typer.testing import CliRunner

PAGE = Path(__file__).parents[1] / "docs/runbook.md"
COMMAND = re.compile(r"^    nexthour (.+)$", re.MULTILINE)
HELP_ONLY = ("up", "retrain")
"""Commands that start servers or TensorFlow: their options are looked at."""


def commands() -> list[str]:
    return list(dict.fromkeys(COMMAND.findall(PAGE.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hourly counts of the days that the runbook names and of the last ten, one of which is no number."""
    folder = tmp_path_factory.mktemp("network")
    bench = Bench.counts(folder)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    ends = (datetime(2024, 5, 8, tzinfo=UTC), now)
    times = [(end - timedelta(hours=hour)).isoformat() for end in ends for hour in range(1, 240)]
    rows = [[name, time, 5, 1] for time in times for name in ("A", "B")]
    bench.put_rows("a.csv", ["station_id", "minute_utc", "entries", "exits"], [*rows, ["C", times[0], "many", 1]])
    (folder / "root").mkdir()
    (folder / "root/nexthour.toml").write_text(
        f'[network]\ninterval_minutes = 60\n[[sources]]\nname = "NAME"\nkind = "counts"\npath = "{folder}/feed/*.csv"\n'
    )
    return folder


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_runbook_is_understood_and_ends_well_or_says_why(
    line: str, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.cli import init, loop, machine, tune  # noqa: F401  (they register their commands)
    from flows.cli.app import app
    from tasks.errors import NexthourError

    monkeypatch.chdir(network)
    words = shlex.split(line)
    if words[0] in HELP_ONLY:
        result = CliRunner().invoke(app, [*words, "--help"])
        assert result.exit_code == 0
        return
    if "--path" in words:
        CliRunner().invoke(app, ["ingest", "--rejects", "--out", "rejects.csv", "--data-root", str(network / "root")])
    result = CliRunner().invoke(app, [*words, "--data-root", str(network / "root")])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, NexthourError)
        assert result.exception.exit_code == 1
        assert words == ["rollback"]  # there is no champion yet
    else:
        assert result.exit_code in ((0, 1) if words[0] == "doctor" else (0,))


def test_the_runbook_names_at_least_ten_things_each_with_what_is_seen_and_done() -> None:
    chapters = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(chapters) >= 10
    assert all("**Seen.**" in chapter and "**Do.**" in chapter for chapter in chapters)
