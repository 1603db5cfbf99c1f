"""What a retraining leaves: an MLflow run with every figure, a registered version, a bundle that can publish."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.metrics import finite
from tasks.model.promotion.champion import FALLBACK, FALLBACK_FOLDER, POINTER, copy_bundle, move_pointer, store_bundle
from tasks.model.promotion.decision import Decision
from tasks.model.review.data_sets import data_sets
from tasks.model.review.description import describe_training, shorten
from tasks.model.review.log_figures import fit_params, log_figures, settings_params
from tasks.model.review.night import log_night
from tasks.model.review.pictures import horizon_errors
from tasks.model.review.retrain_report import RetrainReport
from tasks.model.review.tables import metric_rows
from tasks.model.review.training_run import PROJECT, FlowRun, Identity, compact, start_run
from tasks.model.serving.bundle import save_bundle
from tasks.model.serving.pyfunc import FREE_AXES, answer, to_arrays
from tasks.model.training.judge import CHALLENGER
from tasks.model.training.train import Trained
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.storage.store import Store
from tasks.tracking import provenance, registry, runs
from tasks.tracking.run import Run, Tracking
from tasks.tracking.uri import tracking_uri

log = logging.getLogger(__name__)

EXAMPLE_STATIONS = 2
OF_NETWORK = ("as_of", "targets", "interval", "stations")
"""What the bundle of a baseline states, so that another network rejects it."""
DESCRIPTION = (
    "Forecasts how many people enter and leave at every station in each of the next 60 minutes.\n\n"
    "The alias **champion** publishes; moving it by hand is a legitimate promotion, followed within seconds "
    "by `nexthour up`, else within the hour. Every version's description holds the gate's decision and its figures."
)


def register_challenger(
    settings: Settings, trained: Trained, decision: Decision, flow_run: FlowRun | None = None
) -> RetrainReport:
    """Log and register a challenger, store its bundle, and let it publish if it was promoted.

    Without MLflow the bundle is stored as `local-<time>` and publishes all the same.

    Args:
        settings: the tree.
        trained: what `train` brought.
        decision: the gate's.
        flow_run: Prefect flow run that it is a part of, for cross-reference.

    Raises:
        ConfigError: if the tracking URI cannot be used.
        StoreError: if the data root cannot be written.
    """
    uri, store, meta = tracking_uri(settings), Store(settings.data_root), bundle_meta(trained)
    meta |= comparison_meta(settings, trained)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bundle"
        save_bundle(folder, trained.forecaster, meta)
        logged = _log(settings, trained, decision, meta, folder, flow_run)
        place = store_bundle(store, logged.version, folder)
        if FALLBACK in trained.baselines:
            fallback = Path(temporary) / FALLBACK
            save_bundle(fallback, trained.baselines[FALLBACK], {name: meta[name] for name in OF_NETWORK})
            copy_bundle(store, FALLBACK_FOLDER, fallback)
    if decision.promoted:
        move_pointer(store, logged.version, logged.alias, trained.as_of, f"promoted by the gate: {decision.reason}")
    warnings = logged.warnings
    if logged.run_id is not None and not warnings:
        warnings = tuple(log_night(settings, logged.run_id, logged.version, trained, decision, meta, flow_run))
    for warning in warnings:
        log.warning("%s", warning)
    return RetrainReport(
        run_id=logged.run_id,
        version=logged.version,
        promoted=decision.promoted,
        reason=decision.reason,
        metrics=tuple(metric_rows(trained)),
        decision=decision.to_markdown(),
        tracking_uri=provenance.redact(uri),
        url=logged.url,
        bundle=store.url(place),
        fit_seconds=trained.log.notes.get("fit_seconds"),
        waits=decision.waits,
        by_horizon=horizon_errors(trained),
        warnings=(*warnings, *_failed_groups(decision)),
        history=trained.history.to_markdown() if trained.history else "",
        groups=decision.groups,
    )


def _failed_groups(decision: Decision) -> list[str]:
    """One sentence per group of stations whose fit failed."""
    return [f"group {row.group} failed and keeps {row.kept}: {row.reason}" for row in decision.groups if row.failed]


@dataclass
class _Logged:
    """What MLflow took of a challenger; `alias` is the version of `champion` after it."""

    version: str
    run_id: str | None = None
    url: str | None = None
    alias: str | None = None
    warnings: tuple[str, ...] = ()


def _log(
    settings: Settings,
    trained: Trained,
    decision: Decision,
    meta: dict[str, Any],
    folder: Path,
    flow_run: FlowRun | None,
) -> _Logged:
    """Log and register the bundle in a folder, as far as MLflow answers."""
    logged = _Logged(f"local-{compact(trained.as_of)}")
    identity = Identity(trained.model, trained.as_of, meta["data"], trained.champion.get("version"))
    try:
        with runs.connect(settings) as mlflow, runs.resume(start_run(mlflow, settings, identity, flow_run)) as run:
            logged.run_id, logged.url = run.run_id, run.url
            _log_inputs(run, settings, trained, meta)
            served, words = bundle_with_example(trained, folder), _words(settings, trained, decision, meta)
            label = f"{trained.as_of.astype('datetime64[D]')} {trained.model}"
            version = registry.log_version(run, settings, served, *words, label)
            logged.version = version.number
            log_figures(run, settings, trained, decision, meta, version.model_id)
            registry.describe_model(mlflow, settings, DESCRIPTION)
            logged.alias = _set_alias(mlflow, settings, logged.version, decision.promoted)
    except runs.TrackingError as error:
        logged.warnings = (f"{error}; the bundle is kept as {logged.version}",)
    return logged


def bundle_meta(trained: Trained) -> dict[str, Any]:
    """Metadata for `bundle.json`; the same training gives the same."""
    grid, train, extra = trained.features.grid, trained.split.train, trained.features.extra
    return {
        "model": trained.model,
        "as_of": f"{trained.as_of.astype('datetime64[s]')}Z",
        "seed": trained.seed,
        "trained_on": [f"{train[0]}Z", f"{train[-1]}Z"] if len(train) else [],
        "stations": list(grid.stations),
        "total": grid.total,
        "targets": list(grid.targets),
        "interval": grid.interval,
        "data": provenance.data_fingerprint(grid, extra),
        **({"channels": [channel.name for channel in extra]} if extra else {}),
        **({"groups": {row.group: row.verdict for row in trained.groups}} if trained.groups else {}),
        "holdout": finite(trained.scores[CHALLENGER].overall) if CHALLENGER in trained.scores else {},
    }


def comparison_meta(settings: Settings, trained: Trained) -> dict[str, Any]:
    """What else a later challenger is compared with: config, code, and whether it went on from another."""
    tree = provenance.settings_tree(settings)
    sections = {name: tree[name] for name in ("network", "features", "retrain", "gate")}
    own = {"models": {trained.model: tree["models"].get(trained.model, {})}}
    own |= {name: tree[name] for name in ("channels", "groups") if tree.get(name)}
    return {
        "config": provenance.flatten({**sections, **own}),
        "commit": provenance.git_commit(PROJECT) or "unknown",
        "fine_tuned": bool(trained.log.notes.get("fine_tuned", False)),
        "holdout_days": [trained.days[0], trained.days[-1]] if trained.days else [],
    }


def bundle_with_example(trained: Trained, folder: Path) -> registry.Served:
    """The bundle with one small example: the last held-out (else training) origin at the busiest stations."""
    grid, split = trained.features.grid, trained.split
    busiest = np.argsort(-trained.volume[grid.parts], kind="stable")[:EXAMPLE_STATIONS]
    origin = (split.holdout if len(split.holdout) else split.train)[-1:]
    tensors = trained.features.tensors(origin, [int(i) for i in np.sort(busiest)])
    return registry.Served(
        folder=folder,
        loader="tasks.model.serving.pyfunc",
        code=PROJECT / "tasks",
        example=to_arrays(tensors, grid.stations),
        answer=answer(trained.forecaster.predict(tensors)),
        free_axes=FREE_AXES,
    )


def _log_inputs(run: Run, settings: Settings, trained: Trained, meta: dict[str, Any]) -> None:
    """Log what the training was given, and what its fit notes; the logged model takes them over."""
    given = trained.model, trained.as_of, trained.features.grid, trained.split, meta["data"]
    run.params(settings_params(settings, *given) | fit_params(trained))
    run.inputs([*data_sets(settings, trained.features.grid, trained.split).values()])


def _words(
    settings: Settings, trained: Trained, decision: Decision, meta: dict[str, Any]
) -> tuple[dict[str, str], str]:
    """Tags and description of the version."""
    tags = {"model": trained.model, "as_of": f"{trained.as_of}Z", "promoted": str(decision.promoted).lower()}
    return tags, shorten(describe_training(trained, decision, meta, station_table(settings)))


def _set_alias(mlflow: Tracking, settings: Settings, version: str, promoted: bool) -> str | None:
    """Point `champion` or `challenger` at the version; returns the version of `champion`."""
    if promoted:
        publishing = (Store(settings.data_root).read_json(POINTER) or {}).get("version")
        registry.set_champion(mlflow, settings, version, publishing)
        registry.drop_alias(mlflow, settings, registry.CHALLENGER)
    else:
        registry.set_alias(mlflow, settings, registry.CHALLENGER, version)
    return registry.alias_version(mlflow, settings, registry.CHAMPION)
