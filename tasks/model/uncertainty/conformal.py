"""Intervals of counts calibrated on held-out hours, by the size of the forecast and by the horizon.

For each cell and each pair of quantiles one number is learnt, the reach: added to the root of the upper quantile and
taken from that of the lower, it makes the interval cover its nominal share (conformalized quantile regression,
Y. Romano, E. Patterson, E. Candès, NeurIPS 2019; in roots, whose spread is the same for few and many). Counts are
whole numbers, so a reach decides which of them belong to the interval, and no more: a quantile that the network has
nearest to one that does not belong is published a hundredth short of it, where the pinball loss hardly feels it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from tasks.arrays import QUANTILES, Float, Int

SIZES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Edges of the classes of forecasts, expected people per interval."""
BANDS = (15, 30, 60)
"""Last horizon minute of each band."""
FEWEST = 400
"""Counts below which a cell has the reach of its class of forecasts in all bands."""
FEWEST_OF_SIZE = 100
"""Counts below which a class is left as the network has it."""
REACH = (-0.5, 100.0)
SHORT = np.float32(0.01)
MIDDLE = QUANTILES.index(0.5)
PAIRS = tuple((i, len(QUANTILES) - 1 - i) for i in range(MIDDLE))
Cell = npt.NDArray[np.bool_]


class Calibration(BaseModel):
    """What was learnt.

    Attributes:
        interval: minutes per step.
        reach: by pair (outermost first), size class and band; None where there was too little to learn from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: int
    reach: tuple[tuple[tuple[float | None, ...], ...], ...]

    def over(self, other: Calibration) -> Calibration:
        """This one, with another's reach where it has none."""
        cells = ((mine, theirs) for mine, theirs in zip(self.reach, other.reach, strict=True))
        reach = [
            [[a if b is None else b for a, b in zip(*rows, strict=True)] for rows in zip(theirs, mine, strict=True)]
            for mine, theirs in cells
        ]
        return Calibration.model_validate({"interval": self.interval, "reach": reach})

    def apply(self, mean: Float, quantiles: Float) -> Float:
        """Calibrated quantiles, >= 0 and non-decreasing; whole numbers, or a hundredth to the middle of one.

        Args:
            mean: float32 [..., H].
            quantiles: float32 [Q, ..., H], the network's.
        """
        ends, roots = np.round(quantiles), np.sqrt(quantiles)
        size, band = _size(mean), _band(mean.shape[-1], self.interval)
        for pair, of_pair in zip(PAIRS, self.reach, strict=True):
            known = np.array([[np.nan if reach is None else reach for reach in row] for row in of_pair], np.float32)
            _end(roots, ends, pair, known[size, band])
        ends[:MIDDLE] = np.minimum.accumulate(ends[MIDDLE::-1], axis=0)[:0:-1]
        ends[MIDDLE:] = np.maximum.accumulate(ends[MIDDLE:], axis=0)
        return ends


def calibrate(mean: Float, quantiles: Float, truth: Float, interval: int) -> Calibration:
    """Learn from held-out hours.

    Args:
        mean: float32 [..., H].
        quantiles: float32 [Q, ..., H], the network's, ascending.
        truth: float32 [..., H], negative or NaN where not observed.
        interval: minutes per step.
    """
    reach: list[list[list[float | None]]] = [[[None] * len(BANDS) for _ in range(len(SIZES) + 1)] for _ in PAIRS]
    seen, sizes, bands = truth >= 0, _size(mean), _band(mean.shape[-1], interval)
    for size in np.unique(sizes).tolist():
        of_size = (sizes == size) & seen
        for band in np.unique(bands).tolist():
            use = of_size & (bands == band)
            use = use if use.sum() >= FEWEST else of_size
            if use.sum() >= FEWEST_OF_SIZE:
                for pair, of_pair in zip(PAIRS, reach, strict=True):
                    of_pair[size][band] = _reach(quantiles[:, use], truth[use], pair)
    return Calibration.model_validate({"interval": interval, "reach": reach})


def calibrate_rows(
    output: Float, truth: Float, interval: int, own: Cell | None = None
) -> tuple[Calibration, Calibration | None]:
    """Learn from rows that a network was not fitted on.

    Args:
        output: float32 [row, 1 + quantile, target, step], the mean first.
        truth: float32 [row, target, step], negative or NaN where not observed.
        interval: minutes per step.
        own: bool [row], rows whose counts spread otherwise than others of their size.

    Returns:
        One of all other rows; and one of the rows `own`, which is that of the others where these are too few.
    """

    def of(rows: Cell | slice) -> Calibration:
        quantiles = np.ascontiguousarray(output[rows, 1:].swapaxes(0, 1))
        return calibrate(output[rows, 0], quantiles, truth[rows], interval)

    if own is None:
        return of(slice(None)), None
    others = of(~own)
    return others, of(own).over(others)


def _size(mean: Float) -> Int:
    """Size class of each forecast, [..., H]."""
    return np.searchsorted(SIZES, mean, side="right")


def _band(steps: int, interval: int) -> Int:
    """Band of each step of the horizon, [H]."""
    return np.minimum(np.searchsorted(BANDS, (np.arange(steps) + 1) * interval), len(BANDS) - 1)


def _reach(quantiles: Float, counts: Float, pair: tuple[int, int]) -> float:
    """The reach at which the interval covers its nominal share; the middle is always in."""
    low, high = pair
    middle, root = np.round(quantiles[MIDDLE]), np.sqrt(counts)
    above, below = root - np.sqrt(quantiles[high]), np.sqrt(quantiles[low]) - root
    needed = np.where(counts > middle, above, np.where(counts < middle, below, -np.inf))
    found = np.quantile(needed, QUANTILES[high] - QUANTILES[low], method="inverted_cdf")
    return round(float(np.clip(found, *REACH)) + 1e-5, 5)


def _end(roots: Float, ends: Float, pair: tuple[int, int], reach: Float) -> None:
    """Move the ends of one interval, in place, where the whole numbers that belong to it are others.

    Args:
        roots: float32 [Q, ..., H], of the network's quantiles.
        ends: float32 [Q, ..., H], whole numbers.
        pair: the lower and the upper quantile.
        reach: float32 [..., H]; NaN where it is not known, and the ends stay.
    """
    low, high = pair
    known = ~np.isnan(reach)
    last = np.maximum(np.floor(np.square(np.maximum(roots[high] + reach, 0))), ends[MIDDLE])
    first = np.minimum(np.ceil(np.square(np.maximum(roots[low] - reach, 0))), ends[MIDDLE])
    np.copyto(ends[high], np.where(last < ends[high], last + 1 - SHORT, last), where=known)
    np.copyto(ends[low], np.where(first > ends[low], first - 1 + SHORT, first), where=known)
