"""Series as text: one or two characters per value, so that the day of 300 stations is a small file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Double = npt.NDArray[np.float64]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Digits 0 to 63; `page/data.js` has the same."""
_CODES = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)


def pack(values: Double, tops: Double, digits: int) -> list[str]:
    """Values from 0 to `tops` as text, `digits` characters each; the largest number stands for a missing value.

    Args:
        values: [n, bins]; NaN is missing, what lies outside is clipped.
        tops: value of the largest number but one per series, above 0, [n].
        digits: 1 (62 steps) or 2 (4094 steps).

    >>> pack(np.array([[0.0, 62.0, np.nan]]), np.array([62.0]), 1)
    ['A-_']
    """
    steps = 64**digits - 2
    known = np.isfinite(values)
    scaled = np.rint(np.where(known, values, 0.0) / tops[:, None] * steps).clip(0, steps)
    numbers = np.where(known, scaled, steps + 1).astype(np.int64)
    places = np.stack([numbers // 64**place % 64 for place in reversed(range(digits))], axis=-1)
    return [row.tobytes().decode() for row in _CODES[places.reshape(len(values), -1)]]


def pack_together(series: dict[str, Double]) -> list[dict[str, object]]:
    """Several series per station in one scale, its `top`; each as the place of its first value, and text from there.

    Args:
        series: name -> [n, bins]; NaN is missing.
    """
    tops = common_tops(list(series.values()))
    made: list[dict[str, object]] = [{"top": top} for top in tops.tolist()]
    for name, values in series.items():
        known = np.isfinite(values)
        first = known.argmax(axis=1).tolist()
        end = np.where(known.any(axis=1), values.shape[1] - known[:, ::-1].argmax(axis=1), first).tolist()
        for i, text in enumerate(pack(values, tops, 2)):
            made[i][name] = [first[i], text[2 * first[i] : 2 * end[i]]]
    return made


def common_tops(series: list[Double]) -> Double:
    """Largest value of several [n, bins] series per row, to four digits, at least 1; [n]."""
    highest = np.max([np.fmax.reduce(values, axis=1, initial=1.0) for values in series], axis=0)
    return np.array([float(f"{top:.4g}") for top in highest.tolist()])
