"""What flows tell of their runs: an event when something goes wrong or changes, one when it is over, none between."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flows import events, incidents, outcomes
from flows.pipelines.run_reports import ForecastReport, IngestReport
from tasks.ingest.steps import SourceReport
from tasks.quality.steps import QualityResult
from tasks.score.control_chart import Control
from tasks.score.steps import Drift, TierControl
from tasks.settings.tree import Settings

Told = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Events that were emitted, in order."""
    kept: Told = []
    monkeypatch.setattr(events, "emit", lambda settings, name, payload, **about: kept.append((name, dict(payload))))
    return kept


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    sources: Any = [{"name": name, "kind": "counts", "path": f"{name}.csv"} for name in ("gates", "trips")]
    return Settings(data_root=str(tmp_path), network={"name": "town"}, sources=sources)  # type: ignore[arg-type]


def names(told: Told) -> list[str]:
    found = [name for name, _ in told]
    told.clear()
    return found


def issued(reason: str | None = None, verdicts: Any = (), **failed: str) -> ForecastReport:
    summary = {
        "alerts": [],
        "verdicts": verdicts,
        "origin_utc": "2024-03-05T12:00:00Z",
        "issued_at": "2024-03-05T12:00:02Z",
        "model_version": "3",
        "degraded_reason": reason,
    }
    issue = SimpleNamespace(summary=summary, degraded_reason=reason, model_version="3")
    return ForecastReport(cast(Any, issue), {"latest_json": "somewhere"}, failed)


def quiet(*sources: str) -> tuple[QualityResult, ...]:
    found = [QualityResult("quiet_source", "warning", "source", name, f"{name} is quiet") for name in sources]
    return tuple(found) or (QualityResult("quiet_source", "ok", "network", "town", "2 sources heard of late"),)


def point(settings: Settings, version: str, by: str) -> None:
    pointer = {"version": version, "set_at": f"2024-03-0{version}T03:30:00Z", "by": by, "source": "why"}
    path = Path(settings.data_root) / "bundles/champion.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(pointer))


def test_every_event_has_a_name_of_ours_and_a_sentence() -> None:
    constants = {value for name, value in vars(events).items() if name.isupper() and isinstance(value, str)}
    assert constants - {events.QUALITY} == set(events.EVENTS)
    assert all(name.startswith("nexthour.") for name in events.EVENTS)
    assert all(text.meaning.endswith(".") and "{network}" in text.message for text in events.EVENTS.values())


def test_every_event_is_on_the_page_of_operations() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert [name for name, text in events.EVENTS.items() if f"| `{name}` | {text.meaning} |" not in page] == []


def test_each_publication_is_told_and_its_degradation_once_when_it_begins_and_once_when_it_ends(
    settings: Settings, told: Told
) -> None:
    reasons = (None, "stale_data: last observation 61 min ago", "stale_data: last observation 66 min ago", None, None)
    for reason in reasons:
        outcomes.emit_forecast_events(settings, issued(reason), live=True)
    assert [payload["degraded_reason"] for name, payload in told if name == events.PUBLISHED] == list(reasons)
    begun, over = [(name, payload) for name, payload in told if name != events.PUBLISHED]
    assert begun[0] == events.DEGRADED
    assert begun[1]["reason"] == "stale_data: last observation 61 min ago"
    assert over[0] == events.RECOVERED
    assert over[1]["since"] == begun[1]["since"] <= over[1]["until"]


def test_a_check_that_fails_is_told_once_with_the_uppermost_rung_and_once_when_it_passes_again(
    settings: Settings, told: Told
) -> None:
    def verdict(rung: str, passed: bool) -> dict[str, Any]:
        return {"name": "jump", "rung": rung, "passed": passed, "detail": f"{rung} is far off"}

    both, one = [verdict("champion", False), verdict("previous", False)], [verdict("champion", True)]
    for verdicts in (both, both, one, one):
        outcomes.emit_forecast_events(settings, issued(verdicts=verdicts), live=True)
    begun, over = [(name, payload) for name, payload in told if name != events.PUBLISHED]
    assert (begun[0], begun[1]["check"], begun[1]["rung"]) == (events.CHECK_FAILED, "jump", "champion")
    assert begun[1]["reason"] == "champion is far off"
    assert (over[0], over[1]["check"]) == (events.CHECK_PASSED, "jump")


def test_an_override_is_told_with_the_first_forecast_that_it_touches_and_the_first_that_it_does_not(
    settings: Settings, told: Told
) -> None:
    concert = {"id": "c19a678a", "scope": "Z00", "stations": ["Z00"], "target": None, "factor": 1.5}
    concert |= {"from": "2024-03-05T09:00:00Z", "to": "2024-03-05T11:00:00Z", "who": "Ann", "why": "concert"}
    for overrides in ([], [concert], [concert], [], []):
        report = issued()
        report.issue.summary["overrides"] = overrides
        outcomes.emit_forecast_events(settings, report, live=True)
    begun, over = [(name, payload) for name, payload in told if name != events.PUBLISHED]
    assert (begun[0], begun[1]["who"], begun[1]["factor"]) == (events.OVERRIDE_BEGAN, "Ann", 1.5)
    assert (over[0], over[1]["scope"], over[1]["since"]) == (events.OVERRIDE_ENDED, "Z00", begun[1]["since"])


def test_a_target_that_fails_is_told_once_and_the_rest_counts_as_published(settings: Settings, told: Told) -> None:
    for _ in range(2):
        outcomes.emit_forecast_events(settings, issued(board="disk full"), live=True)
    assert names(told) == [events.TARGET_FAILED, events.PUBLISHED, events.PUBLISHED]
    report = ForecastReport(issued().issue, {"latest_json": "somewhere", "board": "there"})
    outcomes.emit_forecast_events(settings, report, live=True)
    assert names(told) == [events.TARGET_RECOVERED, events.PUBLISHED]


def test_a_forecast_that_reached_no_target_is_not_told_as_published(settings: Settings, told: Told) -> None:
    report = ForecastReport(issued().issue, {}, {"latest_json": "disk full"})
    outcomes.emit_forecast_events(settings, report, live=True)
    assert names(told) == [events.TARGET_FAILED]


def test_a_run_of_another_moment_says_nothing_of_the_present(settings: Settings, told: Told) -> None:
    outcomes.emit_forecast_events(settings, issued("no champion: used weekday_level"), live=False)
    outcomes.emit_ingest_events(
        settings, IngestReport((), ("gates: gone", "trips: gone"), quiet("gates")), None, live=False
    )
    assert names(told) == []


def test_a_source_that_falls_silent_is_told_once_and_when_it_is_back(settings: Settings, told: Told) -> None:
    for silent in ((), ("gates",), ("gates",), ("gates", "trips"), ("trips",), ()):
        outcomes.emit_ingest_events(settings, IngestReport((), (), quiet(*silent)), None, live=True)
    seen = [(name, payload["source"]) for name, payload in told]
    assert seen == [
        (events.SILENT, "gates"),
        (events.SILENT, "trips"),
        (events.BACK, "gates"),
        (events.BACK, "trips"),
    ]


def test_a_check_of_silence_that_was_not_run_changes_nothing(settings: Settings, told: Told) -> None:
    outcomes.emit_ingest_events(settings, IngestReport((), (), quiet("gates")), None, live=True)
    broken = QualityResult("quality", "not_run", "network", "town", "no disk", broken=True)
    outcomes.emit_ingest_events(settings, IngestReport((), (), (broken,)), None, live=True)
    assert names(told) == [events.SILENT]


def test_nothing_landed_ends_with_the_first_row_that_lands_and_not_with_nothing_new(
    settings: Settings, told: Told
) -> None:
    rejected = SourceReport("gates", rejected=9, problem="nothing of 9 rows landed: unparseable minute")
    unread = IngestReport((rejected,), ("trips: cannot be reached",))
    idle = IngestReport((SourceReport("gates"), SourceReport("trips")), ())
    landing = IngestReport((SourceReport("gates", rows=5), SourceReport("trips")), ())
    for report in (unread, unread, idle, landing, idle):
        outcomes.emit_ingest_events(settings, report, None, live=True)
    assert [(name, payload["source"]) for name, payload in told] == [
        (events.NOTHING_LANDED, "trips"),
        (events.NOTHING_LANDED, "gates"),
        (events.LANDED, "gates"),
    ]
    assert told[0][1]["reason"] == "trips: cannot be reached"
    assert told[1][1]["reason"] == rejected.problem


def test_a_champion_is_announced_once_whoever_chose_it(settings: Settings, told: Told) -> None:
    for version, by in (("1", "gate"), ("1", "gate"), ("2", "person"), ("1", "rollback")):
        point(settings, version, by)
        outcomes.announce_champion(settings)
    changes = [(payload["previous"], payload["version"], payload["by"]) for _, payload in told]
    assert changes == [(None, "1", "gate"), ("1", "2", "person"), ("2", "1", "rollback")]
    assert {name for name, _ in told} == {events.CHAMPION_CHANGED}


def test_a_challenger_that_is_not_promoted_is_told_with_the_reason_of_the_gate(settings: Settings, told: Told) -> None:
    report = SimpleNamespace(
        promoted=False, waits=False, version="4", reason="worse than linear_level", url=None, groups=()
    )
    outcomes.emit_retrain_events(settings, cast(Any, report))
    outcomes.emit_waiting(settings, "7 days of history, 21 are needed")
    report.waits = True
    outcomes.emit_retrain_events(settings, cast(Any, report))
    assert [name for name, _ in told] == [events.REJECTED, events.WAITING, events.APPROVAL_ASKED]
    assert told[0][1]["reason"] == "worse than linear_level"


def test_a_tier_whose_error_leaves_its_limits_is_told_once_and_when_it_is_back(settings: Settings, told: Told) -> None:
    def report(*ratios: float | None) -> Any:
        controls = [None if ratio is None else Control(ratio, 1.5, ratio > 1.5, 400) for ratio in ratios]
        tiers = ("busiest third", "middle third")
        control = [TierControl(t, 5, c) for t, c in zip(tiers, controls, strict=True)]
        return SimpleNamespace(control=control, drift=())

    for ratios in ((1.0, 1.1), (2.04, 1.1), (2.1, None), (None, 1.0), (1.2, 1.0)):
        outcomes.emit_score_events(settings, report(*ratios), live=True)
    outcomes.emit_score_events(settings, report(9.0, 9.0), live=False)
    assert [(name, payload["tier"]) for name, payload in told] == [
        (events.OUT_OF_CONTROL, "the busiest third"),
        (events.IN_CONTROL, "the busiest third"),
    ]
    assert told[0][1]["reason"] == "2.0 times the usual, above the limit of 1.5"


def test_a_damaged_file_of_incidents_stops_no_run(settings: Settings, told: Told) -> None:
    for path in (incidents.DEGRADED.path, "bundles/champion.json"):
        (Path(settings.data_root) / path).parent.mkdir(exist_ok=True)
        (Path(settings.data_root) / path).write_text("{")
    outcomes.emit_forecast_events(settings, issued("no champion: used weekday_level"), live=True)
    assert names(told) == [events.PUBLISHED]


def test_counts_that_change_are_told_once_per_tier_and_when_they_are_as_before(settings: Settings, told: Told) -> None:
    def report(*drifted: bool) -> Any:
        tiers = ("busiest third", "middle third")
        return SimpleNamespace(control=(), drift=[Drift(t, d, "2 times") for t, d in zip(tiers, drifted, strict=True)])

    for drifted in ((False, False), (True, False), (True, False), (False, False)):
        outcomes.emit_score_events(settings, report(*drifted), live=True)
    outcomes.emit_score_events(settings, SimpleNamespace(control=(), drift=()), live=True)  # type: ignore[arg-type]
    assert [(name, payload["tier"], payload["reason"]) for name, payload in told] == [
        (events.DRIFTED, "the busiest third", "2 times"),
        (events.SETTLED, "the busiest third", "2 times"),
    ]


def test_an_alert_is_told_when_it_opens_and_when_it_closes_and_not_while_it_goes_on(
    settings: Settings, told: Told
) -> None:
    for state in ("opened", "ongoing", "closed"):
        report = issued()
        alert = {"state": state, "station_id": "a", "sentence": "entries at a may go above 9", "strong_at": "12:00"}
        report.issue.summary["alerts"] = [alert]
        outcomes.emit_forecast_events(settings, report, live=True)
    found = [(name, payload["sentence"]) for name, payload in told if name != events.PUBLISHED]
    assert found == [
        (events.ALERT_OPENED, "entries at a may go above 9"),
        (events.ALERT_CLOSED, "entries at a may go above 9"),
    ]
