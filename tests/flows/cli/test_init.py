"""`nexthour init` and `nexthour presets` as people use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
COUNTS = "station,minute,entries,exits\n" + "".join(f"A,2024-03-04T07:{m},{m},1\n" for m in (10, 15, 20, 25, 30))


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder in which commands run."""
    monkeypatch.chdir(tmp_path)


def test_init_asks_with_exit_code_2_and_writes_what_ingests_once_it_is_answered(
    nexthour: Command, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(COUNTS)
    code, _, said = nexthour("init", "a.csv")
    assert (code, "--timezone" in said) == (2, True)
    assert not (tmp_path / "network.toml").exists()
    code, _, said = nexthour("init", "a.csv", "--timezone", "Europe/Paris")
    assert code == 0
    assert "100 entries, 5 exits" in said
    assert nexthour("ingest", "--config", "network.toml")[0] == 0


def test_init_never_overwrites_unless_it_is_told_to(nexthour: Command, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(COUNTS)
    (tmp_path / "network.toml").write_text("# mine\n")
    code, _, said = nexthour("init", "a.csv", "--timezone", "UTC")
    assert (code, "--force" in said) == (2, True)
    assert (tmp_path / "network.toml").read_text() == "# mine\n"
    assert nexthour("init", "a.csv", "--timezone", "UTC", "--force")[0] == 0
    assert "[[sources]]" in (tmp_path / "network.toml").read_text()


def test_init_with_a_preset_writes_its_name(nexthour: Command, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "service_date,stop_id,time_period_start,time_period_end,total_entries,total_exits\n"
        "2024-03-04,s1,2024-03-04T07:00:00,2024-03-04T07:15:00,12,3\n"
    )
    words = ("init", "a.csv", "--preset", "tides/station_activities", "--timezone", "America/Chicago")
    code, _, said = nexthour(*words, "--interval", 15)
    assert (code, "12 entries, 3 exits" in said) == (0, True)
    assert 'preset = "tides/station_activities"' in (tmp_path / "network.toml").read_text()
    assert nexthour("ingest", "--config", "network.toml")[0] == 0


@pytest.mark.parametrize(
    "words", [("--rows", "mean"), ("--time-is", "now"), ("--timezone", "Europe/Pariss"), ("--preset", "tides/x")]
)
def test_an_unknown_answer_is_rejected_in_one_line(nexthour: Command, tmp_path: Path, words: tuple[str, str]) -> None:
    (tmp_path / "a.csv").write_text(COUNTS)
    code, _, said = nexthour("init", "a.csv", *words)
    assert (code, said.count("\n")) == (2, 1)


def test_presets_are_listed(nexthour: Command) -> None:
    assert "divvy/trips" in nexthour("presets")[2]
