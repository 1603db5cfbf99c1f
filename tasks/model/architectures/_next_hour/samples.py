"""Training rows of the default network: a bounded, seeded draw of (origin, station) pairs, augmented.

Feeds come late, gates go silent, young networks have few weeks, demand drifts with the seasons: augmentation masks
recent minutes and whole weeks, scales the past weeks, and computes the level from that, as a live forecast would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, Progress, Tensors
from tasks.model.architectures._next_hour.inputs import SIZE, UNKNOWN, InputRows, InputSettings, Start, Station, prepare
from tasks.model.channel_inputs import ChannelScales, mask_channels
from tasks.model.networks.fit import aligned_array
from tasks.model.origin_chunks import chunks

SPREAD = 6
"""At least one in this many stations of an origin that is looked at becomes a row: what all stations of a moment share
is learnt from many moments, or chance decides it. Of 276 stations and four weeks, RMSE by the seed 85.7 to 87.2; with
one in 2, 86.6 to 92.2."""
MIDDLE_WEEK = 3.5
"""Mean age of the profile in weeks at the default weights."""
UNOBSERVED = np.float32(-1)
"""Value of the truth where nothing was observed."""


class Augment(BaseModel):
    """How training rows are augmented."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    late_minutes: int = Field(20, ge=0, description="The last minutes masked, at most, in half of the rows.")
    silent: float = Field(0.02, ge=0, le=1, description="Share of rows whose whole present day is masked.")
    weeks: float = Field(0.0, ge=0, lt=1, description="Share of weeks masked.")
    size: float = Field(0.3, ge=0, description="Log error of the size of a station, standard deviation.")
    drift: float = Field(0.0, ge=0, description="Log change of past demand per week, standard deviation.")
    shift: float = Field(0.0, ge=0, description="Log error of the profile as a whole, standard deviation.")
    unknown: float = Field(0.05, ge=0, lt=1, description="Share of rows whose station is replaced by the unknown one.")
    channels: float = Field(0.1, ge=0, lt=1, description="Share of origins at which an extra channel is masked.")


@dataclass(frozen=True)
class Samples:
    """Rows to fit on.

    Attributes:
        windows: inputs.
        truth: float32 [row, target, step], `UNOBSERVED` where not observed.
        place: int32 [row], position of the station in the grid.
        origin: datetime64[m] [row].
    """

    windows: InputRows
    truth: Float
    place: Station
    origin: Minutes


def draw(
    features: Features,
    origins: Minutes,
    most: int,
    known: tuple[str, ...],
    settings: InputSettings,
    rng: np.random.Generator,
    augment: Augment | None = None,
    progress: Progress | None = None,
    scales: ChannelScales | None = None,
    start: Start | None = None,
    into: TrainingRows | None = None,
) -> Samples:
    """At most `most` rows at these origins, in the order of time; rows without any truth are left out.

    Args:
        features: the maker of tensors.
        origins: ascending.
        most: bound on rows.
        known: stations with an embedding.
        settings: see `prepare`.
        rng: draws origins, stations and augmentation.
        augment: how rows are augmented; not at all without it.
        progress: called with the number of origins done.
        scales: see `prepare`.
        start: see `prepare`.
        into: rows of earlier draws, behind which these are written; it must have room for them.
    """
    stations = len(features.grid.stations)
    looked = min(len(origins), max(SPREAD * most // stations, 1), most)
    each = min(stations, max(most // looked, 1))
    chosen = np.sort(rng.choice(len(origins), looked, replace=False)) if looked < len(origins) else slice(None)
    rows, done = TrainingRows(looked * each) if into is None else into, 0
    first = len(rows)
    for part in chunks(origins[chosen], features):
        tensors = features.tensors(part)
        tensors = augment_tensors(tensors, augment, settings, rng) if augment else tensors
        windows, truth = prepare(tensors, known, settings, scales, start), features.truth(part).transpose(1, 2, 0, 3)
        pick = np.argsort(rng.random((len(part), stations)), axis=1) < each
        pick &= np.isfinite(truth).any(axis=(2, 3))
        rows.add(windows, truth.reshape(len(windows), *truth.shape[2:]), part, np.flatnonzero(pick))
        done += len(part)
        if progress:
            progress("training rows", done, looked)
    samples = rows.samples(first)
    if augment:
        jitter(samples, augment, len(features.grid.targets), rng)
    return samples


def jitter(samples: Samples, augment: Augment, targets: int, rng: np.random.Generator) -> None:
    """Perturb identity and size of the stations in place, so that the network does not rely on them."""
    windows, rows = samples.windows, len(samples.place)
    windows.station[rng.random(rows) < augment.unknown] = UNKNOWN
    windows.context[:, :targets] += rng.normal(0, augment.size * SIZE, (rows, 1)).astype(np.float32)


def augment_tensors(tensors: Tensors, augment: Augment, settings: InputSettings, rng: np.random.Generator) -> Tensors:
    """Augmented tensors: late minutes, silent stations, missing weeks and channels, a drift of past demand."""
    augmented = mask_channels(drift(mask_history(tensors, augment, rng), augment, rng), augment.channels, rng)
    before, after = _level(tensors, settings), _level(augmented, settings)
    return replace(augmented, level=tensors.level * after / before)


def mask_history(tensors: Tensors, augment: Augment, rng: np.random.Generator) -> Tensors:
    """Mask the last minutes at half of the origins, the present day at some stations, some weeks; keep the level."""
    weeks, _, origins, stations, _ = tensors.lags.shape
    steps, most = tensors.recent.shape[-1], augment.late_minutes // tensors.interval
    late = rng.integers(1, most + 1, origins) if most else np.zeros(origins, np.int64)
    masked = np.broadcast_to(np.where(rng.random(origins) < 0.5, late, 0)[:, None], (origins, stations)).copy()
    silent = rng.random((origins, stations)) < augment.silent
    if tensors.network is not None:  # no network is silent as a whole
        silent[:, -1] = False
    masked[silent] = steps
    recent = np.where(np.arange(steps)[::-1] < masked[:, :, None], np.float32(np.nan), tensors.recent)
    lags = tensors.lags
    if augment.weeks:
        lags = lags.copy()
        lags.swapaxes(1, 2)[rng.random((weeks, origins)) < augment.weeks] = np.nan
    trail = np.where(silent[:, :, None], np.float32(0), tensors.hours)
    return replace(tensors, lags=lags, recent=recent, trail=trail)


def drift(tensors: Tensors, augment: Augment, rng: np.random.Generator) -> Tensors:
    """Scale past demand by a constant rate per week; the profile follows the middle weeks."""
    if not augment.drift and not augment.shift:
        return tensors
    weeks, _, origins = tensors.lags.shape[:3]
    rate, error = rng.normal(0, augment.drift, origins), rng.normal(0, augment.shift, origins)
    factor = np.exp(np.arange(1, weeks + 1)[:, None] * rate).astype(np.float32)
    profile = np.exp(MIDDLE_WEEK * rate + error).astype(np.float32)
    return replace(
        tensors,
        lags=tensors.lags * factor[:, None, :, None, None],
        profile=tensors.profile * profile[:, None, None],
        trail=np.stack([tensors.hours[0], tensors.hours[1] * profile[:, None, None]]),
    )


def _level(tensors: Tensors, settings: InputSettings) -> Float:
    """Level of today, float32 [C, O, S], as the features compute it."""
    recent, steps = tensors.recent, tensors.recent.shape[-1]
    window = min(settings.level_minutes // tensors.interval, steps)
    counts, profile = recent[..., steps - window :], tensors.profile[..., steps - window : steps]
    both = ~(np.isnan(counts) | np.isnan(profile))
    sums = [np.where(both, x, np.float32(0)).sum(axis=-1) for x in (counts, profile)]
    return np.asarray((sums[0] + settings.level_prior) / (sums[1] + settings.level_prior), dtype=np.float32)


class TrainingRows:
    """Rows gathered into arrays of their final size, so that nothing is held twice; memory is taken as they come.

    Args:
        most: rows of all draws together.
    """

    def __init__(self, most: int) -> None:
        self._most, self._used = most, 0
        self._arrays: list[npt.NDArray[Any]] = []

    def __len__(self) -> int:
        return self._used

    def add(self, windows: InputRows, truth: Float, origins: Minutes, pick: npt.NDArray[np.int64]) -> None:
        """Write some of the rows of these origins behind those that are there.

        Args:
            windows: inputs of all rows.
            truth: float32 [row, target, step]; NaN where not observed.
            origins: of the rows, which are origins, then stations.
            pick: positions of the rows that are taken.
        """
        truth, stations = np.where(np.isnan(truth), UNOBSERVED, truth), len(windows) // len(origins)
        place = np.tile(np.arange(stations, dtype=np.int32), len(origins))
        origin = np.repeat(origins.astype("datetime64[m]"), stations)
        parts = (windows.weeks, windows.context, windows.station, windows.base, truth, place, origin)
        if not self._arrays:
            self._arrays = [aligned_array((self._most, *part.shape[1:]), part.dtype) for part in parts]
        stop = self._used + len(pick)
        for array, part in zip(self._arrays, parts, strict=True):
            array[self._used : stop] = part[pick]
        self._used = stop

    def samples(self, first: int = 0) -> Samples:
        """The rows from a position on, as they lie here."""
        weeks, context, station, base, truth, place, origin = (array[first : self._used] for array in self._arrays)
        return Samples(InputRows(weeks, context, station, base), truth, place, origin)
