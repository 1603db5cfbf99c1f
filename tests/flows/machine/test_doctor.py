"""The check-up: what a person must look at is found, and what is well is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.machine.doctor import examine
from tasks.settings.tree import Settings
from tasks.storage.store import Store

NOW = np.datetime64("2024-05-10T04:00", "us")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_root=str(tmp_path))


def retraining(settings: Settings) -> tuple[bool, str]:
    return next((check.ok, check.finding) for check in examine(settings, NOW) if check.name == "retraining")


def leave_bundle(settings: Settings, version: str, as_of: str) -> None:
    Store(settings.data_root).write_json(f"bundles/{version}/bundle.json", {"meta": {"as_of": as_of}})


def test_nights_that_stopped_are_found(settings: Settings) -> None:
    leave_bundle(settings, "6", "2024-05-04T03:30:00Z")
    leave_bundle(settings, "7", "2024-05-06T03:30:00Z")
    ok, finding = retraining(settings)
    assert not ok
    assert finding.startswith("last one 4.0 days ago, more than 3")


def test_a_champion_of_any_age_is_well_while_nights_go_on(settings: Settings) -> None:
    leave_bundle(settings, "7", "2024-03-01T03:30:00Z")
    leave_bundle(settings, "61", "2024-05-09T03:30:00Z")
    assert retraining(settings) == (True, "last one 1.0 days ago")


def test_a_network_that_was_never_trained_says_what_to_run(settings: Settings) -> None:
    assert retraining(settings) == (False, "no retraining yet: run nexthour retrain")
