"""Tuning, composed of steps: a study of an architecture's config whose loss is that of a backtest. Free of Prefect."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from flows.pipelines import backtest
from flows.pipelines.backtest import Span
from flows.pipelines.workers import Bench
from tasks.backtest.study import Report, Trial, Values, best, finished, open_study, optimize
from tasks.contracts import Progress
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

METRICS = ("rmsse", "mase", "rmse_hour", "mae_hour", "poisson_deviance", "pinball")


@dataclass(frozen=True)
class TuneReport:
    """What a study found.

    Attributes:
        study: its name in the database.
        model, metric: what was tuned, by what.
        trials: all that are done.
        best: the one of least loss.
        toml: its config, to be pasted into the configuration.
        run_id: of MLflow; None where it does not answer.
    """

    study: str
    model: str
    metric: str
    trials: tuple[Trial, ...]
    best: Trial
    toml: str
    run_id: str | None


def tune(
    settings: Settings, model: str, span: Span, trials: int, metric: str, out: Path, progress: Progress | None = None
) -> TuneReport:
    """Try configs of an architecture, each by a backtest of the span, and write the best as `out/best.toml`.

    The study is named by all that its losses depend on: the same command goes on where it stopped.

    Args:
        settings: the tree; its config of the model is the first trial.
        model: architecture that declares a space.
        span: of the backtest; its periods, by `retrain_every`, are what a hopeless trial is given up after.
        trials: in all, those of earlier commands among them.
        metric: one of `METRICS`, of every station's hour.
        out: folder.
        progress: told how many trials are done.

    Raises:
        ConfigError: if there is nothing to tune, the metric is unknown, Optuna is not installed, or another study
            writes to `out`.
        HistoryError: if there is too little history.
    """
    from tasks.backtest.folder import owned
    from tasks.backtest.part import PARTS
    from tasks.backtest.steps import log_study
    from tasks.model import architectures
    from tasks.model.steps import settled

    if metric not in METRICS:
        raise ConfigError(f"--metric {metric!r} is unknown: it may be {', '.join(METRICS)}")
    space = architectures.space(model)
    span = replace(span, models=(model,), seeds=span.seeds[:1])
    scene = _Scene(settings, model, span, metric, out)
    name = scene.name()
    with owned(out / PARTS), open_study(settings, name, settings.retrain.seed) as study:
        present = _pick(settled(settings, model), space)
        optimize(study, space, present, scene.loss, trials, lambda done: _tell(progress, done, trials))
        done, winner = tuple(finished(study)), best(study)
    if winner is None:
        raise ConfigError(f"no trial of {model} was complete: give more --trials")
    toml = tomli_w.dumps({"models": {model: _nested(winner.values, settings.models.get(model, {}))}})
    out.mkdir(parents=True, exist_ok=True)
    (out / "best.toml").write_text(toml, encoding="utf-8")
    run_id = log_study(settings, name, model, metric, [asdict(trial) for trial in done], toml)
    return TuneReport(name, model, metric, done, winner, toml, run_id)


class _Scene:
    """The past that every trial is replayed on, loaded once."""

    def __init__(self, settings: Settings, model: str, span: Span, metric: str, out: Path) -> None:
        self.settings, self.model, self.span, self.metric, self.out = settings, model, span, metric, out
        self.past = backtest.load(settings, span)

    def name(self) -> str:
        """Name of the study: the model, and a digest of what losses depend on besides its config."""
        bare = self.settings.model_copy(update={"models": {}})
        plan = backtest.planned(bare, self.span, self.past)
        keys = [job.key for lane in plan.lanes().values() for job in lane]
        told = json.dumps([keys, self.metric])
        return f"{self.settings.network.name}: {self.model} {hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def loss(self, values: Values, report: Report) -> float:
        """Loss of a config over all periods so far; ends with the period after which it is given up."""
        from tasks.backtest.part import PARTS, How, in_turn
        from tasks.backtest.replay import loss_so_far

        config = _nested(values, self.settings.models.get(self.model, {}))
        models = {**self.settings.models, self.model: config}
        settings = self.settings.model_copy(update={"models": models})
        plan = backtest.planned(settings, self.span, self.past)
        bench = Bench(settings, self.past, How(self.out / PARTS, plan.bands))
        [lane] = plan.lanes().values()
        run = in_turn(self.past, bench.maker, bench.how)
        try:
            for number, job in enumerate(lane):
                run([job], lambda job, done: None)
                loss = loss_so_far(lane[: number + 1], bench.how.parts, self.metric)
                if number + 1 < len(lane) and report(number, loss):
                    break
            return loss
        finally:
            for job in lane:
                shutil.rmtree(bench.how.parts / job.key, ignore_errors=True)


def _pick(config: Mapping[str, Any], space: Mapping[str, Any]) -> Values:
    """Values of a config at the dotted keys of a space."""
    values = {}
    for key in space:
        value: Any = config
        for part in key.split("."):
            value = value[part]
        values[key] = value
    return values


def _nested(values: Values, config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with other values at dotted keys."""
    tree: dict[str, Any] = json.loads(json.dumps(config))
    for key, value in values.items():
        *path, last = key.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return tree


def _tell(progress: Progress | None, done: int, trials: int) -> None:
    if progress:
        progress("trials", done, trials)
