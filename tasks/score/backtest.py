"""Replay: what each model would have forecast at past origins, fitted only on what lay before them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tasks import metrics
from tasks.contracts import QUANTILES, Features, Float, Forecaster, Minutes, Prediction, Progress, Tensors
from tasks.errors import ConfigError, ModelError
from tasks.forecast_table import forecast_table, model_version, replay_writer
from tasks.score.backtest_report import ReplayTally, Training, write_report

log = logging.getLogger(__name__)

Maker = Callable[[np.datetime64], Forecaster]

CHUNK_BYTES = 128 << 20
"""Size of the lag tensor of the origins that are predicted together."""
BANDS = (5, 15, 30, 60)
FORECASTS_FILE, REPORT_FILE = "forecasts.parquet", "report.json"


@dataclass(frozen=True)
class BacktestReport:
    """Where a replay lies, and what it says.

    Attributes:
        forecasts: Parquet file of `forecast_table.REPLAYED` rows.
        report: JSON file of `figures`.
        rows: of the Parquet file.
        figures: see `ReplayTally.report`.
    """

    forecasts: str
    report: str
    rows: int
    figures: dict[str, Any]


@dataclass(frozen=True)
class Period:
    """Origins forecast with the models fitted at one moment, none of them before it.

    Attributes:
        as_of: when the models are made, UTC.
        origins: datetime64[m], ascending.
    """

    as_of: np.datetime64
    origins: Minutes


def replay(
    features: Features,
    forecasters: Mapping[str, Maker],
    origins: Minutes,
    out: Path,
    retrain_every: np.timedelta64 | None = None,
    *,
    timezone: str,
    bands: Sequence[int] = BANDS,
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> BacktestReport:
    """Forecast every origin with every model; write `out/forecasts.parquet` and `out/report.json`.

    Both appear when all is done; an interruption leaves what was there before.

    Args:
        features: hold history before the first origin and the hour after the last.
        forecasters: model name -> maker of a forecaster fitted on minutes before the moment it is given.
        origins: UTC, on the grid.
        out: folder, made if it is not there.
        retrain_every: how long a fit is used, counted from the first origin; None fits once.
        timezone: the network's, for the hour and day of an origin.
        bands: last horizon minute of each band.
        chunk_bytes: how large the lag tensor of origins predicted together may be.
        progress: told how many (model, origin) pairs are done.

    Raises:
        ConfigError: if there is no model or no origin, or a span between fits that is not positive.
        ModelError: if a model cannot be made, or its answer is malformed.
        StoreError: if `out` cannot be written.
    """
    origins = np.unique(np.asarray(origins, dtype="datetime64[m]"))
    if not len(origins) or not forecasters:
        raise ConfigError("backtest: give at least one model, and an end after the start")
    spans = metrics.horizon_spans(bands, 60 // features.grid.interval, features.grid.interval)
    tally = ReplayTally(tuple(forecasters), features.grid.targets, origins, [s.name for s in spans], timezone)
    done = 0
    with replay_writer(out / FORECASTS_FILE) as write:
        for period in periods(origins, retrain_every):
            made = _make(forecasters, period, tally, progress, done)
            for tensors in _chunks(features, period.origins, chunk_bytes):
                truth = _timed(tally, "truth", features.truth, tensors.origins)
                for name, forecaster in made.items():
                    prediction = _timed(tally, "predict", _answer, name, forecaster, tensors)
                    _timed(tally, "score", _score, tally, name, tensors, prediction, truth, spans)
                    _timed(tally, "write", _write, write, name, forecaster, tensors, prediction)
                    done += len(tensors.origins)
                    _tell(progress, "replaying", done, tally)
        (out / REPORT_FILE).unlink(missing_ok=True)
    figures = tally.report(features.grid.stations, features.grid.interval, retrain_every)
    write_report(out / REPORT_FILE, figures)
    return BacktestReport(str(out / FORECASTS_FILE), str(out / REPORT_FILE), int(figures["rows"]), figures)


def periods(origins: Minutes, retrain_every: np.timedelta64 | None) -> list[Period]:
    """Cut ascending origins at every retraining moment; periods without an origin are left out.

    Raises:
        ConfigError: if `retrain_every` is not positive.
    """
    if retrain_every is None:
        return [Period(origins[0], origins)]
    if retrain_every <= np.timedelta64(0, "m"):
        raise ConfigError("backtest: the time between retrainings must be positive")
    number = (origins - origins[0]) // retrain_every
    return [Period(origins[0] + n * retrain_every, origins[number == n]) for n in np.unique(number)]


def _make(
    forecasters: Mapping[str, Maker], period: Period, tally: ReplayTally, progress: Progress | None, done: int
) -> dict[str, Forecaster]:
    made = {}
    for name, maker in forecasters.items():
        _tell(progress, "replaying", done, tally)
        began = perf_counter()
        made[name] = maker(period.as_of)
        seconds = perf_counter() - began
        log.info("%s fitted as of %sZ in %.1f s", name, period.as_of, seconds)
        tally.trainings.append(
            Training(name, f"{period.as_of}Z", len(period.origins), model_version(made[name]), seconds)
        )
    return made


def _chunks(features: Features, origins: Minutes, chunk_bytes: int) -> Iterator[Tensors]:
    """Tensors of some origins at a time, so many that their lags take about `chunk_bytes`."""
    first = features.tensors(origins[:1])
    size = max(1, chunk_bytes // max(first.lags.nbytes, 1))
    for at in range(0, len(origins), size):
        yield features.tensors(origins[at : at + size])


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
    return Prediction(prediction.mean, np.sort(prediction.quantiles, axis=0))


def _score(
    tally: ReplayTally,
    name: str,
    tensors: Tensors,
    prediction: Prediction,
    truth: Float,
    spans: Sequence[metrics.Span],
) -> None:
    stations = metrics.cells(prediction.mean, truth, prediction.quantiles, spans)
    network = metrics.cells(*metrics.network_total(prediction.mean, truth), None, spans)
    tally.add(name, tensors.origins, metrics.add_up(stations, (2,)), metrics.add_up(network, (2,)))


def _write(
    write: Callable[[str, Any], None], name: str, forecaster: Forecaster, tensors: Tensors, prediction: Prediction
) -> None:
    origins, version = tensors.origins, model_version(forecaster)
    rows = forecast_table(prediction, origins, origins, tensors.stations, tensors.targets, tensors.interval, version)
    write(name, rows)


def _timed(tally: ReplayTally, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    began = perf_counter()
    answer = function(*arguments)
    tally.seconds[what] = tally.seconds.get(what, 0.0) + perf_counter() - began
    return answer


def _tell(progress: Progress | None, what: str, done: int, tally: ReplayTally) -> None:
    if progress is not None:
        progress(what, done, len(tally.models) * len(tally.origins))
