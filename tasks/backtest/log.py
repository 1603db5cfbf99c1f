"""A replay in MLflow: a run with its report and pictures, and beneath it one run per model with figures to chart.

Metric names are a contract. Of the run: `<scope>/<model>.<figure>`, of scope "stations", "network" or "total". Of those
beneath: `<scope>/<figure>`; `spread/<scope>.<figure>` over seeds; `horizon/<figure>`, step: last minute of the band;
`width/<figure>`, step: minutes summed; `hour/<figure>`, step: local hour of the origin; `day/<figure>`, step: number of
the service day.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.backtest.plots import pictures
from tasks.backtest.replay import BacktestReport
from tasks.backtest.report import scopes
from tasks.settings.tree import Settings
from tasks.tracking import provenance, runs
from tasks.tracking.run import Run

log = logging.getLogger(__name__)

SUFFIX, TAG = "-backtest", "nexthour.backtest_id"
COLUMNS = ("rmse_hour", "mae_hour", "wape", "bias", "peak_wape", "poisson_deviance", "pinball", "crps", "coverage_50",
           "coverage_80", "coverage_90", "peak_precision", "peak_recall", "mase", "rmsse", "noise_share",
           "headroom_taken")  # fmt: skip
HEADINGS = ("RMSE/h", "MAE/h", "WAPE", "bias", "peak WAPE", "deviance/min", "pinball", "CRPS", "in 50%", "in 80%",
            "in 90%", "peaks right", "peaks found", "MASE", "RMSSE", "noise", "headroom")  # fmt: skip
SHARES = {"wape", "bias", "peak_wape", "coverage_50", "coverage_80", "coverage_90", "peak_precision", "peak_recall",
          "noise_share", "headroom_taken"}  # fmt: skip


def log_backtest(settings: Settings, report: BacktestReport, plots: bool = True) -> str | None:
    """Log a replay, once however often it is called; returns the id of its run, None where MLflow does not answer."""
    figures = report.figures
    reported = {name: value for name, value in figures.items() if name != "timing"}
    identity = hashlib.sha256(json.dumps(reported, sort_keys=True).encode()).hexdigest()[:16]
    first, last = figures["first_origin"][:10], figures["last_origin"][:10]
    tags = {
        "mlflow.note.content": describe_replay(figures),
        "mlflow.user": "nexthour",
        "mlflow.source.name": "nexthour backtest",
    }
    try:
        with (
            runs.connect(settings, SUFFIX) as mlflow,
            runs.open_run(mlflow, TAG, identity, f"{first} to {last}", tags) as run,
        ):
            run.params(_params(settings, figures))
            run.metrics(overall_metrics(figures), np.datetime64(figures["last_origin"].removesuffix("Z"), "m"))
            run.text("report.json", Path(report.report).read_text(encoding="utf-8"))
            run.json("config.json", provenance.settings_tree(settings))
            for name, of in figures["models"].items():
                own = {"nexthour.model": name, "mlflow.user": "nexthour", "mlflow.source.name": "nexthour backtest"}
                with runs.open_run(mlflow, TAG, f"{identity}-{name}", name, own, run) as child:
                    _log_model(child, settings, figures, name, of)
            for name, figure in pictures(figures) if plots else ():
                run.figure(f"plots/{name}.png", figure)
            return run.run_id
    except runs.TrackingError as error:
        log.warning("%s; the backtest is not logged", error)
        return None


def describe_replay(figures: Mapping[str, Any]) -> str:
    """Description of the run: a table of stations and one of the network, one row per model, best first."""
    parts = []
    for scope, what in (("stations", "A station's hour"), ("network", "The network's hour")):
        rows = {name: of[scope]["all"]["overall"] for name, of in figures["models"].items()}
        shown = [c for c in COLUMNS if any(c in row for row in rows.values())]
        heads = dict(zip(COLUMNS, HEADINGS, strict=True))
        lines = [f"**{what}**", "", "| model | " + " | ".join(heads[c] for c in shown) + " |"]
        lines.append("|---|" + "---:|" * len(shown))
        for name in sorted(rows, key=lambda n: rows[n].get("rmse_hour", np.inf)):
            lines.append(f"| {name} | " + " | ".join(_format_figure(c, rows[name].get(c)) for c in shown) + " |")
        parts.append("\n".join(lines).replace(" |", "&ensp; |"))
    legend = (
        "MASE, RMSSE: error over that of repeating last week. Noise: share of the squared error, what chance alone "
        "(Poisson) would make; headroom: share of the rest of the best baseline's that is saved. Peaks: hours above "
        "90 % of the station's hours of the four weeks before."
    )
    return "\n\n&nbsp;\n\n".join([*parts, legend]) + "\n"


def overall_metrics(figures: Mapping[str, Any]) -> dict[str, float]:
    """Overall figures of every model by `<scope>/<model>.<figure>`."""
    return {
        f"{scope}/{name}.{figure}": of[scope]["all"]["overall"][figure]
        for scope in scopes(figures)
        for name, of in figures["models"].items()
        for figure in COLUMNS
        if figure in of[scope]["all"]["overall"]
    }


def _log_model(run: Run, settings: Settings, figures: Mapping[str, Any], name: str, of: Mapping[str, Any]) -> None:
    at = np.datetime64(str(figures["last_origin"]).removesuffix("Z"), "m")
    run.params({"model": name, **_params(settings, figures), **_config(settings, name)})
    for scope in scopes(figures):
        run.metrics({f"{scope}/{k}": v for k, v in of[scope]["all"]["overall"].items()}, at)
        spread = of["spread"][scope]["all"]["overall"] if "spread" in of else {}
        run.metrics({f"spread/{scope}.{k}": v for k, v in spread.items()}, at)
    tree = of["stations"]["all"]
    _series(run, "horizon", list(tree["by_band"].values())[:-1], [int(b.split("-")[1]) for b in tree["by_band"]], at)
    _series(run, "width", list(tree["by_width"].values()), [int(w) for w in tree["by_width"]], at)
    _series(run, "hour", list(tree["by_hour_of_day"].values()), [int(h) for h in tree["by_hour_of_day"]], at)
    days = [int(np.datetime64(day, "D").astype(np.int64)) for day in tree["by_day"]]
    _series(run, "day", list(tree["by_day"].values()), [day - min(days) for day in days], at)


def _series(
    run: Run, section: str, rows: Sequence[Mapping[str, float]], steps: Sequence[int], at: np.datetime64
) -> None:
    for name in dict.fromkeys(name for row in rows for name in row if name not in ("spans", "minutes")):
        run.series({f"{section}/{name}": [row.get(name, np.nan) for row in rows]}, at, steps)


def _params(settings: Settings, figures: Mapping[str, Any]) -> dict[str, Any]:
    names = ("first_origin", "last_origin", "origins", "stations", "interval_minutes", "retrain_every_minutes", "seeds")
    retrain = provenance.flatten({"retrain": settings.retrain.model_dump(mode="json")})
    return {"network": settings.network.name, **{name: figures[name] for name in names}, **retrain}


def _config(settings: Settings, name: str) -> dict[str, str]:
    return provenance.flatten({"config": settings.models.get(name, {})})


def _format_figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if name in SHARES else f"{value:.2f}" if name.endswith("hour") else f"{value:.3f}"
