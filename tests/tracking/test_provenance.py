"""What is logged about a run's origins is complete, and holds no secret."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.grid import Grid
from tasks.settings.servers import MlflowSettings
from tasks.settings.tree import Settings
from tasks.tracking import provenance

GRID = Grid(np.ones((2, 3, 60), np.float32), np.datetime64("2026-03-10T00:00", "m"), 1, ("a", "b", "c"), ("in", "out"))


def test_secrets_stay_out_of_what_is_logged() -> None:
    settings = Settings(mlflow=MlflowSettings(tracking_uri="postgresql://me:hush@db:5432/mlflow"))
    shown = provenance.settings_tree(settings)
    assert shown["mlflow"]["tracking_uri"] == "postgresql://***@db:5432/mlflow"
    assert "hush" not in json.dumps(shown)


def test_settings_are_flattened_by_dotted_name() -> None:
    flat = provenance.flatten(provenance.settings_tree(Settings()))
    assert flat["retrain.seed"] == "7"
    assert flat["sources.0.kind"] == "simulate"
    assert json.loads(flat["network.targets"]) == ["entries", "exits"]
    assert "network.country" not in flat


def test_the_commit_is_read_from_the_working_tree(tmp_path: Path) -> None:
    assert provenance.git_commit(tmp_path) is None
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text("# pack-refs\n" + "b" * 40 + " refs/heads/main\n")
    assert provenance.git_commit(tmp_path) == "b" * 40
    (git / "refs/heads/main").write_text("a" * 40 + "\n")
    assert provenance.git_commit(tmp_path) == "a" * 40
    (git / "HEAD").write_text("c" * 40)
    assert provenance.git_commit(tmp_path) == "c" * 40


@pytest.mark.parametrize(
    "other",
    [
        replace(GRID, start=GRID.start + 1),
        replace(GRID, stations=("a", "b", "d")),
        replace(GRID, values=np.where(np.arange(60) == 59, np.float32(2), GRID.values)),
        replace(GRID, values=np.where(np.arange(60) == 0, np.float32(np.nan), GRID.values)),
    ],
)
def test_the_fingerprint_changes_with_the_data(other: Grid) -> None:
    assert provenance.data_fingerprint(GRID) == provenance.data_fingerprint(replace(GRID, values=GRID.values.copy()))
    assert provenance.data_fingerprint(GRID) != provenance.data_fingerprint(other)


def test_passwords_of_urls_are_masked_wherever_they_stand() -> None:
    text = "sqlite:////a/m.db?timeout=5&password=hush and postgresql://me:hush@db/m?sslPassword=hush&a=b"
    assert (
        provenance.redact(text)
        == "sqlite:////a/m.db?timeout=5&password=*** and postgresql://***@db/m?sslPassword=***&a=b"
    )
