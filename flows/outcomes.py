"""The events of what a run came to, and the incidents that begin or end with it.

A run that pretends another moment (`as_of`) says nothing of the present: it emits no event of what is so now.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flows import events, incidents
from flows.pipelines.loop import select_sources
from flows.pipelines.publication import FORECASTS
from flows.pipelines.run_reports import ForecastReport, IngestReport
from tasks.errors import StoreError
from tasks.forecast.steps import CHECKS
from tasks.quality.steps import QualityResult
from tasks.settings.tree import Settings

if TYPE_CHECKING:
    from tasks.model.steps import RetrainReport
    from tasks.score.steps import ScoreReport

log = logging.getLogger(__name__)

QUIET = "quiet_source"


def emit_ingest_events(settings: Settings, report: IngestReport, source: str | None, live: bool) -> None:
    """Warnings of quality checks that are new; sources of which nothing landed, or that are silent, or no longer."""
    events.emit_warnings(settings, report.quality)
    if not live:
        return
    wrong = _nothing_landed(settings, report, source)
    landed = {each.source for each in report.sources if each.rows}
    incidents.follow(settings, incidents.NOTHING_LANDED, wrong, landed)
    if QUIET in {result.check for result in report.quality if result.status != "not_run"}:
        silent = {result.subject: _silence(result) for result in report.quality if _is_silent(result)}
        reporting = {each.name for each in settings.sources} - set(silent)
        incidents.follow(settings, incidents.SILENT, silent, reporting)


def emit_forecast_events(settings: Settings, report: ForecastReport, live: bool) -> None:
    """The publication, whether it is degraded, the checks and the targets that failed."""
    announce_champion(settings)
    if not live or report.withheld:
        return
    failed = {name: {"target": name, "reason": reason} for name, reason in report.failed_targets.items()}
    incidents.follow(settings, incidents.TARGET_FAILED, failed, {*report.published, FORECASTS} - set(failed))
    if failed and not report.published:
        return
    _emit_alerts(settings, report.issue.summary.get("alerts") or ())
    summary, network = report.issue.summary, settings.network.name
    forecast = {key: summary[key] for key in ("origin_utc", "issued_at", "model_version", "degraded_reason")}
    events.emit(settings, events.PUBLISHED, {**forecast, "targets": sorted(report.published)})
    failing = {
        verdict["name"]: {"check": verdict["name"], "rung": verdict["rung"], "reason": verdict["detail"]}
        for verdict in reversed(summary["verdicts"])
        if not verdict["passed"]
    }
    incidents.follow(settings, incidents.CHECK_FAILED, failing, set(CHECKS) - set(failing))
    reason = report.issue.degraded_reason
    degraded = {network: {"reason": reason, "model_version": report.issue.model_version}} if reason else {}
    incidents.follow(settings, incidents.DEGRADED, degraded, {network} - set(degraded))
    _emit_overrides(settings, summary.get("overrides") or ())


def _emit_overrides(settings: Settings, overrides: Sequence[Mapping[str, Any]]) -> None:
    """Overrides that touch this forecast first, and those that do not any more."""
    kept = ("id", "scope", "target", "factor", "from", "to", "who", "why")
    touching = {each["id"]: {name: each[name] for name in kept} for each in overrides}
    over = incidents.open_subjects(settings, incidents.OVERRIDDEN) - set(touching)
    incidents.follow(settings, incidents.OVERRIDDEN, touching, over)


def _emit_alerts(settings: Settings, alerts: Sequence[Mapping[str, Any]]) -> None:
    """Alerts that opened or closed with this forecast, once each, about their station."""
    names = {"opened": events.ALERT_OPENED, "closed": events.ALERT_CLOSED}
    for alert in alerts:
        if alert["state"] in names:
            payload = {**alert, "until": alert["strong_at"]}
            events.emit(settings, names[alert["state"]], payload, kind="station", subject=alert["station_id"])


def emit_retrain_events(settings: Settings, report: RetrainReport) -> None:
    """Whether the challenger was promoted, and which groups of stations failed."""
    announce_champion(settings)
    for row in report.groups:
        if row.failed:
            group = {"group": row.group, "kept": row.kept, "reason": row.reason, "version": report.version}
            events.emit(settings, events.GROUP_FAILED, group)
    if not report.promoted:
        payload = {"version": report.version, "reason": report.reason, "url": report.url}
        events.emit(settings, events.APPROVAL_ASKED if report.waits else events.REJECTED, payload)


def emit_waiting(settings: Settings, reason: str) -> None:
    """That nothing was trained yet."""
    events.emit(settings, events.WAITING, {"reason": reason})


def emit_score_events(settings: Settings, report: ScoreReport, live: bool) -> None:
    """Tiers of stations whose error is out of control, or whose counts changed; one without limits keeps its state."""
    announce_champion(settings)
    if not live:
        return
    known = {each.tier: each.control for each in report.control if each.control}
    out = {
        tier: {
            "tier": f"the {tier}",
            "ratio": round(control.ratio, 2),
            "limit": round(control.limit, 2),
            "reason": f"{control.ratio:.1f} times the usual, above the limit of {control.limit:.1f}",
        }
        for tier, control in known.items()
        if control.out
    }
    incidents.follow(settings, incidents.OUT_OF_CONTROL, out, set(known) - set(out))
    drifted = {d.tier: {"tier": f"the {d.tier}", "reason": d.sentence} for d in report.drift if d.drifted}
    incidents.follow(settings, incidents.DRIFTED, drifted, {d.tier for d in report.drift} - set(drifted))


def announce_champion(settings: Settings) -> None:
    """Emit that another version publishes, once, however that came about."""
    from tasks.model.steps import champion_pointer

    try:
        pointer = champion_pointer(settings)
    except StoreError as error:
        log.error("whether the champion changed is not known: %s", error)
    else:
        incidents.announce_champion(settings, pointer)


def _nothing_landed(settings: Settings, report: IngestReport, source: str | None) -> dict[str, dict[str, str]]:
    """Payload per source that could not be read, or of which nothing or little landed."""
    read = {each.source for each in report.sources}
    unread = [name for name in select_sources(settings, source) if name not in read]
    reasons = dict(zip(unread, report.failures, strict=False))
    reasons |= {each.source: each.problem for each in report.sources if each.problem}
    return {name: {"source": name, "reason": reason} for name, reason in reasons.items()}


def _is_silent(result: QualityResult) -> bool:
    return result.check == QUIET and result.status == "warning"


def _silence(result: QualityResult) -> dict[str, str]:
    return {"source": result.subject, "reason": result.sentence}
