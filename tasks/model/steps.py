"""Steps of the model stage: training, judging, registering, loading."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.contracts import Features, FitLog, Forecaster, HistoryFeatures, Progress, Space
from tasks.model import architectures
from tasks.model.groups import Group as Group
from tasks.model.promotion.champion import FALLBACK, FALLBACK_FOLDER, POINTER, promote, sync_champion
from tasks.model.promotion.champion import rollback as roll_back
from tasks.model.promotion.decision import Decision
from tasks.model.review.retrain_report import RetrainReport as RetrainReport
from tasks.model.serving.bundle import BundledForecaster as BundledForecaster
from tasks.model.serving.stored import find_stored, is_version, read_stored, unknown_model
from tasks.model.training import past_models
from tasks.model.training.apart import FitApart as FitApart
from tasks.model.training.apart import collect_fits as collect_fits
from tasks.model.training.apart import fit_apart as fit_apart
from tasks.model.training.by_group import FitGroups as FitGroups
from tasks.model.training.by_group import GroupFit as GroupFit
from tasks.model.training.by_group import champion_name
from tasks.model.training.judge import judge_scores
from tasks.model.training.past_models import Before, Maker
from tasks.model.training.train import Trained, train
from tasks.settings.tree import Settings
from tasks.stepping import step
from tasks.storage.store import Store
from tasks.tracking.retention import RemovedNights

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.model.review.training_run import FlowRun

log = logging.getLogger(__name__)


@step("train model")
def train_model(
    settings: Settings,
    features: HistoryFeatures,
    as_of: np.datetime64,
    model: str | None = None,
    *,
    champion: BundledForecaster | None = None,
    notes: FitLog | None = None,
    progress: Progress | None = None,
    elsewhere: FitGroups | None = None,
) -> Trained:
    """Fit a challenger and score it, the champion and the baselines on the same held-out days; see `train.train`."""
    return train(features, settings, as_of, model, notes, champion, progress, elsewhere)


def follow_training(
    settings: Settings,
    features: Features,
    as_of: np.datetime64,
    model: str | None = None,
    *,
    champion: BundledForecaster | None = None,
) -> AbstractContextManager[FitLog]:
    """Open the run of a training in MLflow and log its epochs as they come; see `training_run.follow_training`."""
    from tasks.model.review.training_run import follow_training as follow

    return follow(settings, features, as_of, model, champion, _flow_run())


@step("judge")
def judge(settings: Settings, trained: Trained, champion: BundledForecaster | None) -> Decision:
    """Hold the challenger's losses against those of champion and baselines; see `judge_scores`.

    Where each group of stations has a model of its own, a version is promoted if the challenger of one group is.
    """
    decision = judge_scores(
        trained.scores,
        len(trained.days),
        trained.volume,
        settings.gate,
        champion_name=champion_name(champion),
        total=trained.features.grid.total is not None,
    ).by_groups(trained.groups)
    return decision.wait_for_person() if settings.gate.approval else decision


@step("register", retries=1)
def register(settings: Settings, trained: Trained, decision: Decision) -> RetrainReport:
    """Log, register and store the challenger; it publishes if it was promoted; see `register.register_challenger`."""
    from tasks.model.review.register import register_challenger

    return register_challenger(settings, trained, decision, _flow_run())


@step("follow registry")
def follow_registry(settings: Settings, as_of: np.datetime64) -> str | None:
    """Let serving follow the registry's alias `champion`; returns what was done, None if nothing."""
    return sync_champion(settings, as_of)


@step("promote version")
def promote_version(settings: Settings, as_of: np.datetime64, version: str) -> str:
    """Let a registered version publish because a person wants it; returns it.

    Raises:
        ModelError: if it publishes already, or neither the data root nor the registry holds its bundle.
    """
    return promote(settings, version, as_of)


@step("roll back")
def rollback(settings: Settings, as_of: np.datetime64) -> str:
    """Let the previous champion publish again; returns its version.

    Raises:
        ModelError: if there is none.
    """
    return roll_back(settings, as_of)


@step("remove old nights", timeout_seconds=3600)
def remove_nights(settings: Settings) -> RemovedNights | None:
    """Remove the retrainings that `[mlflow] keep_nights` no longer keeps; see `review.retention.remove_nights`."""
    from tasks.model.review.retention import remove_nights as remove

    return remove(settings)


def champion_pointer(settings: Settings) -> dict[str, Any] | None:
    """Which version publishes, since when and why, as `promotion.champion` describes it; None before the first."""
    pointer: dict[str, Any] | None = Store(settings.data_root).read_json(POINTER)
    return pointer


def load_forecaster(settings: Settings, name: str) -> Forecaster:
    """A model ready to forecast, without Keras and without MLflow.

    Args:
        settings: the tree.
        name: "champion", "previous", "challenger", a registry version ("3"), an architecture that needs no fit, or
            `FALLBACK` as the last night fitted it.

    Raises:
        ModelError: if there is no such model yet, or its bundle is damaged; states what to run.
        ConfigError: if the name means nothing.
    """
    if name in ("champion", "previous", "challenger") or is_version(name):
        return load_version(settings, name)
    if name not in architectures.names():
        raise unknown_model(name)
    store = Store(settings.data_root)
    if name == FALLBACK and store.exists(f"{FALLBACK_FOLDER}/bundle.json"):
        return read_stored(store, FALLBACK_FOLDER, name)
    return architectures.initial_forecaster(name, settings.models.get(name))


def load_version(settings: Settings, name: str) -> BundledForecaster:
    """The forecaster of a stored bundle.

    Args:
        settings: the tree.
        name: "champion", "previous" or a version.

    Raises:
        ModelError: if there is no such bundle, or it is damaged; states what to run.
    """
    store = Store(settings.data_root)
    version, folder = find_stored(store, name)
    found = read_stored(store, folder, version)
    if changed := found.changed_features(settings.features):
        log.warning(
            "version %s was trained with other [features] (%s): it forecasts worse until nexthour retrain",
            version,
            "; ".join(changed),
        )
    return found


def model_maker(settings: Settings, name: str, before: Before, seed: int | None = None) -> Maker:
    """What makes the model `name` as it would have been at any past moment; see `past_models.model_maker`."""
    return past_models.model_maker(settings, name, before, seed)


def starts_warm(settings: Settings, name: str, moment: np.datetime64) -> bool:
    """Whether the fit of an architecture at that moment starts from the weights of its fit before."""
    return past_models.starts_warm(settings, name, moment)


def full_config(settings: Settings, name: str) -> dict[str, Any]:
    """Config of an architecture, defaults included, JSON-able.

    Raises:
        ConfigError: if it cannot be used.
    """
    return architectures.architecture(name, settings.models.get(name)).config.model_dump(mode="json")


def architecture_names() -> tuple[str, ...]:
    """Every architecture there is, sorted."""
    return architectures.names()


def tuning_space(name: str) -> Space:
    """What of an architecture's config may be tuned.

    Raises:
        ConfigError: if the name is unknown, or nothing of it may.
    """
    return architectures.tuning_space(name)


def draw_forecast_hour(settings: Settings, forecasts: pa.Table, station: str, target: str) -> bytes:
    """PNG of one station's forecast hour, with the counts observed around it; see `plots.forecast_hour`."""
    from tasks.model.plots import forecast_hour

    return forecast_hour.draw_forecast_hour(settings, forecasts, station, target)


def draw_error_by_horizon(settings: Settings, by_horizon: Mapping[str, Sequence[float]]) -> bytes:
    """PNG of the error at each minute ahead; see `RetrainReport.by_horizon`."""
    from tasks.model.plots import error_by_horizon

    return error_by_horizon.draw_error_by_horizon(by_horizon, settings.network.interval_minutes)


def needs_no_seed(name: str) -> bool:
    """Whether no seed changes what a model answers: a bundle, or a baseline without chance."""
    return name not in architectures.names() or architectures.architecture_class(name).unseeded


def model_identity(settings: Settings, name: str) -> Any:
    """All that decides what a model of that name answers, besides data, seed and moment; JSON-able."""
    if name in architectures.names():
        return settings.models.get(name, {})
    store = Store(settings.data_root)
    return store.read_json(f"{find_stored(store, name)[1]}/bundle.json")


def _flow_run() -> FlowRun | None:
    """The Prefect flow run that this is a part of, if it is one."""
    if "prefect.context" not in sys.modules:
        return None
    from prefect.runtime import flow_run

    from tasks.model.review.training_run import FlowRun

    found = flow_run.get_id()
    return None if found is None else FlowRun(found, flow_run.get_flow_run_ui_url())
