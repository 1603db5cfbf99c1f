"""What stands around an issue never holds it up, whatever goes wrong there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.forecast_fakes import FakeFeatures, FakeForecaster, random_grid
from support.publications import FakeHistory

import tasks.alerts.steps
import tasks.levels.steps
import tasks.publish.steps
from flows.pipelines.publication import publish_issue
from tasks.contracts import Publication
from tasks.forecast.issue import make_issue
from tasks.settings.tree import PublishSettings, Settings

ORIGIN = np.datetime64("2024-03-05T09:00", "m")


def broken(*given: object, **named: object) -> None:
    raise TypeError("a bug")


def test_faults_of_a_target_of_alerts_and_of_scores_stop_no_other_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, publish = random_grid("2024-02-18", 17), tasks.publish.steps.publish
    settings = Settings(data_root=str(tmp_path), publish=PublishSettings(targets=("csv", "latest_json", "day")))
    issued = make_issue(settings.network, FakeFeatures(grid), [("champion", FakeForecaster)], ORIGIN, ORIGIN)

    def publish_but_csv(settings: Settings, target: str, publication: Publication) -> str:
        if target == "csv":
            raise KeyError("odd")
        return publish(settings, target, publication)

    monkeypatch.setattr(tasks.publish.steps, "publish", publish_but_csv)
    monkeypatch.setattr(tasks.alerts.steps, "find_alerts", broken)
    monkeypatch.setattr(tasks.levels.steps, "keep_rest_of_day", broken)
    published, failed = publish_issue(settings, FakeHistory(grid), issued, (), ORIGIN, ORIGIN)
    assert set(published) == {"latest_json", "day"}
    assert failed == {"csv": "KeyError: 'odd'"}
    document = json.loads((tmp_path / "publications/latest.json").read_text())
    assert (document["origin_utc"], document["alerts"]) == ("2024-03-05T09:00:00Z", [])
