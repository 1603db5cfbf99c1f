"""A simulated city with a model per group: trained, registered once, published once, rolled back as one version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.mortal_workers import CLUSTERS, one_is_killed

from flows import events, outcomes
from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.loop_reports import retrain_document
from tasks.model.grouped import Grouped
from tasks.model.steps import RetrainReport, load_version
from tasks.model.training import by_group
from tasks.settings.sources.simulate import SimulateSource
from tasks.settings.tree import Network, Settings
from tasks.tracking import runs

AS_OF = np.datetime64("2024-03-12T15:00", "s")
NIGHT = AS_OF - np.timedelta64(1, "D")
BY_SIZE = {"by": "size", "sizes": 2, "least": 1}


def settings(root: Path, model: str, **more: Any) -> Settings:
    return Settings(
        data_root=str(root),
        network=Network(timezone="America/Chicago", interval_minutes=15, total="ALL"),
        sources=(SimulateSource(name="city", stations=4, weeks=5),),
        features={"weeks": 3},
        retrain={"train_days": 10, "validation_days": 2, "minimum_days": 14, "model": model},
        gate={"baselines": ("last_known",)},
        **more,
    )


@pytest.fixture(scope="module")
def city(with_mlflow: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five weeks of four stations every 15 minutes, and a champion for all of them."""
    root = with_mlflow(tmp_path_factory.mktemp("city"))
    plain = settings(root, "weekday_mean")
    loop.ingest(plain, AS_OF, backfill=True)
    assert loop.retrain(plain, NIGHT).promoted
    return root


@pytest.fixture(scope="module")
def grouped(city: Path) -> tuple[Settings, RetrainReport]:
    """The night after it, with two groups and the total."""
    wanted = settings(city, "weekday_level", groups=BY_SIZE)
    return wanted, loop.retrain(wanted, AS_OF)


def test_a_night_registers_one_version_whose_page_and_report_state_every_group(
    grouped: tuple[Settings, RetrainReport],
) -> None:
    import mlflow

    wanted, report = grouped
    assert [(row.group, row.stations) for row in report.groups] == [("size-1", 2), ("size-2", 2), ("ALL", 1)]
    assert report.version == "2"
    shown = markdown(retrain_document(report))
    with runs.connect(wanted):
        page = Path(mlflow.artifacts.download_artifacts(run_id=report.run_id, artifact_path="night.html")).read_text()
        table = Path(mlflow.artifacts.download_artifacts(run_id=report.run_id, artifact_path="tables/groups.csv"))
        assert len(table.read_text().splitlines()) == 1 + 3 * 2
    for text in (shown, page):
        assert "By groups of stations" in text
        assert all(name in text for name in ("size-1", "size-2", "champion 1"))
    meta = json.loads((Path(wanted.data_root) / "bundles/2/bundle.json").read_text())["meta"]
    assert meta["groups"] == {row.group: row.verdict for row in report.groups}


def test_the_groups_publish_as_one_forecast_whose_total_is_the_sum_of_its_stations(
    grouped: tuple[Settings, RetrainReport],
) -> None:
    wanted, report = grouped
    model = load_version(wanted, report.version)
    assert isinstance(model.forecaster, Grouped)
    made = loop.forecast(wanted, AS_OF, report.version)
    assert made.issue.model_version == report.version
    assert made.issue.degraded_reason is None
    rows = made.issue.table.to_pandas()
    total, parts = (rows[own].groupby(["target", "minute_utc"], observed=True)["mean"].sum() for own in
                    (rows.station_id == "ALL", rows.station_id != "ALL"))  # fmt: skip
    np.testing.assert_allclose(total, parts, rtol=1e-5)
    assert json.loads((Path(wanted.data_root) / "publications/latest.json").read_text())["model_version"] == "2"


def test_a_grouped_champion_is_promoted_and_rolled_back_as_one_version(grouped: tuple[Settings, RetrainReport]) -> None:
    wanted, report = grouped
    if not report.promoted:
        loop.promote(wanted, AS_OF, report.version)
    assert load_version(wanted, "champion").version == "2"
    assert loop.rollback(wanted, AS_OF) == "1"
    assert not isinstance(load_version(wanted, "champion").forecaster, Grouped)


@pytest.mark.parametrize("kind", CLUSTERS)
def test_a_cluster_trains_the_groups_to_the_bytes_of_this_process_though_a_worker_is_killed(
    kind: str, city: Path, tmp_path: Path
) -> None:
    kept, reports = [], []
    killed = one_is_killed(kind, r"/training/.*\.npz$", tmp_path / "killed")  # a group is fitted, its bundle not whole
    for name, runner, fault in (("one", {}, nullcontext()), ("two", {"kind": kind, "workers": 2}, killed)):
        root = tmp_path / name
        shutil.copytree(city, root)
        with fault:
            report = loop.retrain(settings(root, "linear_level", groups=BY_SIZE, runner=runner), AS_OF)
        assert not (root / "training").exists()
        bundle = root / report.bundle.removeprefix(str(root)).lstrip("/")
        config = json.loads((bundle / "bundle.json").read_text())["config"]
        kept.append((config, {f.name + f.parent.name: f.read_bytes() for f in bundle.rglob("*.npz")}))
        reports.append([(row.group, row.verdict, row.reason, row.table) for row in report.groups])
    assert kept[0] == kept[1]
    assert len(kept[0][1]) == 3
    assert reports[0] == reports[1]


def test_a_failed_group_is_a_warning_of_the_report_and_an_event(
    city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, told = by_group.fit_group, list[tuple[str, dict[str, Any]]]()

    def failing(*given: Any) -> Any:
        if given[5].name == "size-2":
            raise RuntimeError("a fault")
        return fit(*given)

    shutil.copytree(city, tmp_path / "root")
    wanted = settings(tmp_path / "root", "weekday_level", groups=BY_SIZE)
    monkeypatch.setattr(by_group, "fit_group", failing)
    report = loop.retrain(wanted, AS_OF)
    known = load_version(wanted, "1")
    assert [row.verdict for row in report.groups if row.group == "size-2"] == ["failed"]
    said = f"group size-2 failed and keeps champion {known.version}: RuntimeError: a fault"
    assert said in report.warnings
    assert said in markdown(retrain_document(report))
    monkeypatch.setattr(events, "emit", lambda _, name, payload: told.append((name, dict(payload))))
    outcomes.emit_retrain_events(wanted, report)
    assert [payload["group"] for name, payload in told if name == events.GROUP_FAILED] == ["size-2"]
