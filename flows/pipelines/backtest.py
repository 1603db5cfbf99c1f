"""A backtest: load the past as it was known, replay its parts in workers, write the report. Free of Prefect."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flows.pipelines.executors import available_cores
from flows.pipelines.loop import DAY, channels, floor
from flows.pipelines.workers import WorkerContext, run_in_workers
from tasks.backtest.steps import (
    PARTS,
    BacktestReport,
    Replay,
    ReplayOptions,
    lock_parts,
    log_backtest,
    replay_origins,
    run_in_turn,
)
from tasks.contracts import Progress
from tasks.settings.tree import Settings
from tasks.tracking.provenance import data_fingerprint

if TYPE_CHECKING:
    from tasks.features.steps import PastFeatures

log = logging.getLogger(__name__)

TASKS = Path(__file__).parents[2] / "tasks"
NOT_REPLAYED = frozenset({"alerts", "forecast", "ingest", "maintain", "publish", "quality", "score"})
"""Stages whose code no replay runs; a test checks that."""
LIBRARIES = ("numpy", "keras", "tensorflow", "onnxruntime", "scikit-learn")
LATE_SHARE = 0.2


@dataclass(frozen=True)
class ReplaySpan:
    """What is replayed, and how densely.

    Attributes:
        start, end: first origin; origins end before `end`. UTC.
        every: distance of the origins.
        models: names of architectures, or versions.
        retrain_every: how long a fit is used; None fits once, at `start`.
        seeds: of the fits; empty for that of `[retrain]`.
    """

    start: np.datetime64
    end: np.datetime64
    every: np.timedelta64
    models: tuple[str, ...]
    retrain_every: np.timedelta64 | None = None
    seeds: tuple[int, ...] = ()


def run_backtest(
    settings: Settings,
    span: ReplaySpan,
    out: Path,
    *,
    jobs: int | None = None,
    track: bool = True,
    progress: Progress | None = None,
) -> BacktestReport:
    """Replay a span, models fitted on what was known at each retraining; see `tasks.backtest.replay.replay`.

    Args:
        settings: the tree.
        span: what is replayed.
        out: folder for the forecasts, the report and the parts.
        jobs: number of workers, `[runner] workers` by default; 1 without a cluster works in this process.
        track: whether to log it in MLflow.
        progress: called with the number of origins that are done.

    Raises:
        ConfigError: if a model's name or config means nothing, the span is empty, or another backtest writes to `out`.
        HistoryError: if there is too little history for a fit.
    """
    past = load_history(settings, span)
    plan = plan_replay(settings, span, past)
    context = WorkerContext(settings, past, ReplayOptions(out / PARTS, plan.bands))
    count = jobs or settings.runner.workers or available_cores()
    alone = count == 1 and settings.runner.kind == "threads"
    run = run_in_turn(past, context.maker, context.options) if alone else run_in_workers(context, count)
    with lock_parts(context.options.parts):
        report = replay_origins(plan, past.today.grid, out, run, progress)
    return dataclasses.replace(report, run_id=log_backtest(settings, report) if track else None)


def load_history(settings: Settings, span: ReplaySpan) -> PastFeatures:
    """The minutes, channels and times of arrival that a backtest of the span reads."""
    from tasks.features.steps import load_past

    plan = settings.retrain
    history = (plan.train_days + plan.validation_days + 1) * DAY
    first, last = floor(settings, span.start - history), floor(settings, span.end)
    past = load_past(settings, first, last, channels(settings))
    if past.known is not None:
        share = float((past.known.delay[:, :] * settings.network.interval_minutes > 1440).mean())
        if share > LATE_SHARE:
            log.warning(
                "%.0f %% of the minutes arrived a day late or later, and the backtest replays that: load history that "
                "was known at the time with nexthour backfill",
                100 * share,
            )
    return past


def plan_replay(settings: Settings, span: ReplaySpan, past: PastFeatures) -> Replay:
    """The parts of a backtest; the key of each is a digest of everything that decides its result."""
    from tasks.model.steps import model_identity, needs_no_seed, starts_warm

    origins = np.arange(
        floor(settings, span.start), span.end.astype("datetime64[m]"), span.every.astype("timedelta64[m]")
    )
    common = json.dumps([code_digest(), _data_digest(past), _fit_settings(settings)], default=str, sort_keys=True)
    return Replay(
        {name: common + json.dumps(model_identity(settings, name), sort_keys=True) for name in span.models},
        origins,
        settings.network.timezone,
        span.retrain_every,
        tuple(dict.fromkeys(span.seeds)) or (settings.retrain.seed,),
        frozenset(name for name in span.models if needs_no_seed(name)),
        partial(starts_warm, settings),
        settings.score.bands,
        frozenset(settings.gate.baselines),
    )


def replayed_modules() -> list[Path]:
    """Modules of tasks that a replay may run: all but those of stages that ingest, publish, score live or maintain."""
    everything = sorted(TASKS.rglob("*.py"))
    return [path for path in everything if path.relative_to(TASKS).parts[0] not in NOT_REPLAYED]


@cache
def code_digest() -> str:
    """Digest of the code and libraries that a replay runs; when it changes, kept parts are not reused."""
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
    for path in replayed_modules():
        digest.update(path.relative_to(TASKS).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _data_digest(past: PastFeatures) -> str:
    """Digest of the minutes, of when they were known, and of the channels."""
    digest = hashlib.sha256(data_fingerprint(past.today.grid, past.today.extra).encode())
    if past.known is not None:
        for array in (past.known.delay, past.known.cells, past.known.since, past.known.values):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _fit_settings(settings: Settings) -> dict[str, object]:
    """The settings that decide fits and forecasts, JSON-able."""
    retrain = settings.retrain.model_dump(mode="json", exclude={"model", "seed", "holdout_days"})
    network = settings.network.model_dump(mode="json", exclude={"name"})
    return {"retrain": retrain, "features": settings.features.model_dump(mode="json"), "network": network}
