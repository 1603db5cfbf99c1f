"""Studies of a model's config: the only home of Optuna. A study is kept in a database, and continues."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.contracts import Range, Space
from tasks.errors import ConfigError
from tasks.settings.tree import Settings
from tasks.tracking import runs
from tasks.tracking.uri import tracking_uri

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

STARTUP_TRIALS = 5
HEARTBEAT_SECONDS = 60
"""A running trial without a heartbeat for twice as long belongs to a killed process, and is tried again."""
FINISHED = ("complete", "pruned")
SUFFIX, TAG = "-tune", "nexthour.study"
EPOCH = np.datetime64("1970-01-01T00:00", "ms")
Values = dict[str, Any]
Report = Callable[[int, float], None]
"""Takes the number of a period and the loss so far, after every period but the last; raises where it prunes."""
Objective = Callable[[Values, Report], float]
"""Loss of a config; it reports after every period."""


@dataclass(frozen=True)
class Trial:
    """One config that was tried.

    Attributes:
        number: from 0.
        values: by dotted key.
        loss: of all periods; of those that are done for a pruned trial. None where it failed.
        state: "complete", "pruned" or "fail".
    """

    number: int
    values: Values
    loss: float | None
    state: str


def storage_url(settings: Settings) -> str:
    """Database of studies: the one that MLflow uses, or SQLite under the data root where that is behind a server.

    Raises:
        ConfigError: if neither can be used.
    """
    uri = tracking_uri(settings)
    if "://" in uri and not uri.startswith(("http://", "https://", "databricks", "file:")):
        return uri
    local = settings.model_copy(update={"mlflow": settings.mlflow.model_copy(update={"tracking_uri": None})})
    return tracking_uri(local)


@contextmanager
def open_study(settings: Settings, name: str, seed: int) -> Iterator[optuna.Study]:
    """The study of that name, created if it is not there.

    Raises:
        ConfigError: if Optuna is not installed, or the database cannot be used.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError("tuning needs Optuna: install nexthour[tune]") from None
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with runs.connect(settings):  # creates MLflow's tables first: both keep their revision in a table of the same name
        pass
    url = storage_url(settings)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
            storage = RDBStorage(
                url,
                skip_compatibility_check=True,
                heartbeat_interval=HEARTBEAT_SECONDS,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
            )
            study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
            study.sampler = optuna.samplers.TPESampler(
                n_startup_trials=STARTUP_TRIALS, seed=seed + len(study.get_trials(deepcopy=False))
            )
            study.pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS)
            yield study
    except SQLAlchemyError as error:
        raise ConfigError(f"the database of studies cannot be used: {str(error).partition(chr(10))[0]}") from None


def optimize(
    study: optuna.Study,
    space: Space,
    present: Values,
    objective: Objective,
    trials: int,
    on_trial: Callable[[int], None],
    limit_minutes: int | None = None,
    at_once: int = 1,
) -> None:
    """Try configs until the study has `trials` finished ones, the present one first; pruned by the median.

    Args:
        study: see `open_study`.
        space: what may be tried, by dotted key.
        present: values that are in use.
        objective: gives the loss of some values.
        trials: complete or pruned, in all.
        on_trial: called with the number of finished trials after each.
        limit_minutes: after which no trial starts any more; None for no limit.
        at_once: trials, each in a thread. Of several at once the sampler chooses without knowing the others' losses.
    """
    import optuna
    from optuna.study import MaxTrialsCallback

    def run_trial(trial: optuna.Trial) -> float:
        def report(period: int, loss: float) -> None:
            trial.report(loss, period)
            if trial.should_prune():
                raise optuna.TrialPruned

        return objective({key: _suggest(trial, key, choice) for key, choice in space.items()}, report)

    if not study.get_trials(deepcopy=False):
        study.enqueue_trial({key: value for key, value in present.items() if _contains(space[key], value)})
    states = [optuna.trial.TrialState[name.upper()] for name in FINISHED]
    callbacks = [lambda study, trial: on_trial(len(finished_trials(study))), MaxTrialsCallback(trials, states=states)]
    start = monotonic()
    for count, threads in _rounds(study, trials - len(finished_trials(study)), at_once):
        seconds = 60 * limit_minutes - (monotonic() - start) if limit_minutes else None
        if count > 0 and (seconds is None or seconds > 0):
            study.optimize(run_trial, n_trials=count, n_jobs=threads, timeout=seconds, callbacks=callbacks)


def _rounds(study: optuna.Study, left: int, at_once: int) -> list[tuple[int, int]]:
    """Trials, and how many of them at once; two threads may take the same given config, so those come one by one."""
    import optuna

    if at_once == 1:
        return [(left, 1)]
    optuna.storages.fail_stale_trials(study)
    given = min(left, len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))))
    return [(given, 1), (left - given, at_once)]


def finished_trials(study: optuna.Study) -> list[Trial]:
    """Trials that are complete or were pruned, in their order."""
    trials = (_trial(frozen) for frozen in study.get_trials(deepcopy=False))
    return [trial for trial in trials if trial.state in FINISHED]


def best_trial(study: optuna.Study) -> Trial | None:
    """The complete trial of least loss, None where none is complete."""
    try:
        return _trial(study.best_trial)
    except ValueError:
        return None


def _trial(frozen: optuna.trial.FrozenTrial) -> Trial:
    """A pruned trial has no value: its loss is the last that was reported."""
    loss = frozen.value if frozen.value is not None else frozen.intermediate_values.get(frozen.last_step)
    return Trial(frozen.number, dict(frozen.params), loss, frozen.state.name.lower())


def _suggest(trial: optuna.Trial, key: str, choice: Range | tuple[Any, ...]) -> Any:
    if not isinstance(choice, Range):
        return trial.suggest_categorical(key, choice)
    if isinstance(choice.low, int) and isinstance(choice.high, int):
        return trial.suggest_int(key, choice.low, choice.high, log=choice.log)
    return trial.suggest_float(key, choice.low, choice.high, log=choice.log)


def _contains(choice: Range | tuple[Any, ...], value: Any) -> bool:
    return bool(choice.low <= value <= choice.high) if isinstance(choice, Range) else value in choice


def log_study(
    settings: Settings, name: str, model: str, metric: str, trials: Sequence[Mapping[str, Any]], toml: str
) -> str | None:
    """Log a study in MLflow, in one run however often it continues.

    Args:
        settings: the tree.
        name: of the study.
        model: what was tuned.
        metric: by what.
        trials: `number`, `values`, `loss` and `state` of each.
        toml: the best config.

    Returns:
        The id of the run; None where MLflow does not answer.
    """
    own = {"nexthour.model": model, "mlflow.user": "nexthour", "mlflow.source.name": "nexthour tune"}
    losses = [trial["loss"] for trial in trials if trial["state"] == "complete"]
    try:
        with (
            runs.connect(settings, SUFFIX) as mlflow,
            runs.open_run(mlflow, TAG, name, name, {"mlflow.note.content": f"```toml\n{toml}```", **own}) as run,
        ):
            run.text("best.toml", toml)
            run.metrics({f"best/{metric}": min(losses)} if losses else {}, EPOCH)
            for trial in trials:
                label = f"trial {trial['number']}"
                tags = {**own, "nexthour.state": trial["state"]}
                with runs.open_run(mlflow, TAG, f"{name} {label}", label, tags, run) as child:
                    child.params(trial["values"])
                    child.metrics({metric: trial["loss"]} if trial["loss"] is not None else {}, EPOCH)
            return run.run_id
    except runs.TrackingError as error:
        log.warning("%s; the study is not logged", error)
        return None
