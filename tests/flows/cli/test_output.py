"""What commands write for people: progress where no terminal shows bars, and the last lines of the demonstration."""

from __future__ import annotations

import pytest

from flows.cli import output
from flows.demo import DemoReport


def report(rmse: float | None, baseline: float | None) -> DemoReport:
    return DemoReport(
        data_root="/town",
        config="/town/nexthour.toml",
        stations=12,
        days=113,
        minutes_until="2026-03-10T08:00Z",
        model="1",
        verdict="training needs 21 days of history",
        rmse=rmse,
        baseline_rmse=baseline,
        latest="/town/publications/latest.json",
        board="/town/publications/board/index.html",
        picture="/town/forecast.png",
        seconds=61.4,
    )


def test_without_a_terminal_the_end_of_each_kind_of_work_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress() as progress:
        for done in range(1, 2001):
            progress("training rows", done, 2000)
        progress("epochs", 1, 4)
        progress("epochs", 4, 4)
        progress("epochs", 4, 4)
    assert capsys.readouterr().err.splitlines() == ["  training rows: 2,000 of 2,000", "  epochs: 4 of 4"]


def test_without_a_terminal_long_work_is_a_line_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(output, "monotonic", lambda: now)
    with output.progress() as progress:
        for done in range(1, 26):
            progress("epochs", done, 100)
            now += 1
    assert capsys.readouterr().err.splitlines() == ["  epochs: 11 of 100", "  epochs: 21 of 100"]


def test_a_demonstration_ends_with_what_was_learnt_and_where_to_look() -> None:
    learnt, see, how, board = output.demo_lines(report(44.61, 63.58), ".venv/bin/nexthour")
    assert "12 stations x 113 days" in learnt
    assert "RMSE of a station's hour 44.6 people, of the mean of the same weekdays 63.6; version 1 publishes" in learnt
    assert "/town/forecast.png" in see
    assert "/town/publications/latest.json" in see
    assert ".venv/bin/nexthour up --data-root /town" in how
    assert "http://127.0.0.1:4200" in how
    assert "http://127.0.0.1:5000" in how
    assert board.split()[:2] == ["board", "/town/publications/board/index.html"]


def test_a_demonstration_that_trained_nothing_says_why() -> None:
    learnt, *_ = output.demo_lines(report(None, None), "nexthour")
    assert "training needs 21 days of history" in learnt
    assert "RMSE" not in learnt
