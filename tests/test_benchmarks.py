"""The page of measurements is what the committed results say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import common  # noqa: E402
import report  # noqa: E402


def test_the_committed_page_is_rendered_from_the_committed_results() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.render(), "run python benchmarks/report.py"


def test_the_run_of_a_script_is_on_the_page_with_its_date_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks/gate.py"])
    common.save({"paired": {"false": 0.04321}, "days": [7, 14]})
    results = tmp_path / "benchmarks" / "results"
    run = json.loads((results / "runs" / "gate.json").read_text(encoding="utf-8"))
    page = report.render(results)
    assert f"`benchmarks/gate.py`, {run['date']}, {run['machine']}:" in page
    assert "| paired.false | 0.043 |\n| days.0 | 7 |\n| days.1 | 14 |" in page
