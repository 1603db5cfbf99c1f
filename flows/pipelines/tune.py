"""Tuning: a study that tries configs of an architecture, each by a backtest. Free of Prefect."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, get_args

import tomli_w

from flows.pipelines.backtest import ReplaySpan, load_history, plan_replay
from flows.pipelines.workers import LaneMaker, WorkerContext, open_lanes
from tasks.backtest.steps import (
    PARTS,
    ReplayOptions,
    Report,
    Trial,
    Values,
    best_trial,
    finished_trials,
    lock_parts,
    log_study,
    loss_so_far,
    open_study,
    optimize,
)
from tasks.contracts import Progress
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

if TYPE_CHECKING:
    from tasks.features.steps import PastFeatures

Metric = Literal["rmsse", "mase", "rmse_hour", "mae_hour", "poisson_deviance", "pinball"]
METRICS = get_args(Metric)


@dataclass(frozen=True)
class TuneReport:
    """Result of a study.

    Attributes:
        study: its name in the database.
        model, metric: the architecture, and the figure that is minimised.
        trials: all that are complete or pruned.
        best: the complete one of least loss.
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


def run_tuning(
    settings: Settings,
    model: str,
    span: ReplaySpan,
    trials: int,
    metric: str,
    out: Path,
    *,
    limit_minutes: int | None = None,
    progress: Progress | None = None,
) -> TuneReport:
    """Try configs of an architecture, each by a backtest of the span, and write the best as `out/best.toml`.

    The study is named by all that its losses depend on: the same command continues where it stopped.

    Args:
        settings: the tree; its config of the model is the first trial.
        model: architecture that declares a space.
        span: of the backtest; a trial worse than the median is pruned after a period of `retrain_every`.
        trials: in all, those of earlier commands included.
        metric: one of `METRICS`, of every station's hour.
        out: folder.
        limit_minutes: after which no trial starts any more; None for no limit.
        progress: called with the number of trials that are done.

    Raises:
        ConfigError: if there is nothing to tune, the metric is unknown, Optuna is not installed, or another study
            writes to `out`.
        HistoryError: if there is too little history.
    """
    from tasks.model.steps import full_config, tuning_space

    if metric not in METRICS:
        raise ConfigError(f"--metric {metric!r} is unknown: it may be {', '.join(METRICS)}")
    space = tuning_space(model)
    context = StudyContext(settings, model, replace(span, models=(model,), seeds=span.seeds[:1]), metric, out / PARTS)

    def on_trial(done: int) -> None:
        if progress:
            progress("trials", done, trials)

    with (
        lock_parts(context.parts),
        open_study(settings, context.name, settings.retrain.seed) as study,
        open_lanes(settings.runner, context.past, context.parts) as (at_once, lane),
    ):
        present, objective = _select(full_config(settings, model), space), partial(context.loss, lane)
        optimize(study, space, present, objective, trials, on_trial, limit_minutes, at_once)
        finished, best = tuple(finished_trials(study)), best_trial(study)
    if best is None:
        raise ConfigError(f"no trial of {model} was complete: give more trials or minutes")
    toml = tomli_w.dumps({"models": {model: _merge(best.values, settings.models.get(model, {}))}})
    (out / "best.toml").write_text(toml, encoding="utf-8")
    run_id = log_study(settings, context.name, model, metric, [asdict(trial) for trial in finished], toml)
    return TuneReport(context.name, model, metric, finished, best, toml, run_id)


@dataclass(frozen=True)
class StudyContext:
    """What all trials of a study share. The past is loaded once."""

    settings: Settings
    model: str
    span: ReplaySpan
    metric: str
    parts: Path

    @cached_property
    def past(self) -> PastFeatures:
        """The past on which every trial is replayed."""
        return load_history(self.settings, self.span)

    @cached_property
    def name(self) -> str:
        """Name of the study: the model, and a digest of everything but its config that the losses depend on."""
        plan = plan_replay(self.settings.model_copy(update={"models": {}}), self.span, self.past)
        keys = [job.key for lane in plan.lanes().values() for job in lane]
        digest = hashlib.sha256(json.dumps([keys, self.metric]).encode()).hexdigest()[:12]
        return f"{self.settings.network.name}: {self.model} {digest}"

    def loss(self, lane: LaneMaker, values: Values, report: Report) -> float:
        """Loss of a config over all periods; reported after each, which ends a trial that is pruned."""
        config = _merge(values, self.settings.models.get(self.model, {}))
        settings = self.settings.model_copy(update={"models": {**self.settings.models, self.model: config}})
        plan = plan_replay(settings, self.span, self.past)
        [jobs] = plan.lanes().values()
        with TemporaryDirectory(dir=self.parts, prefix="trial-") as place:  # another trial may have the same values
            parts = Path(place)
            run = lane(WorkerContext(settings, self.past, ReplayOptions(parts, plan.bands)))
            for number, job in enumerate(jobs):
                run([job], lambda job, origins: None)
                loss = loss_so_far(jobs[: number + 1], parts, self.metric)
                if number + 1 < len(jobs):
                    report(number, loss)
            return loss


def _select(config: Mapping[str, Any], keys: Iterable[str]) -> Values:
    """Values of a config at dotted keys."""
    values = {}
    for key in keys:
        value: Any = config
        for part in key.split("."):
            value = value[part]
        values[key] = value
    return values


def _merge(values: Values, config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a config with the values at their dotted keys."""
    tree: dict[str, Any] = json.loads(json.dumps(config))
    for key, value in values.items():
        *path, last = key.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return tree
