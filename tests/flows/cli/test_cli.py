"""The command line as scripts use it: exit codes, one clear line, JSON on stdout."""

import gzip
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.cli.app import parse_duration
from flows.cli.output import to_json
from tasks.errors import ConfigError
from tasks.tables.staleness import LateReport

Command = Callable[..., tuple[int, str, str]]
HEADER = "station_id,minute,entries,exits\n"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A configuration of one folder of counts, and that folder with one small file."""
    (tmp_path / "feed").mkdir()
    rows = [f"A,2024-03-05T{h:02d}:{m:02d},{h + m},{m}\n" for h in range(6, 9) for m in range(60)]
    (tmp_path / "feed/a.csv").write_text(HEADER + "".join(rows))
    (tmp_path / "nexthour.toml").write_text(
        'data_root = "root"\n[network]\ntimezone = "America/Chicago"\n'
        '[[sources]]\nname = "gates"\nkind = "counts"\npath = "feed/*"\n'
    )
    return tmp_path / "nexthour.toml"


def test_the_version_is_that_of_the_package(nexthour: Command) -> None:
    assert nexthour("--version") == (0, f"nexthour {version('nexthour')}\n", "")


def test_ingested_counts_come_out_of_the_export_as_they_went_in(
    nexthour: Command, network: Path, tmp_path: Path
) -> None:
    code, out, _ = nexthour("backfill", "--config", network, "--json")
    assert code == 0
    report = json.loads(out)
    assert report["sources"][0]["rows"] == 180
    assert report["sources"][0]["first_minute"].startswith("2024-03-05T12:00")
    target = tmp_path / "out.parquet"
    span = ("--start", "2024-03-05T06:00", "--end", "2024-03-05T09:00")
    assert nexthour("minutes", "--config", network, *span, "--out", target)[0] == 0
    table = pq.read_table(target)
    assert table.num_rows == 180
    assert table["entries"].to_pylist() == [h + m for h in range(6, 9) for m in range(60)]


def test_an_ingest_of_which_nothing_landed_ends_with_1_and_its_report_begins_with_what_to_change(
    nexthour: Command, network: Path, tmp_path: Path
) -> None:
    (tmp_path / "feed/a.csv").write_text(HEADER + "A,25/03/2024 07:15,3,1\nA,26/03/2024 07:15,3,1\n")
    code, out, err = nexthour("ingest", "--config", network, "--json")
    assert code == 1
    first = next(line for line in err.splitlines() if not line.startswith("  "))
    assert first.startswith("Ingest failed: gates: nothing of 2 rows landed (bad_time): column 'minute' has ")
    assert first.endswith('write time_format = "%d/%m/%Y %H:%M"')
    assert json.loads(out)["sources"][0]["problem"] in first
    assert nexthour("ingest", "--config", network)[0] == 0  # nothing new
    code, out, err = nexthour("ingest", "--rejects", "--explain", "--config", network, "--json")
    assert (code, list(json.loads(out)["reasons"])) == (0, ["bad_time"])
    assert "bad_time: the time cannot be read, or is blank. To do: give its strptime format" in err


def test_without_open_rejects_every_code_is_explained(nexthour: Command, network: Path) -> None:
    nexthour("ingest", "--config", network)
    code, _, err = nexthour("ingest", "--rejects", "--explain", "--config", network)
    assert code == 0
    assert all(f"{name}: " in err for name in ("missing_station", "too_large", "superseded_in_file"))


def test_the_export_shows_what_was_known_at_a_moment(nexthour: Command, network: Path, tmp_path: Path) -> None:
    nexthour("backfill", "--config", network)
    span = ("--start", "2024-03-05", "--end", "2024-03-06", "--as-of", "2024-03-05T07:00")
    code, out, _ = nexthour("minutes", "--config", network, *span, "--out", tmp_path / "then.csv", "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 60
    assert (tmp_path / "then.csv").read_text().splitlines()[1] == "A,2024-03-05T12:00:00Z,6,0"


def test_a_station_file_that_cannot_be_used_is_said_and_stops_nothing(
    nexthour: Command, network: Path, tmp_path: Path
) -> None:
    network.write_text(network.read_text() + '[stations]\nfile = "names.csv"\n')
    (tmp_path / "names.csv").write_text("id,title\nA,Ace\n")
    for words in (("backfill",), ("forecast", "--as-of", "2024-03-05T09:00", "--model", "last_known")):
        code, _, err = nexthour(*words, "--config", network)
        line = next(line for line in err.splitlines() if line.startswith("WARNING [stations] file"))
        assert (code, "is no station table (its first line is 'id, title'): give a CSV" in line) == (0, True)
    (tmp_path / "names.csv").write_text("station_id,name\nA,Ace\n")
    err = nexthour(*words, "--config", network)[2]
    assert "Ace (A)" in err
    assert "WARNING" not in err


def test_minutes_and_the_forecast_are_exported_in_the_columns_of_tides(
    nexthour: Command, network: Path, tmp_path: Path
) -> None:
    nexthour("backfill", "--config", network)
    span = ("--start", "2024-03-05", "--end", "2024-03-06")
    out = tmp_path / "tides.csv"
    assert nexthour("minutes", "--config", network, *span, "--out", out, "--format", "tides")[0] == 0
    assert (
        out.read_text().splitlines()[1].startswith("2024-03-05,A,2024-03-05T06:00:00-06:00,2024-03-05T06:01:00-06:00")
    )
    hour = ("forecast", "--config", network, "--as-of", "2024-03-05T09:00", "--model", "last_known")
    code, _, err = nexthour(*hour, "--out", out, "--format", "tides")
    assert code == 0
    assert err.splitlines()[-1] == f"60 minutes written to {out}"
    assert out.read_text().splitlines()[1].startswith("2024-03-05,A,2024-03-05T09:00:00-06:00,")
    assert nexthour(*hour, "--format", "tides")[0] == 2
    assert nexthour(*hour, "--out", tmp_path / "x.json")[0] == 2


def test_rejected_rows_are_listed_written_out_repaired_and_taken_back(
    nexthour: Command, network: Path, tmp_path: Path
) -> None:
    with (tmp_path / "feed/a.csv").open("a") as feed:
        feed.write("A,2024-03-05T09:00,many,\x1b[31m1\n")
    nexthour("backfill", "--config", network)
    code, out, err = nexthour("ingest", "--rejects", "--config", network, "--json")
    assert (code, json.loads(out)["files"][0]["reasons"]) == (0, {"not_a_number": 1})
    assert "gates a.csv: 1 rows rejected: not_a_number 1" in err
    assert "many,\\x1b[31m1" in err
    bad = tmp_path / "bad.csv"
    assert nexthour("ingest", "--rejects", "--out", bad, "--config", network)[0] == 0
    text = bad.read_text(encoding="utf-8")
    bad.write_text(text.replace("many", "5").replace("\x1b[31m1", "1"), encoding="utf-8")
    code, out, _ = nexthour("ingest", "--rejects", "--path", bad, "--config", network, "--json")
    assert (code, json.loads(out)["repaired"], json.loads(out)["sources"][0]["rows"]) == (0, 1, 181)
    assert json.loads(nexthour("ingest", "--rejects", "--config", network, "--json")[1])["files"] == []
    (tmp_path / "feed/a.csv").write_text(HEADER)
    code, _, err = nexthour("ingest", "--rejects", "--path", bad, "--config", network)
    assert code == 1
    assert "has changed since it was written out" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("minutes", "--start", "2024-03-05", "--end", "2024-03-06", "--out", "x.json"),
            "must end in .parquet or .csv",
        ),
        (("minutes", "--start", "2024-03-06", "--end", "2024-03-05", "--out", "x.csv"), "not after"),
        (("ingest", "--start", "yesterday"), "not ISO 8601"),
        (("ingest", "--start", "2024-03-10T02:30"), "does not exist"),
        (("ingest", "--source", "gate"), "did you mean 'gates'?"),
        (("ingest", "--out", "bad.csv"), "--out goes with --rejects"),
        (("ingest", "--explain"), "--explain goes with --rejects"),
        (("ingest", "--rejects", "--out", "a.csv", "--path", "b.csv"), "not both"),
        (("ingest", "--rejects", "--start", "2024-03-05"), "takes no --start"),
        (("ingest", "--rejects", "--source", "gate"), "did you mean 'gates'?"),
        (("features", "--start", "soon", "--end", "2024-03-05"), "not a date"),
        (
            ("backtest", "--start", "2024-03-05", "--end", "2024-03-06", "--every", "fast", "--out", "x"),
            "duration",
        ),
        (
            ("backtest", "--start", "2024-03-05", "--end", "2024-03-06", "--seeds", "7,eight", "--out", "x"),
            "no list of whole numbers",
        ),
        (
            ("tune", "--start", "2024-03-05", "--end", "2024-03-06", "--metric", "rmse", "--out", "x"),
            "it may be rmsse",
        ),
        (("forecast", "--model", "next_hour_lsm", "--as-of", "2024-03-05T08:30"), "next_hour_lstm"),
    ],
)
def test_bad_usage_is_one_clear_line_and_exit_code_2(
    nexthour: Command, network: Path, words: tuple[str, ...], said: str
) -> None:
    nexthour("backfill", "--config", network)
    code, _, err = nexthour(*words, "--config", network)
    assert code == 2
    assert said in err.strip().splitlines()[-1]
    assert "Traceback" not in err


def test_a_misspelt_key_is_named_with_the_right_one(nexthour: Command, network: Path) -> None:
    network.write_text(network.read_text().replace("timezone", "timezon"))
    code, _, err = nexthour("ingest", "--config", network)
    assert code == 2
    assert "network.timezon" in err
    assert "did you mean 'timezone'?" in err


def test_an_unwritable_data_root_is_one_clear_line(nexthour: Command, network: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = nexthour("ingest", "--config", network, "--data-root", tmp_path / "file/root")
    assert code == 1
    assert "cannot be written" in err
    assert len(err.strip().splitlines()) == 1


def test_a_torn_file_fails_the_command_but_not_its_neighbours(nexthour: Command, network: Path) -> None:
    torn = gzip.compress(HEADER.encode() + b"A,2024-03-05T10:00,1,1\n" * 500)[:-20]
    (network.parent / "feed/b.csv.gz").write_bytes(torn)
    code, out, err = nexthour("backfill", "--config", network, "--json")
    assert code == 1
    assert json.loads(out)["sources"][0]["rows"] == 180
    assert "b.csv.gz" in err
    assert "ends early" in err


def test_rejected_rows_are_counted_by_reason_for_the_person(nexthour: Command, network: Path) -> None:
    (network.parent / "feed/c.csv").write_text(HEADER + "A,2024-03-05T10:00,-1,1\nA,2024-03-05T10:01,many,1\n")
    code, out, err = nexthour("backfill", "--config", network, "--json")
    assert code == 0
    assert json.loads(out)["sources"][0]["reasons"] == {"negative": 1, "not_a_number": 1}
    assert re.search(r"│ negative +│[^│]+│ +1 │", err)


def test_too_little_history_says_how_much_there_is_and_how_much_is_needed(
    nexthour: Command, network: Path, with_mlflow: Callable[[Path], Path]
) -> None:
    with_mlflow(network.parent / "root")
    nexthour("backfill", "--config", network)
    code, _, err = nexthour("retrain", "--config", network, "--as-of", "2024-03-05T09:00")
    line = err.strip().splitlines()[-1]
    assert code == 1
    assert "needs 8 days" in line
    assert "day" in line


def test_a_forecast_before_any_model_exists_falls_to_a_baseline_and_says_so(nexthour: Command, network: Path) -> None:
    nexthour("backfill", "--config", network)
    code, out, err = nexthour("forecast", "--config", network, "--as-of", "2024-03-05T09:00", "--json")
    assert code == 0
    assert "DEGRADED" in err
    issue = json.loads(out)["issue"]
    assert issue["model_version"] == "weekday_level"
    assert issue["degraded_reason"]
    latest = json.loads((network.parent / "root/publications/latest.json").read_text())
    assert latest["degraded_reason"] == issue["degraded_reason"]


def test_a_backfill_and_a_forecast_import_no_heavy_library_and_no_other_command(network: Path) -> None:
    script = (
        "import sys\nfrom flows.cli.main import main\n"
        "for words in (['backfill'], ['forecast', '--as-of', '2024-03-05T09:00']):\n"
        f"    sys.argv = ['nexthour', *words, '--config', {str(network)!r}]\n"
        "    try: main()\n    except SystemExit as end: assert not end.code, end.code\n"
        "    found = {'tensorflow', 'keras', 'mlflow', 'prefect', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "    assert not found, found\n"
        "    assert not {'flows.cli.tune', 'flows.cli.machine'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr


def test_a_backfill_does_not_wait_for_pandas(network: Path) -> None:
    script = (
        "import sys\nfrom flows.cli.main import main\n"
        f"sys.argv = ['nexthour', 'backfill', '--config', {str(network)!r}]\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "assert 'pandas' not in sys.modules\n"
        "import pandas, pyarrow\n"
        "assert pyarrow.Table.from_pandas(pandas.DataFrame({'a': [1.0, None]}))['a'].null_count == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr


def test_maintain_tells_people_and_scripts_what_it_did_and_exits_1_where_a_person_is_needed(
    nexthour: Command, network: Path, tmp_path: Path
) -> None:
    nexthour("backfill", "--config", network)
    day = tmp_path / "root/observations/service_date=2024-03-05"
    [batch] = day.iterdir()
    (day / f"{'0' * 24}.parquet").write_bytes(batch.read_bytes())
    code, out, err = nexthour("maintain", "--config", network, "--json")
    report = json.loads(out)
    assert code == 0
    assert [(c["day"], c["files_before"], c["files_after"]) for c in report["compacted"]] == [("2024-03-05", 2, 1)]
    assert report["checked"] == ["2024-03-05"]
    assert "2024-03-05 │     2 │           1 │" in err
    assert "1 service days (2024-03-05 to 2024-03-05) folded again from observations: all agree." in err
    [batch] = day.iterdir()
    batch.unlink()
    code, _, err = nexthour("maintain", "--config", network, "--full", "--sample-days", 0)
    assert code == 1
    assert f"LOOK observations/service_date=2024-03-05/{batch.name}: " in err


@pytest.mark.parametrize(("text", "minutes"), [("15min", 15), ("1h", 60), ("1d", 1440), ("2w", 20160)])
def test_durations_are_parsed(text: str, minutes: int) -> None:
    assert parse_duration(text, "--every") == np.timedelta64(minutes, "m")


@pytest.mark.parametrize("text", ["", "0min", "15", "-5min", "1.5h", "h"])
def test_text_that_is_no_duration_is_rejected(text: str) -> None:
    with pytest.raises(ConfigError, match="--every"):
        parse_duration(text, "--every")


def test_reports_become_json_without_arrays_and_without_nan() -> None:
    report = {
        "at": np.datetime64("2024-03-05T06:00:01.5"),
        "never": np.datetime64("NaT"),
        "share": float("nan"),
        "loss": np.float32("inf"),
        "count": np.int64(3),
        "days": frozenset({"2024-03-05"}),
        "values": np.zeros(3),
        "source": LateReport(["2024-03-05"]),
    }
    late = {"days": ["2024-03-05"], "lag_days": [], "forecast_days": [], "score_days": []}
    assert to_json(report) == {
        "at": "2024-03-05T06:00:01Z",
        "never": None,
        "share": None,
        "loss": None,
        "count": 3,
        "days": ["2024-03-05"],
        "values": None,
        "source": late,
    }


@contextmanager
def fresh_root_logger() -> Iterator[logging.Logger]:
    """The root logger as a new process has it: without the handlers of pytest, before which none is configured."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.parametrize(
    ("words", "level"),
    [(("--verbose", "backfill"), 20), (("backfill", "--verbose"), 20), (("backfill", "-v"), 20), (("backfill",), 30)],
)
def test_verbose_works_before_and_after_the_name_of_a_command(
    nexthour: Command, network: Path, words: tuple[str, ...], level: int
) -> None:
    with fresh_root_logger() as root:
        code, out, _ = nexthour(*words, "--config", network, "--json")
        assert root.level == level
    assert code == 0
    assert json.loads(out)["sources"][0]["rows"] == 180
