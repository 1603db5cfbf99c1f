"""What a person reads at the end of a backtest or a tuning: Markdown tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports import artifacts

if TYPE_CHECKING:
    from flows.pipelines.tune import TuneReport
    from tasks.backtest.steps import BacktestReport


def backtest_rows(report: BacktestReport, scope: str) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a replay's figures; `scope` is one of the report's."""
    models = report.figures["models"]
    named = {f"{name}, {target}": tree["overall"] for name, of in models.items() for target, tree in of[scope].items()}
    return artifacts.figures_table(scope, named)


def backtest_markdown(report: BacktestReport) -> str:
    """Models side by side on past moments."""
    f = report.figures
    head = (
        f"# {f['origins']:,} origins, {f['first_origin']} to {f['last_origin']}\n\n"
        f"{f['stations']:,} stations; forecasts in `{report.forecasts}`, figures in `{report.report}`.\n"
    )
    return "\n".join(
        [head, *(artifacts.table(*backtest_rows(report, s)) for s in report.scopes), f"\n{artifacts.LEGEND}"]
    )


def tune_markdown(report: TuneReport) -> str:
    """The best config to paste, and the trials, best first."""
    ordered = sorted(report.trials, key=lambda t: (t.state != "complete", t.loss is None, t.loss))
    keys = list(report.best.values)
    rows = [(str(t.number), t.state, _text(t.loss), *(_text(t.values.get(k)) for k in keys)) for t in ordered]
    head = (
        f"# {artifacts.plain(report.model)}: {report.metric} {_text(report.best.loss)} of {len(report.trials)} trials\n"
    )
    return "\n".join(
        [head, f"```toml\n{report.toml}```\n", artifacts.table(("trial", "state", report.metric, *keys), rows, left=2)]
    )


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
