"""What a person reads at the end of a flow run: Markdown tables and a picture."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.errors import visible

if TYPE_CHECKING:
    from flows.pipelines.loop import ForecastReport, IngestReport
    from tasks.features.steps import LagReport
    from tasks.maintain.steps import Compacted, MaintainReport
    from tasks.model.steps import RetrainReport
    from tasks.quality.steps import QualityResult
    from tasks.score.steps import ScoreReport


FEW_DAYS = 3


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """A Markdown table, the first `left` columns to the left, the others to the right."""
    head = f"| {' | '.join(columns)} |\n|{'---|' * left + '---:|' * (len(columns) - left)}\n"
    return head + "".join(f"| {' | '.join(_cell(c) for c in row)} |\n" for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else plain(str(value))


def plain(text: str) -> str:
    """Text as Markdown that shows just that: no markup, no HTML, one line."""
    shown = html.escape(visible(text), quote=False)
    return re.sub(r"([\\`*\[\]|])", r"\\\1", shown)


def code(text: str) -> str:
    """Text as Markdown code, whatever backticks it has."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[:1] in ("", "`", " ") or text.endswith("`") else ""
    return f"{fence}{pad}{visible(text)}{pad}{fence}"


def embed_picture(png: bytes, title: str) -> str:
    """A picture inside Markdown, without a file beside it."""
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"


def ingest_markdown(report: IngestReport) -> str:
    """What came in and what was refused, by source."""
    rows = [(s.source, s.rows, s.rejected, s.first_minute, s.last_minute, len(s.days)) for s in report.sources]
    parts = ["# Ingest\n", table(("source", "rows landed", "refused", "first minute", "last minute", "days"), rows)]
    reasons = [(s.source, reason, count) for s in report.sources for reason, count in s.reasons.items()]
    if reasons:
        parts += ["\n## Refused, and why\n", table(("source", "reason", "rows"), reasons)]
        parts += [f"\n- {code(example)}" for s in report.sources for example in s.examples]
    parts += [f"\n- **{plain(w)}**" for s in report.sources for w in (*s.warnings, *s.failures)]
    parts += [f"\n- **{plain(failure)}**" for failure in report.failures]
    parts += [f"\n- {plain(line)}" for line in late_lines(report)]
    return "\n".join([*parts, quality_markdown(report.quality)] if report.quality else parts)


STATUS = {"warning": "⚠ warning", "not_run": "not run", "ok": "ok"}


def quality_markdown(results: Sequence[QualityResult]) -> str:
    """Every result of the checks, warnings first."""
    ordered = sorted(results, key=lambda r: list(STATUS).index(r.status))
    rows = [
        (r.check, STATUS[r.status], r.sentence, _number(r.observed), _number(r.limit), (r.since or "")[:16])
        for r in ordered
    ]
    total = sum({r.check: r.total for r in results}.values())
    shown = sum(r.status == "warning" for r in results)
    more = f", the worst {shown:,} below" if total > shown else ""
    head = f"\n## Quality: {total:,} warning{'s' * (total != 1)}{more}\n"
    return "\n".join([head, table(("check", "result", "finding", "observed", "limit", "since (UTC)"), rows, left=3)])


def _number(value: float | None) -> str:
    """A number with no more decimals than it needs, three at most."""
    return "" if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")


def late_lines(report: IngestReport) -> list[str]:
    """What late data touched, a line a source of which it touched anything."""
    return [
        f"{s.source}: late data of {_days(s.late.days)} touched the lags of {_days(s.late.lag_days)}, forecasts of "
        f"{_days(s.late.forecast_days)} and scores of {_days(s.late.score_days)}; lags and scores are made anew when "
        "features and score next run"
        for s in report.sources
        if s.late.lag_days or s.late.forecast_days or s.late.score_days
    ]


def _days(days: Sequence[str]) -> str:
    """Service days in a few words."""
    if len(days) > FEW_DAYS:
        return f"{len(days):,} days ({days[0]} to {days[-1]})"
    return ", ".join(days) or "no day"


def forecast_markdown(report: ForecastReport, picture: str = "") -> str:
    """The next hour as a table and a picture."""
    s = report.issue.summary
    head = f"# {plain(s['network'])}, {s['origin_local'][:16].replace('T', ' ')} to {s['end_local'][11:16]}\n"
    state = f"**Degraded:** {plain(s['degraded_reason'])}" if s["degraded_reason"] else "All is well."
    who = f"version {s['model_version']}" if s["model_version"].isdecimal() else f"`{s['model_version']}`"
    totals = ", ".join(f"**{count:,.0f}** {target}" for target, count in s["totals"].items())
    targets = list(s["totals"])
    rows = [(b["station_id"], *(b[t] for t in targets)) for b in s["busiest"]]
    parts = [
        head,
        f"{totals} expected in the hour at {s['stations']:,} stations, by {who}. {state}\n",
        table(("busiest stations", *(f"{t}, people in the hour" for t in targets)), rows),
        picture,
        table(("published to", "where"), report.published.items()),
    ]
    return "\n".join([*parts, *(f"- **FAILED** {plain(failure)}" for failure in report.failures)])


def lag_markdown(report: LagReport) -> str:
    """How full the lags are."""
    head = (
        f"# Lag table\n\n{report.rows:,} rows of {report.start_day} to {report.end_day} "
        f"in {report.files} files under `{report.place}`.\n"
    )
    rows = [(f"{week} weeks before", f"{share:.1%}") for week, share in report.valid_share.items()]
    late = f"\nMade anew after late data: {_days(report.late)}." if report.late else ""
    return head + "\n" + table(("lag", "share of values observed"), rows) + late


FIGURES = ("rmse_hour", "mae_hour", "wape", "bias", "poisson_deviance", "coverage_80", "coverage_90", "skill")
SHARES = ("wape", "bias", "coverage_80", "coverage_90", "skill")
HEADINGS = {
    "rmse_hour": "RMSE/h",
    "mae_hour": "MAE/h",
    "wape": "WAPE",
    "bias": "bias",
    "poisson_deviance": "deviance/min",
    "coverage_80": "in 80 %",
    "coverage_90": "in 90 %",
    "skill": "skill",
}


LEGEND = (
    "RMSE/h, MAE/h: error of a station's hour, in people. WAPE, bias: shares of the people counted. deviance/min: "
    "Poisson deviance a minute. in 80 %, in 90 %: share of minutes inside that interval. skill: absolute error of the "
    "hour saved over repeating last week."
)


def figures_table(first: str, named: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of error figures, one row a name; figures that nobody has are left out.

    Args:
        first: heading of the names.
        named: name -> figure -> value, as `tasks.metrics.figures` gives them.
    """
    shown = [f for f in FIGURES if any(f in figures for figures in named.values())]
    rows = [[name, *(_figure(f, figures.get(f)) for f in shown)] for name, figures in named.items()]
    return [first, *(HEADINGS[f] for f in shown)], rows


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if name in SHARES else f"{value:,.3f}" if name == "poisson_deviance" else f"{value:,.2f}"


def retrain_markdown(report: RetrainReport) -> str:
    """The verdict, and challenger against champion and baselines."""
    verdict = "promoted" if report.promoted else "not promoted"
    head = f"# Version {report.version}: {verdict}\n\n{report.reason}\n"
    run = f"run `{report.run_id}`" if report.run_id else "no run"
    columns, rows = figures_table("on held-out days", {str(row["model"]): row for row in report.metrics})
    warnings = "\n".join(f"- **{plain(warning)}**" for warning in report.warnings)
    where = f"\nMLflow: {run} at `{report.tracking_uri}`; bundle in `{report.bundle}`."
    return "\n".join([head, table(columns, rows), f"\n{LEGEND}\n", report.decision, warnings, where])


def score_markdown(report: ScoreReport, followed: str | None) -> str:
    """How the live forecasts did."""
    head = (
        f"# Scores of {len(report.days)} service days\n\n{report.origins:,} forecasts scored, "
        f"{report.pending:,} whose hour is not over, {report.unobserved:,} whose truth is not there.\n"
    )
    named = {"all stations": report.metrics, "network total": report.network, "its own forecast": report.total}
    parts = [head, table(*figures_table("scope", {k: v for k, v in named.items() if v}))]
    parts.append(table(*figures_table("target", report.by_target)) if report.by_target else "")
    parts.append(table(*figures_table("model version", report.by_model)) if report.by_model else "")
    late = f"\nMade anew after late data: {_days(report.late)}." if report.late else ""
    return "\n".join([*parts, f"\n{LEGEND}", late, f"\n{followed}" if followed else ""])


def maintain_markdown(report: MaintainReport) -> str:
    """Whether the tables agree, and what was done to keep them small."""
    verdict = f"**{len(report.mended)} differed and were folded anew**" if report.mended else "all agree"
    span = f"{report.checked[0]} to {report.checked[-1]}" if report.checked else "none"
    lines = [f"# Integrity\n\n{len(report.checked)} service days ({span}) held against their observations: {verdict}."]
    lines += [f"- {day} was folded anew" for day in report.mended]
    f = report.files
    counts = (len(f.changed), len(f.lost), len(f.unreadable), len(f.unexpected))
    columns = ("files", "new", "read again", "changed", "lost", "unreadable", "not ours")
    lines += ["\n## Checksums\n", table(columns, [(f.files, f.new, f.checked, *counts)])]
    lines += [f"- **{line}**" for line in report.needs_a_person]
    if report.compacted:
        before_after = ("days", "files", "files after", "bytes", "bytes after")
        lines += ["\n## Compacted\n", table(before_after, [_compaction_row(report.compacted)])]
    if report.removed:
        gone = [(r.table, r.before, r.days, r.files, r.rows, r.bytes) for r in report.removed]
        lines += ["\n## Removed\n", table(("table", "before", "days", "files", "rows", "bytes"), gone)]
    return "\n".join([*lines, f"\n{report.swept} stale temporary files swept."])


def _compaction_row(days: Sequence[Compacted]) -> tuple[str, int, int, int, int]:
    """Days, and their files and bytes before and after."""
    span = days[0].day if len(days) == 1 else f"{len(days)}, {days[0].day} to {days[-1].day}"
    files, bytes_ = sum(d.files_before for d in days), sum(d.bytes_before for d in days)
    return span, files, sum(d.files_after for d in days), bytes_, sum(d.bytes_after for d in days)
