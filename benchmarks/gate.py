"""How often the gate errs: false and missed promotions of tests over a few held-out days whose losses are correlated.

python benchmarks/gate.py [--trials 4000]

A day's relative gain of the challenger is normal with the given mean, spread 1, and AR(1) correlation from day to day;
heavy: a t distribution of three degrees. Four and eight rows are also the quarters of one or two days. False: promoted
at no gain. Missed: not promoted at a gain of one spread.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from common import save
from scipy.stats import t as student

from tasks.model.promotion.gate import better_confidence

RESAMPLES = 400


def gains(rng: np.random.Generator, trials: int, days: int, mean: float, rho: float, heavy: bool) -> np.ndarray:
    """Relative gains of each day, float64 [trial, day]."""
    noise = rng.standard_t(3, (trials, days)) / np.sqrt(3) if heavy else rng.normal(size=(trials, days))
    out = np.empty_like(noise)
    out[:, 0] = noise[:, 0]
    for day in range(1, days):
        out[:, day] = rho * out[:, day - 1] + np.sqrt(1 - rho**2) * noise[:, day]
    return mean + out


def paired_t(gain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The gate's test, by its own code."""
    return np.array([better_confidence(1 - day / 200, 1 + day / 200) for day in gain])


def bootstrap(gain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of resamples of the days with a positive mean."""
    days = gain.shape[1]
    pick = rng.integers(0, days, (RESAMPLES, days))
    return np.asarray((gain[:, pick].mean(axis=2) > 0).mean(axis=1))


def bootstrap_t(gain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The studentised bootstrap."""
    days = gain.shape[1]
    mean, error = gain.mean(axis=1, keepdims=True), gain.std(axis=1, ddof=1, keepdims=True) / np.sqrt(days)
    again = gain[:, rng.integers(0, days, (RESAMPLES, days))]
    spread = np.maximum(again.std(axis=2, ddof=1) / np.sqrt(days), 1e-9)
    return np.asarray(((again.mean(axis=2) - mean) / spread < mean / error).mean(axis=1))


def block_bootstrap(gain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Resamples of runs of two days on a circle."""
    days = gain.shape[1]
    start = rng.integers(0, days, (RESAMPLES, -(-days // 2)))
    pick = ((start[:, :, None] + np.arange(2)) % days).reshape(RESAMPLES, -1)[:, :days]
    return np.asarray((gain[:, pick].mean(axis=2) > 0).mean(axis=1))


def diebold_mariano(gain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With one autocovariance and the correction of Harvey, Leybourne and Newbold, 1997."""
    days = gain.shape[1]
    off = gain - gain.mean(axis=1, keepdims=True)
    variance = (off**2).mean(axis=1) + 2 * (off[:, 1:] * off[:, :-1]).sum(axis=1) / days
    variance = np.where(variance > 0, variance, (off**2).mean(axis=1))
    h = 2
    correction = np.sqrt((days + 1 - 2 * h + h * (h - 1) / days) / days)
    return np.asarray(student.cdf(correction * gain.mean(axis=1) / np.sqrt(variance / days), days - 1))


TESTS = {f.__name__: f for f in (paired_t, bootstrap, bootstrap_t, block_bootstrap, diebold_mariano)}


def main() -> None:
    """Print a table and one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--confidence", type=float, default=0.8)
    asked = parser.parse_args()
    found = []
    print(f"{'days':>4} {'rho':>4} {'tails':>6} {'test':>16} {'false':>7} {'missed':>7}")
    for days in (3, 4, 7, 8, 14):
        for rho, heavy in ((0.0, False), (0.4, False), (0.4, True)):
            for name, test in TESTS.items():
                rng = np.random.default_rng(7)
                none = test(gains(rng, asked.trials, days, 0, rho, heavy), rng) >= asked.confidence
                some = test(gains(rng, asked.trials, days, 1, rho, heavy), rng) >= asked.confidence
                row = {"days": days, "rho": rho, "heavy": heavy, "test": name}
                found.append(row | {"false": float(none.mean()), "missed": float(1 - some.mean())})
                tails = "heavy" if heavy else "normal"
                print(f"{days:4} {rho:4} {tails:>6} {name:>16} {none.mean():7.1%} {1 - some.mean():7.1%}")
    print(json.dumps(found))
    save(found)


if __name__ == "__main__":
    main()
