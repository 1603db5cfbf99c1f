"""Reports of backtests and studies; see `document` for how they are rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.document import Block, Document, Table, Toml
from flows.reports.figures import figures_table, legend

if TYPE_CHECKING:
    from flows.pipelines.tune import TuneReport
    from tasks.backtest.steps import BacktestReport


def backtest_document(report: BacktestReport) -> Document:
    """Models side by side on past moments, one table per scope."""
    f = report.figures
    blocks: list[Block] = [
        f"{f['stations']:,} stations; forecasts in {report.forecasts}, figures in {report.report}.",
        *(figures_table(scope, _scope_figures(report, scope)) for scope in report.scopes),
        figures_table("tier", _tiers(report)),
        legend(*(_scope_figures(report, scope) for scope in report.scopes)),
    ]
    blocks += [f"MLflow: run {report.run_id}"] if report.run_id else []
    return Document(f"{f['origins']:,} origins, {f['first_origin']} to {f['last_origin']}", blocks)


def _scope_figures(report: BacktestReport, scope: str) -> dict[str, dict[str, float]]:
    """Figures of every model and target in a scope."""
    models = report.figures["models"]
    return {f"{name}, {target}": tree["overall"] for name, of in models.items() for target, tree in of[scope].items()}


def _tiers(report: BacktestReport) -> dict[str, dict[str, float]]:
    """Figures of every tier of stations and model, all targets."""
    models = report.figures["models"]
    trees = {name: of["stations"]["all"]["by_tier"] for name, of in models.items()}
    first = next(iter(trees.values()))
    return {
        f"{tier}, {name}": {"rmse_hour": of[tier]["rmse"], "mae_hour": of[tier]["mae"], **of[tier]}
        for tier in first
        for name, of in trees.items()
        if "rmse" in of[tier]
    }


def tune_document(report: TuneReport) -> Document:
    """The best config to be pasted, and all trials, the best first."""
    ordered = sorted(report.trials, key=lambda t: (t.state != "complete", t.loss is None, t.loss))
    keys = list(report.best.values)
    rows = [(t.number, t.state, _text(t.loss), *(_text(t.values.get(k)) for k in keys)) for t in ordered]
    pruned = sum(trial.state == "pruned" for trial in report.trials)
    title = f"{report.model}: {report.metric} {_text(report.best.loss)}, the best of {len(report.trials):,} trials"
    table = Table(("trial", "state", report.metric, *keys), rows, left=2, lines=())
    return Document(title, [f"{pruned:,} trials pruned.", Toml(report.toml), table])


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
