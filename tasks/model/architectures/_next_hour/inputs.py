"""Inputs of the default network: level-free tensors in bins of some minutes, one row per origin and station.

Every day, today and each week before, is held against the profile at that day's own level, so that the same evening
looks the same in May and in December. The same function feeds training and serving.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from tasks.arrays import Float
from tasks.base_forecast import profile_times_level
from tasks.contracts import Tensors
from tasks.model.bins import bin_sums, divisor
from tasks.model.channel_inputs import ChannelScales, channel_features
from tasks.model.levels import level_features

Station = npt.NDArray[np.int32]

CLIP = 4.0
SIZE = 0.3
"""Brings the log of a count into the range of the other inputs."""
UNKNOWN = 0


class InputSettings(BaseModel):
    """How tensors become inputs; kept in the bundle, for serving must do as training did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bin_minutes: int = Field(5, ge=1, le=60, description="Minutes that are summed into one input.")
    network_bin_minutes: int = Field(15, ge=1, le=60, description="The same for the sum over all stations.")
    level_minutes: int = Field(60, ge=5, le=720, description="Minutes before the hour that set a day's level.")
    level_prior: float = Field(10.0, gt=0, description="People added to observed and expected of a level.")
    windows: tuple[int, ...] = Field(
        (15, 30, 60, 120, 180, 360, 720, 1440), description="Minutes before the hour, each with a level of its own."
    )
    count_prior: float = Field(2.0, gt=0, description="People added to both sides of a ratio.")


@dataclass(frozen=True)
class InputRows:
    """Inputs of the network; rows are origins, then stations.

    Attributes:
        weeks: float32 [row, day, feature]: the weekly lags, oldest first, and today last.
        context: float32 [row, feature]: log size of each target (times `SIZE`) first; levels, calendar, shape of hour;
            extra channels; what the start changes, where there is one.
        station: int32 [row, 1]: 1 + position in the stations that were trained on, 0 for others.
        base: float32 [row, target, step]: the forecast that the network corrects.
    """

    weeks: Float
    context: Float
    station: Station
    base: Float

    def __len__(self) -> int:
        return len(self.base)

    def inputs(self) -> dict[str, npt.NDArray[np.float32] | Station]:
        """By the names of the network's inputs."""
        return {"weeks": self.weeks, "context": self.context, "station": self.station, "base": self.base}


Start = Callable[[Tensors], Float]
"""A forecast from which a network starts: expected counts, float32 [target, origin, station, step]."""


def prepare(
    tensors: Tensors,
    known: tuple[str, ...],
    settings: InputSettings,
    scales: ChannelScales | None = None,
    start: Start | None = None,
) -> InputRows:
    """Inputs for every origin and station of the tensors.

    Args:
        tensors: of all stations of the network, because each row holds levels of the whole network.
        known: stations that were trained on, in the order of their embeddings.
        settings: bins and priors.
        scales: of the extra channels that are taken; none by default.
        start: forecast that the network corrects, and sees against profile times level; that itself by default.

    Raises:
        ModelError: if the tensors lack one of these channels.
    """
    size = divisor(tensors.horizon, settings.bin_minutes // tensors.interval)
    days = _Days.of(tensors, size, settings)
    coarse = divisor(tensors.horizon // size, settings.network_bin_minutes // (size * tensors.interval))
    origins, stations = tensors.level.shape[1:]
    rows = origins * stations
    at = {name: i + 1 for i, name in enumerate(known)}
    ids = np.array([at.get(name, UNKNOWN) for name in tensors.stations], np.int32)
    simple = profile_times_level(tensors)
    base = simple if start is None else start(tensors)
    weeks = days.features(coarse, settings)
    context = _context(tensors, base, days, size, settings, scales or {})
    if start is not None:
        context = np.concatenate([context, _hour_ratio(base, simple, settings)], axis=-1)
    return InputRows(
        weeks=weeks.reshape(rows, *weeks.shape[2:]),
        context=context.reshape(rows, context.shape[-1]),
        station=np.tile(ids, origins)[:, None],
        base=base.transpose(1, 2, 0, 3).reshape(rows, len(tensors.targets), tensors.horizon),
    )


def seen_columns(tensors: Tensors, settings: InputSettings) -> slice:
    """Columns of `InputRows.weeks` that hold the share of each bin that was observed."""
    size = divisor(tensors.horizon, settings.bin_minutes // tensors.interval)
    bins = tensors.lags.shape[-1] // size
    return slice(len(tensors.targets) * bins, (len(tensors.targets) + 1) * bins)


@dataclass(frozen=True)
class _Days:
    """Binned counts of every day; axes D days (oldest first, today last), C, O, S, B bins.

    Attributes:
        seen: float32 [D, O, S, B], share of steps observed.
        people, expected: float32 [D, C, O, S, B], over the steps with both a count and a profile.
        recent: bins before the hour.
        window: of these the last ones, that set a level.
        prior: people added to both sides of a level.
        parts: stations that make up the network.
    """

    seen: Float
    people: Float
    expected: Float
    recent: int
    window: int
    prior: float
    parts: slice

    @classmethod
    def of(cls, tensors: Tensors, size: int, settings: InputSettings) -> _Days:
        known, bins = ~np.isnan(tensors.profile), tensors.profile.shape[-1] // size
        usual = np.where(known, tensors.profile, np.float32(0))
        usual_bins = bin_sums(usual, size)
        days = (*tensors.lags[::-1], _whole_day(tensors))
        people = np.empty((len(days), *tensors.profile.shape[:-1], bins), np.float32)
        expected, share = np.empty_like(people), np.empty((len(days), *people.shape[2:]), np.float32)
        for day, counts in enumerate(days):
            seen = known & ~np.isnan(counts)
            if seen.all():
                people[day], expected[day], share[day] = bin_sums(counts, size), usual_bins, 1
                continue
            people[day] = bin_sums(np.where(seen, counts, np.float32(0)), size)
            expected[day] = bin_sums(np.where(seen, usual, np.float32(0)), size)
            share[day] = bin_sums(seen.view(np.uint8), size).astype(np.float32).mean(axis=0) / np.float32(size)
        recent = bins - tensors.horizon // size
        window = min(max(settings.level_minutes // (size * tensors.interval), 1), recent)
        return cls(share, people, expected, recent, window, settings.level_prior, tensors.parts)

    def network(self) -> tuple[Float, Float]:
        """People and expectation of all stations together, [D, C, O, 1, B]."""
        people, expected = (x[:, :, :, self.parts].sum(axis=3, keepdims=True) for x in (self.people, self.expected))
        return people, expected

    def levels(self) -> tuple[Float, Float]:
        """How each day ran before the hour: stations (drawn to the network), [D, C, O, S]; network, [D, C, O, 1]."""
        network = self._level(*self.network(), np.float32(1))
        return self._level(self.people, self.expected, network), network

    def _level(self, people: Float, expected: Float, towards: Float | np.float32) -> Float:
        at = slice(self.recent - self.window, self.recent)
        sums = people[..., at].sum(axis=-1), expected[..., at].sum(axis=-1)
        return np.asarray((sums[0] + self.prior * towards) / (sums[1] + self.prior), dtype=np.float32)

    def features(self, coarse: int, settings: InputSettings) -> Float:
        """Log ratios to the profile at the day's level, the same of the network, levels, masks: [O, S, D, F]."""
        (level, both), whole = self.levels(), self.network()
        own = _log_ratio(self.people, self.expected * level[..., None], settings.count_prior)
        network = bin_sums(_log_ratio(whole[0], whole[1] * both[..., None], settings.count_prior), coarse) / coarse
        bins, groups = own.shape[-1], network.shape[-1]
        days, targets, origins, stations = level.shape
        out = np.empty((origins, stations, days, targets * (bins + groups + 2) + bins), np.float32)
        parts = (
            (own.transpose(2, 3, 0, 1, 4), targets * bins),
            (self.seen.transpose(1, 2, 0, 3), bins),
            (np.log(level).transpose(2, 3, 0, 1), targets),
            (np.log(both).transpose(2, 3, 0, 1), targets),
            (network.transpose(2, 3, 0, 1, 4), targets * groups),
        )
        start = 0
        for part, width in parts:
            out[..., start : start + width] = part.reshape(origins, part.shape[1], days, width)
            start += width
        return np.clip(out, -CLIP, CLIP, out=out)


def _whole_day(tensors: Tensors) -> Float:
    """The present day like the earlier ones, [C, O, S, R+H]: its hour ahead is NaN."""
    day = np.full_like(tensors.profile, np.nan)
    day[..., : tensors.recent.shape[-1]] = tensors.recent
    return day


def _log_ratio(people: Float, expected: Float, prior: float) -> Float:
    return np.log((people + np.float32(prior)) / (expected + np.float32(prior)))


def _hour_ratio(base: Float, simple: Float, settings: InputSettings) -> Float:
    """How the start differs from profile times level in the hour, log, [O, S, C]."""
    ratio = _log_ratio(base.sum(axis=-1), simple.sum(axis=-1), settings.count_prior)
    return np.clip(ratio, -CLIP, CLIP).transpose(1, 2, 0)


def _context(
    tensors: Tensors, base: Float, days: _Days, size: int, settings: InputSettings, scales: ChannelScales
) -> Float:
    """Size of each target first; levels, calendar of the first step, shape of the hour; channels: [O, S, F].

    The second level is what drawing towards the network instead of 1 would change: what a quiet station's level lacks.
    """
    level, shape = tensors.level, tensors.level.shape[1:]
    today, network = (part[-1] for part in days.levels())
    expected = bin_sums(base, size)
    by_bin = _log_ratio(expected, expected.mean(axis=-1, keepdims=True), settings.count_prior)
    windows = level_features(tensors, settings.windows, settings.level_prior, settings.count_prior)
    parts = (
        (np.log1p(expected.sum(axis=-1)) * np.float32(SIZE)).transpose(1, 2, 0),
        np.log(level).transpose(1, 2, 0),
        (np.log(today) - np.log(level)).transpose(1, 2, 0),
        np.broadcast_to(np.log(network), level.shape).transpose(1, 2, 0),
        np.broadcast_to(tensors.calendar[:, None, 0], (*shape, tensors.calendar.shape[-1])),
        by_bin.transpose(1, 2, 0, 3).reshape(*shape, by_bin.shape[0] * by_bin.shape[-1]),
        np.clip(windows, -CLIP, CLIP),
        channel_features(tensors, scales),
    )
    return np.concatenate(parts, axis=-1, dtype=np.float32)
