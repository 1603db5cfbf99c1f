"""What a person reads at the end of a flow run: Markdown tables and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.compose import ForecastReport, IngestReport
    from tasks.features.steps import LagReport
    from tasks.maintain.steps import MaintainReport


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, the first column to the left, the others to the right."""
    head = f"| {' | '.join(columns)} |\n|{'---|' + '---:|' * (len(columns) - 1)}\n"
    return head + "".join(f"| {' | '.join(_cell(c) for c in row)} |\n" for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def ingest_markdown(report: IngestReport) -> str:
    """What came in and what was refused, by source."""
    rows = [(s.source, s.rows, s.rejected, s.first_minute, s.last_minute, len(s.days)) for s in report.sources]
    parts = ["# Ingest\n", table(("source", "rows landed", "refused", "first minute", "last minute", "days"), rows)]
    reasons = [(s.source, reason, count) for s in report.sources for reason, count in s.reasons.items()]
    if reasons:
        parts += ["\n## Refused, and why\n", table(("source", "reason", "rows"), reasons)]
        parts += [f"\n- `{example}`" for s in report.sources for example in s.examples]
    parts += [f"\n- **{w}**" for s in report.sources for w in (*s.warnings, *s.failures)]
    parts += [f"\n- **{failure}**" for failure in report.failures]
    return "\n".join(parts)


def forecast_markdown(report: ForecastReport, picture: str = "") -> str:
    """The next hour as a table and a picture."""
    s = report.issue.summary
    head = f"# {s['network']}: {s['origin_local']} to {s['end_local']}\n"
    state = f"**Degraded:** {s['degraded_reason']}" if s["degraded_reason"] else "All is well."
    totals = ", ".join(f"**{count:,.0f}** {target}" for target, count in s["totals"].items())
    targets = list(s["totals"])
    rows = [(b["station_id"], *(b[t] for t in targets)) for b in s["busiest"]]
    parts = [
        head,
        f"{totals} expected in the hour at {s['stations']:,} stations, by `{s['model_version']}`. {state}\n",
        table(("busiest stations", *(f"{t}, people in the hour" for t in targets)), rows),
        picture,
        table(("published to", "where"), report.published.items()),
    ]
    return "\n".join([*parts, *(f"- **FAILED** {failure}" for failure in report.failures)])


def lag_markdown(report: LagReport) -> str:
    """How full the lags are."""
    head = (
        f"# Lag table\n\n{report.rows:,} rows of {report.start_day} to {report.end_day} "
        f"in {report.files} files under `{report.place}`.\n"
    )
    rows = [(f"{week} weeks before", f"{share:.1%}") for week, share in report.valid_share.items()]
    return head + "\n" + table(("lag", "share of values observed"), rows)


def maintain_markdown(report: MaintainReport) -> str:
    """Whether the tables agree."""
    verdict = f"**{len(report.mended)} differed and were folded anew**" if report.mended else "all agree"
    span = f"{report.checked[0]} to {report.checked[-1]}" if report.checked else "none"
    lines = [f"# Integrity\n\n{len(report.checked)} service days ({span}) held against their observations: {verdict}."]
    lines += [f"- {day} was folded anew" for day in report.mended]
    return "\n".join([*lines, f"\n{report.swept} stale temporary files swept."])
