"""Schemas of the tables, the paths of their files, and the conversion of their columns to and from NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import QUANTILE_COLUMNS

TIME = pa.timestamp("us", tz="UTC")
NAME = pa.dictionary(pa.int32(), pa.string())
NOT_KNOWN = -1
"""Count in observations of a part that counted people nobody knows: the sum of all parts is then not known either."""


def observations(targets: Sequence[str]) -> pa.Schema:
    """Schema of what sources stated; key (station_id, minute_utc, part, available_at, received_at).

    A null count says nothing; `NOT_KNOWN` withdraws what was stated.
    """
    return pa.schema(
        [
            ("station_id", NAME),
            ("minute_utc", TIME),
            ("part", NAME),
            ("source", NAME),
            ("available_at", TIME),
            ("received_at", TIME),
            *((target, pa.int32()) for target in targets),
        ]
    )


def minutes(targets: Sequence[str]) -> pa.Schema:
    """Schema of today's truth; key (station_id, minute_utc). A null target was not observed."""
    return pa.schema([("station_id", NAME), ("minute_utc", TIME), *((t, pa.int32()) for t in targets)])


REJECTS = pa.schema(
    [
        ("source", NAME),
        ("origin", NAME),
        ("line", pa.int64()),
        ("reason", NAME),
        ("text", pa.string()),
        ("received_at", TIME),
    ]
)

PREDICTIONS = pa.schema(
    [
        ("issued_at", TIME),
        ("origin_utc", TIME),
        ("minute_utc", TIME),
        ("horizon_minutes", pa.int16()),
        ("station_id", NAME),
        ("target", NAME),
        ("mean", pa.float32()),
        *((name, pa.float32()) for name in QUANTILE_COLUMNS),
        ("model_version", NAME),
        ("degraded_reason", NAME),
    ]
)
"""What was predicted, by whom: the forecasts table without `FACTORS`, which scores and replays do not read."""

SHADOWS = PREDICTIONS
"""What models beside the champion predicted, unpublished; `model_version` is the name in `[forecast] shadows`."""

FACTORS = ("usual", "level_factor", "channels_factor", "model_factor", "override_factor")
"""Columns whose product is the mean. All are null where there is no usual, and in files of earlier releases."""

FORECASTS = pa.schema([*PREDICTIONS, *((name, pa.float32()) for name in FACTORS)])

SCORES = pa.schema(
    [
        ("issued_at", TIME),
        ("origin_utc", TIME),
        ("station_id", NAME),
        ("target", NAME),
        ("band", NAME),
        ("model_version", NAME),
        ("minutes", pa.int32()),
        ("actual", pa.float64()),
        ("forecast", pa.float64()),
        ("absolute_error", pa.float64()),
        ("squared_error", pa.float64()),
        ("poisson_deviance", pa.float64()),
        ("pinball", pa.float64()),
        ("covered_80", pa.float64()),
        ("covered_90", pa.float64()),
        ("baseline_absolute_error", pa.float64()),
        ("crps", pa.float64()),
        ("covered_50", pa.float64()),
        ("usual", pa.float64()),
        ("without_override", pa.float64()),
    ]
)
"""Errors of forecasts. The last four columns are null in files of earlier releases: CRPS and coverage of 50 % per
minute, the usual people of the band, and the forecast without what a person multiplied it by."""

BUSY_HOURS = pa.schema([("station_id", NAME), ("target", NAME), ("limit", pa.float64())])
"""People per hour above which an hour of a service day is one of the busiest tenth; see `tasks.busy_hours`."""

ALERT_SIGNALS = pa.schema(
    [
        ("signal", NAME),
        ("moment_utc", TIME),
        ("station_id", NAME),
        ("target", NAME),
        ("forecast", pa.float32()),
        ("variance", pa.float32()),
        ("value", pa.float32()),
        ("above", pa.bool_()),
    ]
)
"""What the signals of alerts would have raised, where they were strong or came true; see `tasks.alert_signals`. `value`
is the limit, or the people who were counted; `above` says whether it came true, null where that was not observed."""

ALERTS = pa.schema(
    [
        ("moment_utc", TIME),
        ("state", NAME),
        ("signal", NAME),
        ("station_id", NAME),
        ("target", NAME),
        ("opened_utc", TIME),
        ("strength", pa.float64()),
        ("threshold", pa.float64()),
        ("forecast", pa.float64()),
        ("value", pa.float64()),
    ]
)
"""Alerts that opened or closed, once each; see `docs/scores.md`."""

STATION_LEVELS = pa.schema(
    [
        ("station_id", NAME),
        ("target", NAME),
        ("name", pa.string()),
        ("line", pa.string()),
        ("zone", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("hour", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("usual", pa.float64()),
        ("percent_of_usual", pa.float64()),
        ("record", pa.float64()),
        ("percent_of_record", pa.float64()),
        ("capacity", pa.int64()),
        ("percent_of_capacity", pa.float64()),
        ("level", pa.int8()),
        ("level_name", pa.string()),
        ("level_factor", pa.float64()),
        ("channels_factor", pa.float64()),
        ("model_factor", pa.float64()),
        ("override_factor", pa.float64()),
        ("why", pa.string()),
    ]
)
"""The next hour of every station and target for people; see `docs/forecasts.md`. Null where something is not known.
`low` to `high` holds nine of ten hours."""

DAY_SERIES = pa.schema(
    [
        ("station_id", NAME),
        ("target", NAME),
        ("minute_utc", TIME),
        ("usual", pa.float32()),
        ("observed", pa.float32()),
        ("forecast", pa.float32()),
        ("low", pa.float32()),
        ("high", pa.float32()),
        ("kind", NAME),
    ]
)
"""A service day in bins: typical, observed so far and forecast. People per bin; `low` to `high` holds nine of ten."""


REST_OF_DAY = pa.schema(
    [
        ("issued_at", TIME),
        ("origin_utc", TIME),
        ("minute_utc", TIME),
        ("minutes", pa.int16()),
        ("station_id", NAME),
        ("target", NAME),
        ("usual", pa.float32()),
        ("forecast", pa.float32()),
        ("low", pa.float32()),
        ("high", pa.float32()),
        ("weekday_mean", pa.float32()),
    ]
)
"""The rest of the day as issued, in bins of `minutes`, beside the mean of the same weekday in the weeks before."""

REST_OF_DAY_SCORES = pa.schema(
    [
        ("issued_at", TIME),
        ("origin_utc", TIME),
        ("station_id", NAME),
        ("target", NAME),
        ("hours_ahead", NAME),
        ("bins", pa.int32()),
        ("actual", pa.float64()),
        ("forecast", pa.float64()),
        ("absolute_error", pa.float64()),
        ("weekday_mean_absolute_error", pa.float64()),
        ("covered_90", pa.float64()),
    ]
)
"""Sums over the bins of a band of hours ahead that were wholly observed; `covered_90` counts those in the band."""


def day_folder(table: str, day: np.datetime64 | str) -> str:
    """Folder of one service day of a table."""
    return f"{table}/service_date={day}"


def minutes_file(day: np.datetime64 | str) -> str:
    """The one file of a service day of the minute table."""
    return f"{day_folder('minutes', day)}/part.parquet"


def to_time(moment: np.datetime64) -> pa.Scalar:
    """A moment as the tables hold it."""
    return pa.scalar(moment.astype("datetime64[us]").item(), pa.timestamp("us")).cast(pa.timestamp("us")).cast(TIME)


def time_array(moments: np.ndarray) -> pa.Array:  # type: ignore[type-arg]
    """datetime64 of any unit as a column; NaT becomes null."""
    ticks = moments.astype("datetime64[us]", copy=False).view(np.int64)
    never = np.iinfo(np.int64).min
    unknown = ticks == never if len(ticks) and ticks.min() == never else None
    return pa.array(ticks, pa.int64(), mask=unknown).cast(TIME)


def one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which would copy even one chunk


def numpy_times(column: pa.ChunkedArray | pa.Array) -> np.ndarray:  # type: ignore[type-arg]
    """A time column as datetime64[us]; null becomes NaT."""
    whole = one_array(column)
    times = np.asarray(whole.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    return times.astype("datetime64[us]", copy=False)


def name_codes(column: pa.ChunkedArray | pa.Array) -> tuple[npt.NDArray[np.int32], list[str]]:
    """A name column as codes into its sorted distinct names, those in use only; null is -1."""
    whole = one_array(column)
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode()
    held = np.asarray(whole.dictionary.to_pylist(), dtype=object)
    indices = whole.indices.cast(pa.int32())
    codes = (indices.fill_null(-1) if indices.null_count else indices).to_numpy(zero_copy_only=False)
    used = np.zeros(len(held) + 1, dtype=bool)
    used[run_heads(codes)] = True  # null marks the place after the last name
    used[-1] = False
    used[:-1] &= np.array([name is not None for name in held], dtype=bool)
    names, ranks = np.unique(held[used[:-1]], return_inverse=True)
    place = np.full(len(held) + 1, -1, dtype=np.int32)
    place[used] = ranks
    as_they_are = np.array_equal(place[:-1], np.arange(len(held)))
    return codes if as_they_are else place[codes], names.tolist()


def run_heads(codes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The codes less those that equal the one before: every code is among them, and where they come in runs few are."""
    return np.concatenate([codes[:1], codes[1:][codes[1:] != codes[:-1]]])


def name_array(codes: npt.NDArray[np.integer], names: Sequence[str]) -> pa.DictionaryArray:
    """The reverse of `name_codes`."""
    unknown = codes < 0 if len(codes) and codes.min() < 0 else None
    indices = pa.array(codes.astype(np.int32, copy=False), mask=unknown)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), pa.string()), safe=False).cast(NAME)


def ascending(keys: Sequence[npt.NDArray[np.integer]], strictly: bool = False) -> bool:
    """Whether rows are in order by several keys, the first one first; and, `strictly`, no two equal in all."""
    tied: npt.NDArray[np.bool_] | None = None  # with the row before, in all keys so far; None for all rows
    for key in keys:
        falls, same = key[1:] < key[:-1], key[1:] == key[:-1]
        if tied is not None:
            falls &= tied
            same &= tied
        if falls.any():
            return False
        if not same.any():
            return True
        tied = same
    return not strictly
