"""Studies of a model's config: the only home of Optuna. A study outlives its process and goes on where it stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import ConfigError
from tasks.settings.tree import Settings
from tasks.tracking import runs

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

STARTUP_TRIALS = 5
SUFFIX, TAG = "-tune", "nexthour.study"
EPOCH = np.datetime64("1970-01-01T00:00", "ms")
Values = dict[str, Any]
Report = Callable[[int, float], bool]
"""Told of the loss after so many periods, all but the last; says whether to give the trial up."""


@dataclass(frozen=True)
class Trial:
    """One config that was tried.

    Attributes:
        number: from 0.
        values: by dotted key.
        loss: of all periods; of those done for a trial that was given up. None where it failed.
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
    uri = runs.tracking_uri(settings)
    if "://" in uri and not uri.startswith(("http://", "https://", "databricks", "file:")):
        return uri
    local = settings.model_copy(update={"mlflow": settings.mlflow.model_copy(update={"tracking_uri": None})})
    return runs.tracking_uri(local)


@contextmanager
def open_study(settings: Settings, name: str, seed: int) -> Iterator[optuna.Study]:
    """The study of that name, made if it is not there; trials that a killed process left open have failed.

    Raises:
        ConfigError: if Optuna is not installed, or the database cannot be used.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError("tuning needs Optuna: install nexthour[tune]") from None
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with runs.connect(settings):  # makes MLflow's tables first: both keep a revision in a table of one name
        pass
    url = storage_url(settings)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    try:
        storage = RDBStorage(url, skip_compatibility_check=True)
        study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS, seed=seed + len(study.get_trials(deepcopy=False))
        )
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS)
        yield study
    except SQLAlchemyError as error:
        raise ConfigError(f"the database of studies refused: {str(error).partition(chr(10))[0]}") from None


def optimize(
    study: optuna.Study,
    space: Mapping[str, Any],
    present: Values,
    loss: Callable[[Values, Report], float],
    trials: int,
    told: Callable[[int], None],
) -> None:
    """Try configs until so many are done, the present one first; a trial worse than the median is given up.

    Args:
        study: see `open_study`.
        space: dotted key -> (low, high, log) or choices.
        present: values that are in use.
        loss: of some values; tells the loss after every period, and ends early when told to.
        trials: complete or given up, in all.
        told: how many are done.
    """
    import optuna

    def one(trial: optuna.Trial) -> float:
        given_up = False

        def report(period: int, so_far: float) -> bool:
            nonlocal given_up
            trial.report(so_far, period)
            given_up = bool(trial.should_prune())
            return given_up

        answer = loss({key: _suggest(trial, key, choice) for key, choice in space.items()}, report)
        if given_up:
            raise optuna.TrialPruned
        return answer

    if not study.get_trials(deepcopy=False):
        study.enqueue_trial({key: value for key, value in present.items() if _inside(space[key], value)})
    done = len(finished(study))
    while done < trials:
        study.optimize(one, n_trials=1)
        done = len(finished(study))
        told(done)


def finished(study: optuna.Study) -> list[Trial]:
    """Trials that are complete or were given up, in their order."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        state = trial.state.name.lower()
        if state in ("complete", "pruned"):
            last = trial.last_step
            loss = trial.value if trial.value is not None else trial.intermediate_values.get(last)
            rows.append(Trial(trial.number, dict(trial.params), loss, state))
    return rows


def best(study: optuna.Study) -> Trial | None:
    """The trial of least loss, None where none is complete."""
    whole = [trial for trial in finished(study) if trial.state == "complete"]
    return min(whole, key=lambda t: (t.loss is None, t.loss)) if whole else None


def _suggest(trial: optuna.Trial, key: str, choice: Any) -> Any:
    if not hasattr(choice, "low"):
        return trial.suggest_categorical(key, list(choice))
    if isinstance(choice.low, int) and isinstance(choice.high, int):
        return trial.suggest_int(key, choice.low, choice.high, log=choice.log)
    return trial.suggest_float(key, choice.low, choice.high, log=choice.log)


def _inside(choice: Any, value: Any) -> bool:
    return bool(choice.low <= value <= choice.high) if hasattr(choice, "low") else value in choice


def log_study(
    settings: Settings, name: str, model: str, metric: str, trials: Sequence[Mapping[str, Any]], toml: str
) -> str | None:
    """Log a study, once however often it goes on; returns the id of its run, None where MLflow does not answer.

    Args:
        settings: the tree.
        name: of the study.
        model: what was tuned.
        metric: by what.
        trials: `number`, `values`, `loss` and `state` of each.
        toml: the best config.
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
