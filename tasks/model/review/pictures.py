"""The pictures of one retraining."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.arrays import QUANTILES, Float, Minutes
from tasks.clock import day_bounds, service_dates, to_local
from tasks.metrics import Double, Real, network_total
from tasks.model.origin_chunks import forecast_origins
from tasks.model.plots import plots, series
from tasks.model.review.error_cases import find_error_cases
from tasks.model.review.held_out import HOUR, HeldOut, held_out_hours
from tasks.model.training.holdout import Scores
from tasks.model.training.judge import CHALLENGER, CHAMPION
from tasks.model.training.train import Trained
from tasks.plot_style import people, station_title
from tasks.stations.table import NO_STATIONS, StationTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP = np.timedelta64(1, "m")
BEFORE = np.timedelta64(180, "m")
BANDS = (("90 % band", 0, 6), ("50 % band", 2, 4))
"""Label, and positions in `QUANTILES`."""
ERROR_CASE = "error_case_"
WIDTH = "bands as wide as at the other held-out hours"


def retrain_pictures(
    trained: Trained, timezone: str, stations: StationTable = NO_STATIONS, held_out: HeldOut | None = None
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every picture that this training supports, one in memory at a time.

    Args:
        trained: what was trained.
        timezone: the network's.
        stations: their names.
        held_out: see `held_out_hours`, where it is known already.
    """
    epochs = trained.log.epochs
    if epochs.get("loss"):
        best = trained.log.notes.get("best_epoch")
        yield "loss_by_epoch", plots.loss_by_epoch(epochs["loss"], epochs.get("val_loss", []), best)
    grid = trained.features.grid
    yield from noted_pictures(trained.log.notes, grid.interval, timezone, grid.targets[0], stations)
    held_out = held_out or held_out_hours(trained)
    if held_out is None:
        return
    yield "error_by_horizon", _by_horizon(trained)
    yield "error_by_hour", _by_hour(trained)
    yield "training_validation_holdout", _days(trained, timezone, stations)
    yield from _next_hours(trained, held_out, timezone, stations)
    yield from _error_cases(trained, held_out, timezone, stations)


def noted_pictures(
    notes: Mapping[str, Any], interval: int, timezone: str, target: str, stations: StationTable
) -> Iterator[tuple[str, Figure]]:
    """What some architectures note of their fit: `series_fit`, `three_ways`; `attention`, the weights of the weeks."""
    if fit := notes.get("series_fit"):
        yield (
            "series_fit",
            series.series_fit(fit, to_local(fit.minutes, timezone), interval, _where(target, fit.station, stations)),
        )
    if ways := notes.get("three_ways"):
        yield (
            "three_ways",
            series.three_ways(ways, to_local(ways.minutes, timezone), interval, _where(target, ways.station, stations)),
        )
    if weights := notes.get("attention"):
        yield "attention_by_week", series.weight_by_week(weights)


def order_scores(scores: Mapping[str, Scores]) -> list[tuple[str, Scores]]:
    """Challenger, champion, then the baselines as given."""
    roles = [name for name in (CHALLENGER, CHAMPION) if name in scores]
    return [(name, scores[name]) for name in (*roles, *(n for n in scores if n not in roles))]


def quantile_shares(quantiles: Float, truth: Float) -> tuple[list[float], list[float]]:
    """Share of observed minutes below, and at or below, each quantile; [Q, ...] and [...]."""
    seen = np.isfinite(truth)
    count = max(int(seen.sum()), 1)
    below = [float((seen & (truth < q)).sum() / count) for q in quantiles]
    return below, [float((seen & (truth <= q)).sum() / count) for q in quantiles]


def network_bands(mean: Double, actual: Double, ahead: Double, levels: Sequence[float]) -> Double:
    """Quantiles of the network total around a forecast, from how far the total was off at other hours.

    Errors are taken in units of the square root of the forecast, pooled over the horizon.

    Args:
        mean: float64 [hour, step], forecasts of other hours.
        actual: float64 [hour, step], their truth; NaN where not known.
        ahead: float64 [step], the forecast.
        levels: of the quantiles.

    Returns:
        float64 [level, step], >= 0; NaN where no other hour is known.
    """
    off = (actual - mean) / np.sqrt(np.maximum(mean, 1))
    known = off[np.isfinite(off)]
    spread = np.quantile(known, levels) if len(known) else np.full(len(levels), np.nan)
    return np.asarray(np.maximum(ahead + spread[:, None] * np.sqrt(np.maximum(ahead, 1)), 0))


def whole_day(origins: Minutes, timezone: str) -> tuple[np.datetime64, np.datetime64]:
    """Bounds in UTC of the last service day that is within the origins; of the last 24 hours where none does."""
    for day in np.unique(service_dates(origins, timezone))[::-1]:
        start, end = day_bounds(day, timezone)
        if origins[0] <= start and end - HOUR <= origins[-1]:
            return start, end
    return max(origins[-1] - 23 * HOUR, origins[0]), origins[-1] + HOUR


def horizon_errors(trained: Trained) -> dict[str, list[float]]:
    """Mean absolute error of a station's step per step ahead, of challenger, champion and baselines."""
    return {name: [step["mae_step"] for step in scores.by_horizon] for name, scores in order_scores(trained.scores)}


def _by_horizon(trained: Trained) -> Figure:
    interval = trained.features.grid.interval
    minutes = [(i + 1) * interval for i in range(60 // interval)]
    return plots.error_by_horizon(minutes, horizon_errors(trained), f"mean absolute error, {people(interval)}")


def _by_hour(trained: Trained) -> Figure:
    errors = {name: [hour["rmse_hour"] for hour in scores.by_hour] for name, scores in order_scores(trained.scores)}
    return plots.error_by_hour(errors, "RMSE of a station's next hour, people")


def _busiest(trained: Trained) -> int:
    """Position of the station with the most people."""
    return int(np.argmax(trained.volume[trained.features.grid.parts]))


def _where(target: str, station: str, stations: StationTable) -> str:
    """Target and station of a picture."""
    return f"{target} at {station_title(stations.find(station).name, station)}"


def _days(trained: Trained, timezone: str, stations: StationTable) -> Figure:
    grid, busiest = trained.features.grid, _busiest(trained)
    days = []
    split = trained.split
    for part, origins in (("training", split.train), ("validation", split.validation), ("hold-out", split.holdout)):
        if not len(origins):
            continue
        start, end = whole_day(origins, timezone)
        start = grid.start + int(grid.index(start)) * np.timedelta64(grid.interval, "m")
        hours = np.arange(start, end - HOUR + np.timedelta64(1, "m"), HOUR)
        answer = forecast_origins(trained.forecaster, trained.features, hours)
        low, high = (answer.quantiles[QUANTILES.index(q), 0, :, busiest].ravel() for q in (0.10, 0.90))
        minutes = start + np.arange(len(low)) * np.timedelta64(grid.interval, "m")
        actual = trained.features.truth(hours)[0, :, busiest].ravel()
        mean = answer.mean[0, :, busiest].ravel()
        days.append(plots.Day(part, to_local(minutes, timezone), actual, mean, low, high))
    return plots.days_by_part(days, _where(grid.targets[0], grid.stations[busiest], stations), grid.interval)


def _next_hours(
    trained: Trained, held_out: HeldOut, timezone: str, stations: StationTable
) -> Iterator[tuple[str, Figure]]:
    """Calibration; then the busiest hour of the last held-out day, at the busiest station and for the whole network."""
    grid, truth, prediction = trained.features.grid, held_out.truth, held_out.prediction
    parts = grid.parts
    shares = quantile_shares(prediction.quantiles[:, :, :, parts], truth[:, :, parts])
    yield "calibration", plots.calibration(QUANTILES, {CHALLENGER: shares})
    last = max(len(held_out.origins) - 24, 0)
    at = last + int(np.nansum(truth[0, last:], axis=(1, 2)).argmax())
    yield "next_hour_station", _station_hour(trained, held_out, (0, at, _busiest(trained)), timezone, stations)
    mean, actual = (total[0, :, 0] for total in network_total(prediction.mean[:, :, parts], truth[:, :, parts]))
    others = np.arange(len(held_out.origins)) != at
    band = network_bands(mean[others], actual[others], mean[at], QUANTILES)
    seen, counts = _counts_around(trained, held_out.origins[at])
    counts = counts[0, parts]
    total = np.where(np.isfinite(counts).any(axis=0), np.nansum(counts, axis=0), np.nan)
    where = f"{grid.targets[0]} of the whole network"
    yield "next_hour_network", _hour(trained, seen, total, mean[at], band, timezone, where, WIDTH)


def _error_cases(
    trained: Trained, held_out: HeldOut, timezone: str, stations: StationTable
) -> Iterator[tuple[str, Figure]]:
    """The hours where the challenger was furthest off."""
    for number, case in enumerate(find_error_cases(held_out, trained.features.grid), 1):
        index = case.target, case.at, case.station
        yield f"{ERROR_CASE}{number}", _station_hour(trained, held_out, index, timezone, stations)


def _station_hour(
    trained: Trained, held_out: HeldOut, index: tuple[int, int, int], timezone: str, stations: StationTable
) -> Figure:
    """The forecast hour at positions of target, origin and station."""
    target, at, station = index
    grid, prediction = trained.features.grid, held_out.prediction
    seen, counts = _counts_around(trained, held_out.origins[at])
    where = _where(grid.targets[target], grid.stations[station], stations)
    quantiles = prediction.quantiles[:, target, at, station]
    return _hour(trained, seen, counts[target, station], prediction.mean[index], quantiles, timezone, where)


def _counts_around(trained: Trained, origin: np.datetime64) -> tuple[Minutes, Float]:
    """Minutes around an origin, the hour included, and the counts in them, [C, S, T]."""
    grid = trained.features.grid
    minutes = origin - BEFORE + np.arange((BEFORE + HOUR) // STEP // grid.interval) * grid.interval * STEP
    return minutes, grid.values[:, :, grid.index(minutes)]


def _hour(
    trained: Trained,
    seen: Minutes,
    actual: Real,
    mean: Real,
    quantiles: Real,
    timezone: str,
    where: str,
    note: str = "",
) -> Figure:
    bands = [(label, quantiles[low], quantiles[high]) for label, low, high in BANDS]
    local = to_local(np.append(seen, seen[0] + BEFORE), timezone)
    look = {"where": where, "timezone": timezone, "note": note}
    interval = trained.features.grid.interval
    return plots.forecast_against_actual(local[:-1], actual, local[-1], mean, bands, interval=interval, **look)
