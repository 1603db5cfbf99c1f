"""Reports of the flows that run on a schedule, one function per flow; see `document` for how they are rendered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.reports.document import Alert, Block, Document, Example, MarkdownOnly, Row, Table
from flows.reports.figures import figures_table, legend
from tasks.stations.table import NO_STATIONS, StationTable

if TYPE_CHECKING:
    from flows.pipelines.run_reports import ForecastReport, IngestReport
    from tasks.features.steps import LagReport
    from tasks.maintain.steps import Compacted, MaintainReport
    from tasks.model.steps import RetrainReport
    from tasks.quality.steps import QualityResult
    from tasks.score.steps import ScoreReport, TierControl

FEW_DAYS = 3
MOST_STATIONS = 20
"""Stations that a report names."""
STATUS = {"warning": "⚠ warning", "not_run": "not run", "ok": "ok"}


def ingest_document(report: IngestReport, stations: StationTable = NO_STATIONS) -> Document:
    """Rows stored and rejected per source, late data, and the results of the quality checks."""
    sources = report.sources
    stored, rejected = sum(s.rows for s in sources), sum(s.rejected for s in sources)
    columns = ("source", "files", "unchanged", "rows", "rejected", "left out", "first minute", "last minute", "days")
    rows = [
        (s.source, s.files, s.skipped, s.rows, s.rejected, s.left_out, s.first_minute, s.last_minute, len(s.days))
        for s in sources
    ]
    reasons = [
        (s.source, reason, s.remedies.get(reason, ""), count) for s in sources for reason, count in s.reasons.items()
    ]
    blocks: list[Block] = [Table(columns, rows)] if rows else []
    if reasons:
        blocks.append(Table(("source", "reason", "what to do", "rows"), reasons, left=3, title="Rejected rows"))
    blocks += [Example(example) for s in sources for example in s.examples]
    blocks += [Alert("WARNING", f"{s.source}: {warning}") for s in sources for warning in s.warnings]
    blocks += [Alert("FAILED", f"{s.source}: {failure}") for s in sources for failure in s.failures]
    blocks += [Alert("WARNING", stations.problem)] if stations.problem else []
    blocks += [Alert("FAILED", failure) for failure in report.failures]
    blocks += late_lines(report)
    blocks += [quality_table(report.quality)] if report.quality else []
    title = f"Ingest: {stored:,} rows stored, {rejected:,} rejected"
    if not report.problems:
        return Document(title, blocks)
    first, *others = report.problems
    return Document(f"Ingest failed: {first}", [*(Alert("FAILED", problem) for problem in others), title, *blocks])


def late_lines(report: IngestReport) -> list[str]:
    """What late data changed, one line per source that brought some."""
    return [
        f"{s.source}: late data of {_name_days(s.late.days)} touched the lags of {_name_days(s.late.lag_days)}, "
        f"forecasts of {_name_days(s.late.forecast_days)} and scores of {_name_days(s.late.score_days)}; the next runs "
        "of features and score rewrite lags and scores"
        for s in report.sources
        if s.late.lag_days or s.late.forecast_days or s.late.score_days
    ]


def quality_table(results: Sequence[QualityResult]) -> Table:
    """Every result of the quality checks, warnings first; a terminal shows warnings and failed checks only."""
    ordered = sorted(results, key=lambda r: list(STATUS).index(r.status))
    rows = [
        (r.check, STATUS[r.status], r.sentence, _number(r.observed), _number(r.limit), (r.since or "")[:16])
        for r in ordered
    ]
    totals = {r.check: r.total for r in results}
    total, shown = sum(totals.values()), sum(r.status == "warning" for r in results)
    worst = f", the worst {shown:,} below" if total > shown else ""
    lines = [f"quality: {r.check}: {r.sentence}" for r in ordered if r.status == "warning" or r.broken]
    for check, count in totals.items():
        more = count - sum(r.check == check and r.status == "warning" for r in results)
        lines += [f"quality: {check}: and {more:,} more"] if more > 0 else []
    title = f"Quality: {total:,} warning{'s' * (total != 1)}{worst}"
    return Table(("check", "result", "finding", "observed", "limit", "since (UTC)"), rows, 3, title, lines)


def lag_document(report: LagReport) -> Document:
    """Rows of the lag table, and the share of its values that were observed."""
    rows = [(f"{week} weeks before", f"{share:.1%}") for week, share in report.valid_share.items()]
    blocks: list[Block] = [f"{report.start_day} to {report.end_day}, in {report.place}"]
    blocks += [f"Rewritten after late data: {_name_days(report.late)}."] if report.late else []
    table = Table(("lag", "share of values observed"), rows, lines=())
    return Document(f"Lag table: {report.rows:,} rows in {report.files} files", [*blocks, table])


def forecast_document(
    report: ForecastReport, stations: StationTable = NO_STATIONS, picture: MarkdownOnly | None = None
) -> Document:
    """People expected in the next hour, at which stations, and where that was published."""
    s = report.issue.summary
    who = f"version {s['model_version']}" if s["model_version"].isdecimal() else s["model_version"]
    totals = ", ".join(f"{count:,.0f} {target}" for target, count in s["totals"].items())
    columns = ("busiest stations", *(f"{target}, people in the hour" for target in s["totals"]))
    busiest = [(stations.label(each["station_id"]), *(each[target] for target in s["totals"])) for each in s["busiest"]]
    blocks: list[Block] = [f"{totals} expected in the hour at {s['stations']:,} stations, by {who}."]
    blocks += [Alert("DEGRADED", s["degraded_reason"])] if s["degraded_reason"] else []
    blocks += [
        f"{each['who']} multiplies {stations.label(each['scope'])} by {each['factor']:g} until {each['to']}: "
        f"{each['why']}"
        for each in s.get("overrides", [])
    ]
    failed = [(v["name"], v["rung"], v["detail"]) for v in s["verdicts"] if not v["passed"]]
    blocks += [Table(columns, busiest), *([picture] if picture else [])]
    blocks += [f"{len(s['verdicts']) - len(failed)} of {len(s['verdicts'])} checks passed"]
    blocks += [Table(("failed check", "of", "what it found"), failed)] if failed else []
    blocks += [f"published to {target}: {where}" for target, where in report.published.items()]
    blocks += [Alert("WARNING", report.withheld)] if report.withheld else []
    blocks += [Alert("WARNING", stations.problem)] if stations.problem else []
    blocks += [Alert("FAILED", failure) for failure in report.failures]
    blocks += [Alert("WARNING", f"shadow {name}: {why}") for name, why in report.failed_shadows.items()]
    title = f"{s['network']}, {s['origin_local'][:16].replace('T', ' ')} to {s['end_local'][11:16]}"
    return Document(title, blocks)


def retrain_document(report: RetrainReport, picture: MarkdownOnly | None = None) -> Document:
    """The decision of the gate, and the challenger's figures beside those of champion and baselines."""
    figures = {str(row["model"]): row for row in report.metrics}
    run = f"run {report.run_id}" if report.run_id else "no run"
    verdict = "promoted" if report.promoted else "waits for a person" if report.waits else "not promoted"
    asked = f"Decide on the page of this run, or let it publish by nexthour promote {report.version}."
    return Document(
        f"Version {report.version}: {verdict}",
        [
            report.reason,
            *([asked] if report.waits else []),
            figures_table("on held-out days", figures),
            legend(figures),
            *([picture] if picture else []),
            MarkdownOnly(report.decision.partition("\n\n")[2]),  # without the reason, which stands above
            *([MarkdownOnly(report.history)] if report.history else []),
            *(Alert("WARNING", warning) for warning in report.warnings),
            *([MarkdownOnly(f"[The run in MLflow]({report.url})")] if report.url else []),
            f"MLflow: {run} at {report.tracking_uri}; bundle in {report.bundle}",
        ],
    )


def promote_document(version: str, action: str) -> Document:
    """Which version publishes since a person chose it."""
    how = "the champion before the last one" if action == "roll back" else "promoted by a person"
    text = f"Version {version} publishes from the next forecast on: {how}."
    return Document(f"Version {version} publishes", [text, "The flow promote with action = roll back undoes it."])


def score_document(report: ScoreReport, followed: str | None = None, stations: StationTable = NO_STATIONS) -> Document:
    """Errors of the live forecasts. `followed`: what was done to follow the registry's champion."""
    scopes = {"all stations": report.metrics, "network total": report.network, "its own forecast": report.total}
    blocks: list[Block] = [
        f"{report.origins:,} forecasts scored, {report.pending:,} whose hour is not over, {report.unobserved:,} whose "
        "truth was not observed."
    ]
    if report.origins:
        blocks.append(figures_table("scope", {scope: of for scope, of in scopes.items() if of}))
        blocks += [figures_table("target", report.by_target)] if report.by_target else []
        blocks += [figures_table("model version", report.by_model)] if report.by_model else []
        blocks += [figures_table("shadow", report.shadows)] if report.shadows else []
        blocks += [figures_table("tier", report.by_tier)] if report.by_tier else []
        blocks += _score_details(report)
        blocks.append(legend(scopes, report.by_model))
    blocks += [_rest_of_day_table(report)] if report.rest_of_day else []
    blocks += [_control_table(report.control)] if report.control else []
    blocks += _alert_blocks(report, stations)
    blocks += [Alert("CHANGED", f"the counts of the {d.tier}: {d.sentence}") for d in report.drift if d.drifted]
    if report.drift:
        names = ("index", "level", "missing", "missing_before", "appeared", "vanished")
        heads = ("stations", "index of the day's hours", "level", "missing", "missing before", "appeared", "vanished")
        rows: list[Row] = [(d.tier, *(_number(d.figures.get(name)) for name in names)) for d in report.drift]
        blocks.append(Table(heads, rows, title="Counts of the last week against the weeks before", lines=()))
    blocks += [f"Rewritten after late data: {_name_days(report.late)}."] if report.late else []
    return Document(f"Scores of {len(report.days):,} service days", [*blocks, *([followed] if followed else [])])


def _rest_of_day_table(report: ScoreReport) -> Table:
    """Error of the rest of the day by hours ahead, beside that of the weekday mean."""
    names = ("wape", "wape_weekday_mean", "coverage_90")
    rows: list[Row] = [
        (row["hours_ahead"], f"{row['bins']:,}", *(_share(row.get(name)) for name in names))
        for row in report.rest_of_day
    ]
    heads = ("hours ahead", "bins", "WAPE", "of the weekday mean", "inside the band")
    return Table(heads, rows, title="The rest of the day", lines=())


def _score_details(report: ScoreReport) -> list[Block]:
    """Error by tier, model and band, how often truth was below each quantile, and what people changed."""
    groups = [
        (row["tier"], row["model"], row["band"], *(_number(row.get(name)) for name in ("mae_band", "wape", "crps")))
        for row in report.by_group
    ]
    shares = [
        (f"{row['quantile']:.0%}", f"{row['below']:.1%}", f"{row['at_or_below']:.1%}") for row in report.calibration
    ]
    names = ("tier", "model version", "minutes ahead", "MAE", "WAPE", "CRPS/min")
    blocks: list[Block] = [Table(names, groups, left=3, title="Error by minutes ahead", lines=())]
    blocks += (
        [Table(("quantile", "minutes below", "at or below"), shares, title="Calibration", lines=())] if shares else []
    )
    if report.overrides:
        of = report.overrides
        blocks.append(
            f"{of['hours']:,.0f} hours that a person changed: MAE {of['mae_hour']:,.1f} people as published, "
            f"{of['mae_hour_without']:,.1f} without the change."
        )
    return blocks


def _alert_blocks(report: ScoreReport, names: StationTable) -> list[Block]:
    """Threshold of each signal of alerts and why, and what it would have brought in the last weeks."""
    blocks: list[Block] = [f"alerts by {name}: threshold {each['reason']}." for name, each in report.alerts.items()]
    rows: list[Row] = []
    stations: list[Row] = []
    for name, each in report.alerts.items():
        if "outcome" not in each:
            continue
        weeks = max(each["station_weeks"], 1e-9)
        of = each["outcome"]
        per_week = (f"{count / weeks:.2f}" for count in (of["alarms"], of["alarms"] - of["right"], of["missed"]))
        rows.append((name, *per_week, _number(of["lead_minutes"])))
        ordered = sorted(each["stations"], key=lambda row: -(row["alarms"] + row["missed"]))[:MOST_STATIONS]
        stations += [
            (name, names.label(row["station_id"]), row["alarms"], *(_share(row[k]) for k in ("precision", "recall")),
             _number(row["lead_minutes"]))
            for row in ordered
        ]  # fmt: skip
    if rows:
        heads = ("alerts by", "alarms", "false", "missed", "lead, minutes")
        blocks.append(Table(heads, rows, title="Alerts per station and week, by the last weeks"))
        of_station = ("alerts by", "station", "alarms", "precision", "recall", "lead, minutes")
        blocks.append(Table(of_station, stations, left=2, title="Stations with most alarms", lines=()))
    return blocks


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _control_table(tiers: Sequence[TierControl]) -> Table:
    """Moving average of the hourly error per tier, over the usual one, beside its limit."""
    rows: list[Row] = []
    for each in tiers:
        control = each.control
        if control is None:
            rows.append((each.tier, "too little history", each.stations, "", ""))
        else:
            verdict = "OUT OF CONTROL" if control.out else "in control"
            rows.append((each.tier, verdict, each.stations, f"{control.ratio:.2f}", f"{control.limit:.2f}"))
    head = ("stations", "verdict", "number", "error over the usual", "limit")
    return Table(head, rows, left=2, title="Error of the last hours")


def maintain_document(report: MaintainReport) -> Document:
    """Whether files and minute table are intact, and what was compacted and removed."""
    span = f"{report.checked[0]} to {report.checked[-1]}" if report.checked else "none"
    verdict = f"{len(report.mended):,} differed and were replaced" if report.mended else "all agree"
    f = report.files
    counts = (len(f.changed), len(f.lost), len(f.unreadable), len(f.unexpected))
    names = ("files", "new", "read again", "changed", "lost", "unreadable", "not ours")
    blocks: list[Block] = [f"{len(report.checked):,} service days ({span}) folded again from observations: {verdict}."]
    blocks += [f"{day} was folded again and replaced" for day in report.mended]
    blocks.append(Table(names, [(f.files, f.new, f.checked, *counts)], title="Checksums"))
    blocks += [Alert("LOOK", line) for line in report.needs_a_person]
    if report.masked:
        kept = f"{report.masked:,} rejected rows held a secret of their source, which is masked now"
        blocks.append(Alert("WARNING", f"{kept}: replace that secret, as copies of the data root may still hold it"))
    if report.compacted:
        before_after = ("days", "files", "files after", "bytes", "bytes after")
        blocks.append(Table(before_after, [_compaction_row(report.compacted)], title="Compacted"))
    if report.removed:
        removed = [(r.table, r.before, r.days, r.files, r.rows, r.bytes) for r in report.removed]
        sizes = ("table", "before", "days", "files", "rows", "bytes")
        blocks.append(Table(sizes, removed, left=2, title="Removed"))
    return Document("Integrity", [*blocks, f"{report.swept:,} stale temporary files removed."])


def _compaction_row(days: Sequence[Compacted]) -> tuple[str, int, int, int, int]:
    """Days, and their files and bytes before and after."""
    span = days[0].day if len(days) == 1 else f"{len(days)}, {days[0].day} to {days[-1].day}"
    files, bytes_ = sum(d.files_before for d in days), sum(d.bytes_before for d in days)
    return span, files, sum(d.files_after for d in days), bytes_, sum(d.bytes_after for d in days)


def _name_days(days: Sequence[str]) -> str:
    """Service days in a few words."""
    if len(days) > FEW_DAYS:
        return f"{len(days):,} days ({days[0]} to {days[-1]})"
    return ", ".join(days) or "no day"


def _number(value: float | None) -> str:
    """A number with no more decimals than it needs, three at most."""
    return "" if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")
