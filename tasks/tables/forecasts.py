"""Convert predictions to rows of the forecasts table, and write the file of a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.arrays import Float, Minutes
from tasks.contracts import Prediction
from tasks.storage.store import table_writer
from tasks.tables import schemas

REPLAYED = pa.schema([*schemas.PREDICTIONS, ("model", schemas.NAME)])
"""Predictions with the name of the model that was replayed."""


@dataclass(frozen=True)
class Factors:
    """What a mean is the product of, float32 [C, O, S, H] each; NaN in all of them where there is no usual.

    Attributes:
        usual: people per interval on an ordinary day: the base forecast at level 1.
        level: how today runs against it.
        channels: what the extra channels change.
        model: what the model changes beside them.
        override: what a person changes.
    """

    usual: Float
    level: Float
    channels: Float
    model: Float
    override: Float


def forecast_table(
    prediction: Prediction,
    origins: Minutes,
    issued_at: np.ndarray,  # type: ignore[type-arg]
    stations: Sequence[str],
    targets: Sequence[str],
    interval: int,
    model_version: str,
    degraded_reason: str | None = None,
    factors: Factors | None = None,
) -> pa.Table:
    """Rows of `schemas.FORECASTS`, by origin, station, target and minute.

    Args:
        prediction: mean [C, O, S, H] and quantiles [Q, C, O, S, H].
        origins: UTC, [O].
        issued_at: UTC, [O].
        stations: names of the axis S.
        targets: names of the axis C.
        interval: minutes per step; the horizon of a step counts to its end.
        model_version: who answered.
        degraded_reason: why it was not the champion on fresh data; None when all is well.
        factors: of the mean; null without them.
    """
    c, o, s, h = prediction.mean.shape
    steps = np.arange(h) * np.timedelta64(interval, "m")
    minute = np.repeat(origins.astype("datetime64[m]")[:, None] + steps, s * c, axis=0)
    horizon = np.tile(((np.arange(h) + 1) * interval).astype(np.int16), o * s * c)
    rows = o * s * c * h
    values = [column.transpose(1, 2, 0, 3).ravel() for column in (prediction.mean, *prediction.quantiles)]
    return pa.Table.from_arrays(
        [
            schemas.time_array(np.repeat(issued_at, s * c * h)),
            schemas.time_array(np.repeat(origins, s * c * h)),
            schemas.time_array(minute.ravel()),
            pa.array(horizon),
            schemas.name_array(np.tile(np.repeat(np.arange(s), c * h), o), stations),
            schemas.name_array(np.tile(np.repeat(np.arange(c), h), o * s), targets),
            *(pa.array(column, pa.float32()) for column in values),
            _constant(model_version, rows),
            _constant(degraded_reason, rows),
            *_factor_columns(factors, rows),
        ],
        schema=schemas.FORECASTS,
    )


@contextmanager
def replay_writer(path: Path) -> Iterator[Callable[[str, pa.Table], None]]:
    """Write a Parquet file of `REPLAYED` rows piece by piece; it appears whole, when the block ends well.

    Yields:
        A function that takes the name of a model and rows of `schemas.FORECASTS`.

    Raises:
        StoreError: if the folder cannot be written.
    """
    with table_writer(path, REPLAYED) as write:
        yield lambda model, rows: write(
            rows.select(schemas.PREDICTIONS.names).append_column(
                REPLAYED.field("model"), _constant(model, rows.num_rows)
            )
        )


def _constant(name: str | None, rows: int) -> pa.DictionaryArray:
    if name is None:
        return pa.nulls(rows, schemas.NAME)
    return schemas.name_array(np.zeros(rows, dtype=np.int32), [name])


def _factor_columns(factors: Factors | None, rows: int) -> list[pa.Array]:
    if factors is None:
        return [pa.nulls(rows, pa.float32()) for _ in schemas.FACTORS]
    each = (factors.usual, factors.level, factors.channels, factors.model, factors.override)
    return [pa.array(factor.transpose(1, 2, 0, 3).ravel(), pa.float32(), from_pandas=True) for factor in each]
