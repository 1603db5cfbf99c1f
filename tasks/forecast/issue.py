"""One issue: the forecasts of one origin as a table, its file, and a summary for people."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.channels import missing
from tasks.clock import service_dates, to_local
from tasks.contracts import Features, Prediction, Tensors
from tasks.errors import HistoryError
from tasks.forecast.factors import split_mean
from tasks.forecast.guard import (
    Answer,
    Ladder,
    degraded_reason,
    first_usable,
    minutes_since_observation,
    staleness,
)
from tasks.overrides.entry import Override
from tasks.overrides.scale import describe, override_factors, scale
from tasks.settings.guard import GuardSettings
from tasks.settings.tree import Network
from tasks.tables import schemas
from tasks.tables.forecasts import Factors, forecast_table
from tasks.total import open_stations

BUSIEST = 5


@dataclass(frozen=True)
class Issue:
    """What was forecast at one origin.

    Attributes:
        table: rows of `schemas.FORECASTS`, by station, target and minute.
        summary: JSON-able; see `summarise`.
        model_version: who answered.
        degraded_reason: why it was not the first rung on fresh data; None when all is well.
        path: of the table below the data root.
    """

    table: pa.Table
    summary: dict[str, Any]
    model_version: str
    degraded_reason: str | None
    path: str


def make_issue(
    network: Network,
    features: Features,
    ladder: Ladder,
    issued_at: np.datetime64,
    origin: np.datetime64,
    limits: GuardSettings | None = None,
    overrides: Sequence[Override] = (),
) -> Issue:
    """Forecast the hour from `origin` with the first rung that can be trusted. Reads no clock, writes nothing.

    Args:
        network: names and time zone.
        features: hold the minutes known at `issued_at`.
        ladder: (name, loader) from the best to the surest model.
        issued_at: the moment of the forecast, UTC.
        origin: first minute forecast, UTC, on the grid.
        limits: `[guard]`; its defaults without.
        overrides: what people changed, applied after the guard.

    Raises:
        HistoryError: if no station is known, or the origin is off the grid.
        ModelError: if no rung answers.
    """
    limits = limits or GuardSettings()
    if not features.grid.stations:
        raise HistoryError(f"no station has been observed before {origin}Z: run `nexthour ingest` first")
    tensors = features.tensors(np.array([origin], dtype="datetime64[m]"))
    answer = first_usable(ladder, tensors, limits)
    age = minutes_since_observation(features.grid, origin)
    reason = degraded_reason(answer, age, missing(features.extra, origin), limits.stale_minutes)
    answer, factors, applied = _override(answer, tensors, overrides)
    table = forecast_table(
        answer.prediction,
        tensors.origins,
        np.array([issued_at], dtype="datetime64[us]"),
        tensors.stations,
        tensors.targets,
        tensors.interval,
        answer.model_version,
        reason,
        factors,
    )
    day = service_dates(tensors.origins, network.timezone)[0]
    name = f"{_compact(issued_at)}-{_fingerprint(answer, tensors, reason)}.parquet"
    verdicts = [verdict.to_json() for verdict in (*answer.verdicts, staleness(age, limits.stale_minutes))]
    summary = summarise(network, tensors, answer, issued_at, reason) | {
        "minutes_since_seen": age,
        "verdicts": verdicts,
        "overrides": applied,
    }
    return Issue(table, summary, answer.model_version, reason, f"{schemas.day_folder('forecasts', day)}/{name}")


def _override(
    answer: Answer, tensors: Tensors, overrides: Sequence[Override]
) -> tuple[Answer, Factors, list[dict[str, Any]]]:
    """The answer as people changed it, its factors, and the overrides that touch its hour."""
    factors = split_mean(answer.prediction.mean, tensors, answer.without_channels)
    minutes = tensors.origins[0] + np.arange(tensors.horizon) * np.timedelta64(tensors.interval, "m")
    end = minutes[-1] + np.timedelta64(tensors.interval, "m")
    touching = [each for each in overrides if each.start < end and each.end > minutes[0]]
    if not touching:
        return answer, factors, []
    scaling = override_factors(touching, tensors.stations, tensors.targets, minutes)
    among = None if tensors.total is None else open_stations(tensors)
    prediction, scaling = scale(answer.prediction, scaling, among)
    own = np.where(np.isnan(factors.override), np.float32(np.nan), scaling)
    return replace(answer, prediction=prediction), replace(factors, override=own), describe(touching)


def summarise(
    network: Network, tensors: Tensors, answer: Answer, issued_at: np.datetime64, reason: str | None
) -> dict[str, Any]:
    """Summary of an issue for people, JSON-able.

    Returns:
        Network, times (UTC, and local with their offset), model, `falls` (rungs that did not answer, and why),
        `totals` (target -> people in the network in the hour), `busiest` (stations with the most people, all
        targets together), the number of stations, and `total`, the name of their total's own rows, where it has any.
    """
    origin = tensors.origins[0]
    minutes = np.timedelta64(tensors.horizon * tensors.interval, "m")
    people = answer.prediction.mean[:, 0, tensors.parts].sum(axis=-1, dtype=np.float64)
    own = people if tensors.total is None else answer.prediction.mean[:, 0, -1:].sum(axis=-1, dtype=np.float64)
    busiest = np.argsort(-people.sum(axis=0), kind="stable")[:BUSIEST]
    return {
        "network": network.name,
        "timezone": network.timezone,
        "interval_minutes": tensors.interval,
        "issued_at": _utc_text(issued_at),
        "issued_local": local_text(issued_at, network.timezone),
        "origin_utc": _utc_text(origin),
        "origin_local": local_text(origin, network.timezone),
        "end_local": local_text(origin + minutes, network.timezone),
        "model_version": answer.model_version,
        "rung": answer.rung,
        "degraded_reason": reason,
        "falls": [{"rung": f.rung, "reason": f.reason, "detail": f.detail} for f in answer.rejected],
        "stations": people.shape[1],
        **({"total": tensors.total} if tensors.total is not None else {}),
        "totals": {t: round(float(n), 1) for t, n in zip(tensors.targets, own.sum(axis=1), strict=True)},
        "busiest": [
            {
                "station_id": str(tensors.stations[s]),
                **{t: round(float(people[c, s]), 1) for c, t in enumerate(tensors.targets)},
            }
            for s in busiest
        ],
    }


def local_text(moment: np.datetime64, timezone: str) -> str:
    """Local ISO 8601 time with its offset, to the second where there are seconds."""
    minute = np.array([moment], dtype="datetime64[m]")
    local = to_local(minute, timezone)
    offset = int((local - minute)[0].astype(np.int64))
    hours, rest = divmod(abs(offset), 60)
    seconds = moment.astype("datetime64[s]") - minute[0]
    here = (local[0] + seconds).astype("datetime64[s]" if int(seconds.astype(np.int64)) else "datetime64[m]")
    return f"{here}{'-' if offset < 0 else '+'}{hours:02d}:{rest:02d}"


def _utc_text(moment: np.datetime64) -> str:
    return f"{moment.astype('datetime64[s]')}Z"


def _compact(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[s]")).replace("-", "").replace(":", "") + "Z"


def _fingerprint(answer: Answer, tensors: Tensors, reason: str | None) -> str:
    """Eight hex digits of the content of the rows, `issued_at` aside."""
    digest = hashlib.sha256()
    names = (answer.model_version, reason, str(tensors.origins[0]), *tensors.targets, *tensors.stations)
    digest.update("\0".join(map(str, names)).encode())
    prediction: Prediction = answer.prediction
    for array in (prediction.mean, prediction.quantiles):
        digest.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    return digest.hexdigest()[:8]
