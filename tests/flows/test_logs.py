"""Logs as one JSON object per line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from logging.config import DictConfigurator
from pathlib import Path
from typing import Any

import pytest

from flows.logs import JsonLines, log_environment
from tasks.settings.servers import LogSettings

NEXTHOUR = [sys.executable, "-c", "from flows.cli.main import main; main()"]


def record(message: str, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("tasks.ingest", logging.WARNING, "a.py", 1, message, (), None)
    made.created = 1716206400.25
    made.__dict__.update(more)
    return made


def test_a_record_is_one_line_with_time_in_utc_level_logger_and_message() -> None:
    line = JsonLines().format(record("two\nlines 'ü'"))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2024-05-20T12:00:00.250Z",
        "level": "WARNING",
        "logger": "tasks.ingest",
        "message": "two\nlines 'ü'",
    }


def test_the_run_that_a_record_belongs_to_and_an_exception_are_keys_of_their_own() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        said = json.loads(JsonLines().format(record("it failed", flow_run_id="run-1", exc_info=sys.exc_info())))
    assert said["run"] == "run-1"
    assert said["exception"].endswith("ValueError: broken")


def test_prefect_writes_with_our_formatter_where_json_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.logging.configuration import DEFAULT_LOGGING_SETTINGS_PATH, load_logging_config

    assert log_environment(LogSettings()) == {}
    for name, value in log_environment(LogSettings(format="json", level="WARNING")).items():
        monkeypatch.setenv(name, value)
    config = load_logging_config(DEFAULT_LOGGING_SETTINGS_PATH)
    console = config["handlers"]["console"]
    assert console["level"] == "WARNING"
    made = DictConfigurator(config).configure_formatter(config["formatters"][console["formatter"]])
    assert isinstance(made, JsonLines)


def test_all_that_a_command_writes_to_stderr_is_json_also_its_report_and_its_failure(tmp_path: Path) -> None:
    (tmp_path / "nexthour.toml").write_text(
        '[network]\ninterval_minutes = 60\n[log]\nformat = "json"\n'
        '[[sources]]\nname = "gates"\nkind = "counts"\npath = "a.csv"\n'
    )
    (tmp_path / "a.csv").write_text("station_id,minute_utc,entries,exits\nA,2024-05-10T10:00Z,5,1\n")
    root = ["--data-root", str(tmp_path)]
    good = subprocess.run([*NEXTHOUR, "ingest", *root], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in good.stderr.splitlines()]
    [report] = [line["report"] for line in lines if "report" in line]
    assert report["sources"][0]["rows"] == 1
    bad = subprocess.run(
        [*NEXTHOUR, "-v", "ingest", "--source", "x", *root], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 2
    last = json.loads(bad.stderr.splitlines()[-1])
    assert last["level"] == "ERROR"
    assert "no source is called 'x'" in last["message"]
