"""One part of a replay: one model, fitted at one moment, over the origins until the next fit; kept on disk.

A part is a folder named by the digest of all that it came from: `forecasts.parquet`, `sums.npz`, `part.json`, and
what the next part's model starts from. It appears whole, by a rename.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol
from uuid import uuid4

import numpy as np

from tasks import metrics
from tasks.arrays import QUANTILES, Minutes
from tasks.backtest.sums import Sums, join_sums, sums_of
from tasks.busy_hours import BusyHours
from tasks.contracts import Features, Forecaster, Prediction, Tensors
from tasks.errors import ModelError, StoreError
from tasks.storage.roots import sync, sync_tree
from tasks.tables.forecasts import forecast_table, replay_writer
from tasks.total import coherent

log = logging.getLogger(__name__)

PARTS, FORECASTS, SUMS, TOTAL, ABOUT = "parts", "forecasts.parquet", "sums.npz", "total.npz", "part.json"
WHOLE = slice(-1, None)
CHUNK_BYTES = 128 << 20
"""Size of the lag tensor of the origins that are predicted together."""

Maker = Callable[[np.datetime64, Path | None, Path], Forecaster]
"""Makes a model on minutes before a moment, from the part before it where one is given; the last is its own folder."""
OnProgress = Callable[[int], None]
"""Takes the number of origins forecast since the last call."""


class Past(Protocol):
    """Features as they were known at past moments."""

    @property
    def today(self) -> Features:
        """Features of all that is known today: the truth."""

    def at(self, origins: Minutes) -> Iterator[tuple[Features, Minutes]]:
        """Runs of ascending origins with the features to forecast them from."""


@dataclass(frozen=True)
class Job:
    """What one part replays.

    Attributes:
        key: name of its folder.
        model, seed: who.
        as_of: when it is fitted, UTC.
        origins: datetime64[m], ascending, none before `as_of`.
        after: the part whose model it starts from; None from scratch.
    """

    key: str
    model: str
    seed: int
    as_of: np.datetime64
    origins: Minutes
    after: str | None = None


OnJobProgress = Callable[[Job, int], None]
"""Takes a job and the number of its origins forecast since the last call."""
RunJobs = Callable[[Sequence[Job], OnJobProgress], None]
"""Leaves the part of every job; a job that starts from another comes after it."""


@dataclass(frozen=True)
class ReplayOptions:
    """Where parts are kept, and how their origins are batched and scored; the same for all parts.

    Attributes:
        parts: folder of the parts.
        bands: last horizon minute of each band.
        chunk_bytes: how large the lag tensor of origins predicted together may be.
    """

    parts: Path
    bands: tuple[int, ...]
    chunk_bytes: int = CHUNK_BYTES


def replay_part(
    job: Job, past: Past, maker: Maker, options: ReplayOptions, on_progress: OnProgress | None = None
) -> None:
    """Make the model, forecast its origins, and leave the part; one that is there already is left alone.

    Raises:
        ModelError: if the model cannot be fitted, or its answer is malformed.
        StoreError: if the folder cannot be written.
    """
    final, folder = options.parts / job.key, options.parts / f".{job.key}.{uuid4().hex}"
    if final.is_dir():
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = perf_counter()
        forecaster = maker(job.as_of, None if job.after is None else options.parts / job.after, folder)
        fit = perf_counter() - began
        log.info("%s fitted as of %sZ in %.1f s", job.model, job.as_of, fit)
        about = {"model_version": forecaster.name, "fit": fit} | _forecast(
            job, past, forecaster, options, folder, on_progress
        )
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        sync_tree(folder)
        folder.rename(final)
        sync(options.parts)
    except OSError as error:
        if not final.is_dir():
            raise StoreError(f"{folder} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _forecast(
    job: Job, past: Past, forecaster: Forecaster, options: ReplayOptions, folder: Path, on_progress: OnProgress | None
) -> dict[str, Any]:
    """Write forecasts and sums; returns the seconds by kind of work."""
    grid = past.today.grid
    spans = metrics.horizon_spans(options.bands, 60 // grid.interval, grid.interval)
    busy = BusyHours(grid, job.origins)
    seconds = {"tensors": 0.0, "predict": 0.0, "score": 0.0, "write": 0.0}
    sums: list[Sums] = []
    total: list[Sums] = []

    def measure(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        began = perf_counter()
        answer = function(*arguments)
        seconds[what] += perf_counter() - began
        return answer

    with replay_writer(folder / FORECASTS) as write:
        for features, origins in _chunks(past, job.origins, options.chunk_bytes):
            tensors = measure("tensors", features.tensors, origins)
            truth = past.today.truth(origins)
            prediction = measure("predict", _answer, job.model, forecaster, tensors)
            given = (tensors, prediction, truth, spans, busy.limits(origins))
            sums.append(measure("score", sums_of, *given))
            if tensors.total is not None:
                total.append(measure("score", sums_of, *given, WHOLE))
            measure("write", _write, write, job.model, forecaster, tensors, prediction)
            if on_progress:
                on_progress(len(origins))
    join_sums(sums).save(folder / SUMS)
    if total:
        join_sums(total).save(folder / TOTAL)
    return {"seconds": seconds}


def _chunks(past: Past, origins: Minutes, chunk_bytes: int) -> Iterator[tuple[Features, Minutes]]:
    """Some origins at a time, so many that their lags take about `chunk_bytes`."""
    for features, run in past.at(origins):
        size = max(1, chunk_bytes // max(features.tensors(run[:1]).lags.nbytes, 1))
        for at in range(0, len(run), size):
            yield features, run[at : at + size]


def _answer(name: str, forecaster: Forecaster, tensors: Tensors) -> Prediction:
    prediction = forecaster.predict(tensors)
    shape = (len(tensors.targets), len(tensors.origins), len(tensors.stations), tensors.horizon)
    if prediction.mean.shape != shape or prediction.quantiles.shape != (len(QUANTILES), *shape):
        raise ModelError(f"{name} answered shapes {prediction.mean.shape} and {prediction.quantiles.shape} for {shape}")
    for array in (prediction.mean, prediction.quantiles):
        if not np.isfinite(array).all() or array.min(initial=0) < 0:
            raise ModelError(
                f"{name} answered values that are negative or not finite at {tensors.origins[0]}Z or later"
            )
    return coherent(Prediction(prediction.mean, np.sort(prediction.quantiles, axis=0)), tensors)


def _write(
    write: Callable[[str, Any], None], name: str, forecaster: Forecaster, tensors: Tensors, prediction: Prediction
) -> None:
    origins, interval = tensors.origins, tensors.interval
    rows = forecast_table(prediction, origins, origins, tensors.stations, tensors.targets, interval, forecaster.name)
    write(name, rows)


def run_in_turn(past: Past, maker: Callable[[Job], Maker], options: ReplayOptions) -> RunJobs:
    """A function that replays parts one after the other in this process."""

    def run(jobs: Sequence[Job], on_progress: OnJobProgress) -> None:
        for job in jobs:
            replay_part(job, past, maker(job), options, partial(on_progress, job))

    return run
