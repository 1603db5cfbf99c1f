"""A backtest, composed of steps: the past as it was known, parts side by side, the report. Free of Prefect."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flows.pipelines.loop import DAY, channels, floor
from flows.pipelines.workers import Bench, side_by_side
from tasks.contracts import Progress
from tasks.settings.tree import Settings
from tasks.tracking.provenance import data_fingerprint

if TYPE_CHECKING:
    from tasks.backtest.replay import BacktestReport, Replay
    from tasks.features.past import Past

log = logging.getLogger(__name__)

TASKS = Path(__file__).parents[2] / "tasks"
UNREPLAYED = frozenset({"forecast", "ingest", "maintain", "publish", "quality", "score"})
"""Stages whose code no replay runs; a test holds that."""
LIBRARIES = ("numpy", "keras", "tensorflow", "onnxruntime", "scikit-learn")
LATE_SHARE = 0.2


@dataclass(frozen=True)
class Span:
    """What is replayed: origins from `start` to before `end`, fits every so often, by every seed."""

    start: np.datetime64
    end: np.datetime64
    every: np.timedelta64
    models: tuple[str, ...]
    retrain_every: np.timedelta64 | None = None
    seeds: tuple[int, ...] = ()


def backtest(
    settings: Settings,
    span: Span,
    out: Path,
    *,
    jobs: int | None = None,
    track: bool = True,
    progress: Progress | None = None,
) -> BacktestReport:
    """Replay a span, models fitted on what was known at each retraining; see `tasks.backtest.replay.replay`.

    Args:
        settings: the tree.
        span: what is replayed; without seeds that of `[retrain]`.
        out: folder for the forecasts, the report and the parts.
        jobs: worker processes, as many as cores by default; 1 works in this process.
        track: whether MLflow shall hold it, too.
        progress: told how far it is.

    Raises:
        ConfigError: if a model's name or config means nothing, the span is empty, or another backtest writes to `out`.
        HistoryError: if there is too little history for a fit.
    """
    from joblib import cpu_count

    from tasks.backtest.folder import owned
    from tasks.backtest.part import PARTS, How, in_turn
    from tasks.backtest.steps import log_backtest, replay_origins

    past = load(settings, span)
    plan = planned(settings, span, past)
    bench = Bench(settings, past, How(out / PARTS, plan.bands))
    count = cpu_count() if jobs is None else jobs
    run = side_by_side(bench, count) if count > 1 else in_turn(past, bench.maker, bench.how)
    with owned(bench.how.parts):
        report = replay_origins(plan, past.today.grid, out, run, progress)
    return dataclasses.replace(report, run_id=log_backtest(settings, report) if track else None)


def load(settings: Settings, span: Span) -> Past:
    """The past that a backtest of that span sees."""
    from tasks.features.steps import load_past

    plan = settings.retrain
    history = (plan.train_days + plan.validation_days + 1) * DAY
    first, last = floor(settings, span.start - history), floor(settings, span.end)
    past = load_past(settings, first, last, channels(settings))
    if past.known is not None:
        share = float((past.known.delay[:, :] * settings.network.interval_minutes > 1440).mean())
        if share > LATE_SHARE:
            log.warning(
                "%.0f %% of the minutes were known a day late or later, and are replayed so: history that was known at "
                "the time is loaded by nexthour backfill",
                100 * share,
            )
    return past


def planned(settings: Settings, span: Span, past: Past) -> Replay:
    """The parts of a backtest, named by all that they are made of."""
    from tasks.backtest.replay import Replay
    from tasks.model.steps import fine_tunes, is_unseeded, model_identity
    from tasks.model.training.fine_tuning import starts_warm

    origins = np.arange(
        floor(settings, span.start), span.end.astype("datetime64[m]"), span.every.astype("timedelta64[m]")
    )
    common = json.dumps([code_digest(), _data(past), _sections(settings)], default=str, sort_keys=True)
    tuned = {name for name in span.models if fine_tunes(settings, name)}
    zone = settings.network.timezone
    return Replay(
        {name: common + json.dumps(model_identity(settings, name), sort_keys=True) for name in span.models},
        origins,
        zone,
        span.retrain_every,
        tuple(dict.fromkeys(span.seeds)) or (settings.retrain.seed,),
        frozenset(name for name in span.models if is_unseeded(name)),
        lambda model, moment: model in tuned and starts_warm(settings.retrain, moment, zone),
        settings.score.bands,
    )


def replayed_modules() -> list[Path]:
    """Modules of tasks that fits, forecasts and replays run; what ingests, publishes or maintains is not among them."""
    everything = sorted(TASKS.rglob("*.py"))
    return [path for path in everything if path.relative_to(TASKS).parts[0] not in UNREPLAYED]


@cache
def code_digest() -> str:
    """Digest of the code and libraries that a replay runs: a change of it voids the parts that are kept."""
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
    for path in replayed_modules():
        digest.update(path.relative_to(TASKS).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _data(past: Past) -> str:
    """Digest of the minutes, of when they were known, and of the channels."""
    digest = hashlib.sha256(data_fingerprint(past.today.grid, past.today.extra).encode())
    if past.known is not None:
        for array in (past.known.delay, past.known.cells, past.known.since, past.known.values):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _sections(settings: Settings) -> dict[str, object]:
    retrain = settings.retrain.model_dump(mode="json", exclude={"model", "seed", "holdout_days"})
    network = settings.network.model_dump(mode="json", exclude={"name"})
    return {"retrain": retrain, "features": settings.features.model_dump(mode="json"), "network": network}
