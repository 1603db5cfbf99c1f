"""A group of stations as a model sees it: its own stations, and one row that stands for the whole network.

So a group's model knows how the network runs today, and neither its fit nor its forecast holds the other stations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.arrays import Float, Int, Minutes
from tasks.channels import Channel
from tasks.contracts import Features, Tensors
from tasks.grid import Grid
from tasks.large_arrays import make_array, pieces
from tasks.model.origin_chunks import chunks

NETWORK = "(whole network)"
"""Name of the row; it is no station: nothing is fitted on it or forecast for it."""
REMEMBERED = 4_000
"""Origins whose rows are kept for the next group, at most: about 25 kB each."""


@dataclass(frozen=True)
class NetworkRow:
    """The network as one station, axes as in `Tensors` without that of stations.

    What each model sums over the network are people and what the profile expected where both are known. Today's steps
    hold these sums. A past week holds its ratio to what was expected of the stations then observed, times the profile:
    the same sum where every station was.

    Attributes:
        lags: float32 [K, C, O, R+H].
        recent: float32 [C, O, R].
        profile: float32 [C, O, R+H].
        trail: float32 [2, C, O, T].
    """

    lags: Float
    recent: Float
    profile: Float
    trail: Float

    @classmethod
    def of(cls, tensors: Tensors) -> NetworkRow:
        """The row of tensors of all stations of the network."""
        parts, steps = tensors.parts, tensors.recent.shape[-1]
        profile, recent = tensors.profile[:, :, parts], tensors.recent[:, :, parts]
        people, expected, seen = _sums(recent, profile[..., :steps])
        _, whole, known = _sums(profile, profile)
        usual = np.where(known, whole, np.nan)
        usual[..., :steps] = np.where(seen, expected, usual[..., :steps])
        lags = np.empty((len(tensors.lags), *usual.shape), np.float32)
        for week, lag in enumerate(tensors.lags):
            then, expected_then, seen_then = _sums(lag[:, :, parts], profile)
            ratio = np.divide(usual, expected_then, out=np.ones_like(usual), where=expected_then > 0)
            lags[week] = np.where(seen_then, then * ratio, np.nan)
        return cls(
            lags,
            np.where(seen, people, np.nan).astype(np.float32),
            usual.astype(np.float32),
            tensors.hours[:, :, :, parts].sum(axis=3, dtype=np.float64).astype(np.float32),
        )

    def at(self, origin: int) -> NetworkRow:
        """The row of one origin, which keeps that axis."""
        one = slice(origin, origin + 1)
        return NetworkRow(*(x[..., one, :].copy() for x in (self.lags, self.recent, self.profile, self.trail)))

    @classmethod
    def joined(cls, rows: Sequence[NetworkRow]) -> NetworkRow:
        """Rows of origins one after the other."""
        sides = ([getattr(row, name) for row in rows] for name in ("lags", "recent", "profile", "trail"))
        return cls(*(np.concatenate(side, axis=-2) for side in sides))


def _sums(counts: Float, profile: Float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """People and expectation over the stations that have both, float64 [C, O, step], and whether one has."""
    both = np.isfinite(counts) & np.isfinite(profile)
    people, expected = (np.where(both, x, np.float32(0)).sum(axis=2, dtype=np.float64) for x in (counts, profile))
    return people, expected, np.asarray(both.any(axis=2))


def add_row(tensors: Tensors, row: NetworkRow) -> Tensors:
    """Tensors of a group with the network as its last station."""
    level = np.ones_like(tensors.level[:, :, :1])
    extra = tensors.channels
    unknown = None if extra is None else np.full_like(extra[:, :, :, :1], np.nan)
    return replace(
        tensors,
        lags=np.concatenate([tensors.lags, row.lags[:, :, :, None]], axis=3),
        recent=np.concatenate([tensors.recent, row.recent[:, :, None]], axis=2),
        profile=np.concatenate([tensors.profile, row.profile[:, :, None]], axis=2),
        level=np.concatenate([tensors.level, level], axis=2),
        stations=(*tensors.stations, NETWORK),
        trail=None if tensors.trail is None else np.concatenate([tensors.trail, row.trail[:, :, :, None]], axis=3),
        channels=None if extra is None else np.concatenate([extra, unknown], axis=3),  # type: ignore[list-item]
        total=None,
        network=NETWORK,
    )


def select_stations(tensors: Tensors, at: Int) -> Tensors:
    """Tensors of the stations at some positions."""
    return replace(
        tensors,
        lags=tensors.lags[:, :, :, at],
        recent=tensors.recent[:, :, at],
        profile=tensors.profile[:, :, at],
        level=tensors.level[:, :, at],
        stations=tuple(tensors.stations[i] for i in at),
        trail=None if tensors.trail is None else tensors.trail[:, :, :, at],
        channels=None if tensors.channels is None else tensors.channels[:, :, :, at],
        total=None,
    )


class NetworkRows:
    """Rows of the network at any origins; those of some are kept, as groups ask for the same ones."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._kept: dict[np.datetime64, NetworkRow] = {}

    def at(self, origins: Minutes) -> NetworkRow:
        """The row at some origins, made of a bounded number of them at a time."""
        if not len(origins):
            return NetworkRow.of(self._features.tensors(origins))
        made: dict[np.datetime64, NetworkRow] = {}
        new = np.array([origin for origin in origins if origin not in self._kept], "datetime64[m]")
        for part in chunks(new, self._features):
            row = NetworkRow.of(self._features.tensors(part))
            made |= {origin: row.at(i) for i, origin in enumerate(part)}
        joined = NetworkRow.joined([self._kept[o] if o in self._kept else made[o] for o in origins])
        if len(self._kept) + len(made) <= REMEMBERED:
            self._kept |= made
        return joined


def _counts_of_group(grid: Grid, stations: Sequence[int]) -> Float:
    """Counts of the stations, in memory or in a file as those of the grid; none of the network, which comes last."""
    values = make_array((len(grid.values), len(stations) + 1, grid.values.shape[2]), grid.mapped)
    for part in pieces(values.shape[2]):
        values[:, :-1, part] = grid.values[:, stations, part]
    values[:, -1] = np.nan
    return values


class GroupFeatures:
    """Features of a group of stations and the network's row; implements `contracts.Features`.

    Args:
        features: of all stations.
        stations: positions of the group's.
        network: of the same features.
    """

    def __init__(self, features: Features, stations: Sequence[int], network: NetworkRows) -> None:
        grid = features.grid
        self._features, self._at, self._network = features, list(stations), network
        self.grid: Grid = replace(
            grid,
            values=_counts_of_group(grid, self._at),
            stations=(*(grid.stations[i] for i in self._at), NETWORK),
            total=None,
            past=None,
        )
        self.extra: tuple[Channel, ...] = features.extra

    def tensors(self, origins: Minutes, stations: Sequence[int] | None = None) -> Tensors:
        """Tensors at these origins of the group's stations, or of those at these positions in it; the network last."""
        at = self._at if stations is None else [self._at[i] for i in stations]
        return add_row(self._features.tensors(origins, at), self._network.at(origins))

    def truth(self, origins: Minutes) -> Float:
        """Counts of the hour after each origin, float32 [C, O, S, H]; NaN where not observed, and for the network."""
        parts = [self._features.truth(part)[:, :, self._at] for part in chunks(origins, self._features) or [origins]]
        counts = np.concatenate(parts, axis=1)
        return np.concatenate([counts, np.full_like(counts[:, :, :1], np.nan)], axis=2)
