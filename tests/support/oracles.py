"""Slow, obvious references that the tests hold the real code against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# ------------------------------------------------------------------------------------------------ LSTM
# S. Hochreiter & J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, with the forget
# gate of Gers, Schmidhuber & Cummins (2000); letters as in Lipton, Berkowitz & Elkan (arXiv 1506.00019). The
# "simple LSTM" study form of it (N. D. Jimenez) leaves out the outer tanh. Row vectors, so z W and not W z;
# each gate sees one vector z, the input joined to the last output.
#
#     z[t] = [x[t], h[t-1]]                      h[-1] = s[-1] = 0
#     g[t] = tanh(z[t] Wg + bg)                  candidate: what could be remembered
#     i[t] = sigmoid(z[t] Wi + bi)               input gate: how much of it is
#     f[t] = sigmoid(z[t] Wf + bf)               forget gate: how much of the old cell stays
#     o[t] = sigmoid(z[t] Wo + bo)               output gate: how much of the cell is shown
#     s[t] = g[t] i[t] + s[t-1] f[t]             cell
#     h[t] = phi(s[t]) o[t]                      output; phi is tanh, or nothing in the study form

GATES = "gifo"
PerGate = dict[str, Array]
Step = tuple[Array, Array, Array, Array, Array, Array, Array]  # z, g, i, f, o, s[t-1], phi(s): (batch, ...)


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


@dataclass
class NumpyLSTM:
    """An LSTM layer in float64: `weights[gate]` is (channel + cell, cell), `biases[gate]` is (cell,)."""

    weights: PerGate
    biases: PerGate
    outer_tanh: bool = True

    @classmethod
    def random(cls, channels: int, cells: int, rng: np.random.Generator, bound: float = 0.1) -> NumpyLSTM:
        """Draw all weights and biases uniformly from -bound..bound."""
        weights = {gate: rng.uniform(-bound, bound, (channels + cells, cells)) for gate in GATES}
        biases = {gate: rng.uniform(-bound, bound, cells) for gate in GATES}
        return cls(weights, biases)

    @classmethod
    def from_keras(cls, kernel: Array, recurrent_kernel: Array, bias: Array) -> NumpyLSTM:
        """Take the arrays of `keras.layers.LSTM.get_weights()`: gates i, f, c (our g), o side by side."""
        joined = np.vstack([kernel, recurrent_kernel]).astype(np.float64)
        weights = dict(zip("ifgo", np.split(joined, 4, axis=1), strict=True))
        biases = dict(zip("ifgo", np.split(bias.astype(np.float64), 4), strict=True))
        return cls(weights, biases)

    def forward(self, inputs: Array) -> tuple[Array, list[Step]]:
        """Run over (batch, step, channel); returns the outputs (batch, step, cell) and what each step did."""
        h = s = np.zeros((len(inputs), len(self.biases["g"])))
        outputs, steps = [], []
        for x in inputs.swapaxes(0, 1):
            z = np.concatenate([x, h], axis=1)
            a = {gate: z @ self.weights[gate] + self.biases[gate] for gate in GATES}
            g, i, f, o = np.tanh(a["g"]), sigmoid(a["i"]), sigmoid(a["f"]), sigmoid(a["o"])
            s_last, s = s, g * i + s * f
            phi = np.tanh(s) if self.outer_tanh else s
            h = phi * o
            outputs.append(h)
            steps.append((z, g, i, f, o, s_last, phi))
        return np.stack(outputs, axis=1), steps

    def backward(self, steps: list[Step], d_outputs: Array) -> tuple[Array, PerGate, PerGate]:
        """Back-propagate through time.

        Given dL/dh for every output (batch, step, cell), returns dL/d(inputs, weights, biases), each in the
        shape of its own; weights and biases are shared by all steps, so their gradients add up from zero.
        """
        d_weights = {gate: np.zeros_like(w) for gate, w in self.weights.items()}
        d_biases = {gate: np.zeros_like(b) for gate, b in self.biases.items()}
        d_h_next = d_s_next = np.zeros_like(d_outputs[:, 0])
        d_inputs = []
        for step, d_output in zip(reversed(steps), reversed(d_outputs.swapaxes(0, 1)), strict=True):
            z, g, i, f, o, s_last, phi = step
            d_h = d_output + d_h_next
            d_phi = d_h * o
            d_s = d_s_next + (d_phi * (1 - phi**2) if self.outer_tanh else d_phi)
            d_a = {  # tanh' = 1 - tanh^2, sigmoid' = sigmoid (1 - sigmoid)
                "g": d_s * i * (1 - g**2),
                "i": d_s * g * i * (1 - i),
                "f": d_s * s_last * f * (1 - f),
                "o": d_h * phi * o * (1 - o),
            }
            for gate in GATES:
                d_weights[gate] += z.T @ d_a[gate]
                d_biases[gate] += d_a[gate].sum(axis=0)
            d_z = sum(d_a[gate] @ self.weights[gate].T for gate in GATES)
            channels = z.shape[1] - g.shape[1]
            d_inputs.append(d_z[:, :channels])
            d_h_next = d_z[:, channels:]
            d_s_next = d_s * f  # the cell's own path: error flows back through the forget gate alone
        return np.stack(d_inputs[::-1], axis=1), d_weights, d_biases


def first_output_loss(outputs: Array, targets: Array) -> tuple[float, Array]:
    """L = sum of (h[t][0] - y[t])^2 over batch and steps, and dL/dh; `targets` is (batch, step)."""
    error = outputs[:, :, 0] - targets
    d_outputs = np.zeros_like(outputs)
    d_outputs[:, :, 0] = 2 * error
    return float((error**2).sum()), d_outputs


def descend(lstm: NumpyLSTM, inputs: Array, targets: Array, learning_rate: float) -> float:
    """Change the weights in place by one step of gradient descent; returns the loss before it."""
    outputs, steps = lstm.forward(inputs)
    loss, d_outputs = first_output_loss(outputs, targets)
    _, d_weights, d_biases = lstm.backward(steps, d_outputs)
    for gate in GATES:
        lstm.weights[gate] -= learning_rate * d_weights[gate]
        lstm.biases[gate] -= learning_rate * d_biases[gate]
    return loss


# --------------------------------------------------------------------------------------------- figures
# One minute, one hour at a time; truth that is NaN is skipped, an hour with such a minute does not count.


def slow_hours(mean: Array, truth: Array) -> list[tuple[float, float]]:
    """(forecast, actual) of every wholly observed hour of [C, O, S, H] arrays."""
    pairs = []
    for place in np.ndindex(mean.shape[:-1]):
        if not np.isnan(truth[place]).any():
            pairs.append((float(sum(mean[place])), float(sum(truth[place]))))
    return pairs


def slow_hour_figures(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Figures of (forecast, actual) pairs, at least one of them with somebody in it."""
    errors = [forecast - actual for forecast, actual in pairs]
    people = sum(actual for _, actual in pairs)
    return {
        "rmse_hour": (sum(e * e for e in errors) / len(errors)) ** 0.5,
        "mae_hour": sum(abs(e) for e in errors) / len(errors),
        "wape": sum(abs(e) for e in errors) / people,
        "bias": sum(errors) / people,
    }


def slow_total_hours(mean: Array, truth: Array) -> list[tuple[float, float]]:
    """(forecast, actual) of the network: each hour's wholly observed stations, where there are any."""
    pairs = []
    for c, o in np.ndindex(mean.shape[:2]):
        stations = [s for s in range(mean.shape[2]) if not np.isnan(truth[c, o, s]).any()]
        if stations:
            pairs.append(
                (float(sum(mean[c, o, s].sum() for s in stations)), float(sum(truth[c, o, s].sum() for s in stations)))
            )
    return pairs


def slow_poisson_deviance(mean: Array, truth: Array) -> float:
    """2 mean(y log(y / mu) - (y - mu)), where y log(y / mu) is 0 at y = 0."""
    terms = []
    for mu, y in zip(mean.ravel().tolist(), truth.ravel().tolist(), strict=True):
        if not np.isnan(y):
            mu = max(mu, 1e-6)
            terms.append(2 * ((y * np.log(y / mu) if y > 0 else 0.0) - (y - mu)))
    return float(sum(terms) / len(terms))


def slow_pinball(quantiles: Array, truth: Array, levels: tuple[float, ...]) -> float:
    """Mean over levels and observed minutes of level * (y - q) above, (1 - level) * (q - y) below."""
    terms = []
    for y, row in zip(truth.ravel().tolist(), quantiles.reshape(len(levels), -1).T.tolist(), strict=True):
        if not np.isnan(y):
            for level, q in zip(levels, row, strict=True):
                terms.append(level * (y - q) if y >= q else (1 - level) * (q - y))
    return float(sum(terms) / len(terms))


def slow_crps(quantiles: Array, truth: Array, levels: tuple[float, ...], pieces: int = 4000) -> float:
    """Mean over observed minutes of twice the quantile loss, over levels one by one, each by its nearest quantile."""
    terms = []
    for y, row in zip(truth.ravel().tolist(), quantiles.reshape(len(levels), -1).T.tolist(), strict=True):
        if np.isnan(y):
            continue
        total = 0.0
        for piece in range(pieces):
            at = (piece + 0.5) / pieces
            nearest = min(range(len(levels)), key=lambda i: abs(levels[i] - at))
            q, level = row[nearest], levels[nearest]
            total += 2 * (level * (y - q) if y >= q else (1 - level) * (q - y)) / pieces
        terms.append(total)
    return float(sum(terms) / len(terms))


def slow_peak_wape(pairs: list[tuple[float, float]]) -> float:
    """Absolute error of (forecast, actual) pairs, each times its people, over the people times themselves."""
    return sum(a * abs(f - a) for f, a in pairs) / sum(a * a for _, a in pairs)


def slow_coverage(low: Array, high: Array, truth: Array) -> float:
    """Share of observed minutes within low..high."""
    inside = [
        lo <= y <= hi for lo, hi, y in zip(low.ravel(), high.ravel(), truth.ravel(), strict=True) if not np.isnan(y)
    ]
    return sum(inside) / len(inside)


# ------------------------------------------------------------------------------------------- weekly lags
def weekly_lag_steps(
    start: datetime, steps: int, interval: int, zone: str, holidays: frozenset[date], weeks: int
) -> list[list[int]]:
    """Step of each weekly lag, [week][step], one wall clock at a time; -1 where there is none. `start` is UTC."""
    walls = [
        (start.replace(tzinfo=UTC) + timedelta(minutes=interval * n)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        for n in range(steps)
    ]
    first: dict[datetime, int] = {}
    for n, wall in enumerate(walls):
        first.setdefault(wall, n)
    lags = []
    for wall in walls:
        days = lag_days(wall.date(), holidays, weeks)
        lags.append([first.get(datetime.combine(d, wall.time()), -1) if d else -1 for d in days])
    return [[lag[week] for lag in lags] for week in range(weeks)]


def lag_days(day: date, holidays: frozenset[date], weeks: int) -> list[date | None]:
    """The days that serve as weekly lags of a day."""
    if day not in holidays:
        earlier = [day - timedelta(weeks=k) for k in range(1, weeks + 1)]
        return [None if d in holidays else d for d in earlier]
    window = [day - timedelta(days=n) for n in range(1, 7 * weeks + 1)]
    serving = [d for d in window if d in holidays]
    serving += [d for d in window if d.isoweekday() == 7 and d not in holidays]
    return (serving + [None] * weeks)[:weeks]


def slow_sources(
    length: int, start: np.datetime64, interval: int, zone: str, holidays: frozenset[date], weeks: int, steps: list[int]
) -> list[list[int | None]]:
    """Where the weekly lags of some steps stand, [week][step], on a grid of `length` from `start` (UTC)."""
    begin: datetime = start.astype(object).replace(tzinfo=UTC)

    def wall(step: int) -> datetime:
        return (begin + timedelta(minutes=interval * step)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    first: dict[datetime, int] = {}
    for n in range(length):
        first.setdefault(wall(n), n)
    days = [lag_days(wall(step).date(), holidays, weeks) for step in steps]
    at = [(wall(step).time(), found) for step, found in zip(steps, days, strict=True)]
    return [[first.get(datetime.combine(day, time)) if (day := d[k]) else None for time, d in at] for k in range(weeks)]


def days_alike(day: date, reach: int, holidays: frozenset[date]) -> list[date]:
    """Days of the same kind (working day or weekend) but of another weekday, newest first; none for a holiday."""
    before = [day - timedelta(days=n) for n in range(1, reach + 1)]
    alike = [d for d in before if d.weekday() != day.weekday() and (d.weekday() > 4) == (day.weekday() > 4)]
    return [] if day in holidays else [d for d in alike if d not in holidays]


def slow_others(grid: Any, zone: str, holidays: frozenset[date], sizes: Any, steps: list[int]) -> list[list[Any]]:
    """Per step, (weight, step or None) of the same time on the days alike."""
    begin: datetime = grid.start.astype(object).replace(tzinfo=UTC)

    def wall(step: int) -> datetime:
        return (begin + timedelta(minutes=grid.interval * step)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    first: dict[datetime, int] = {}
    for n in range(grid.steps):
        first.setdefault(wall(n), n)
    out = []
    for step in steps:
        here = wall(step)
        alike = days_alike(here.date(), sizes.other_days_reach, holidays) if sizes.other_days else []
        ages = [((here.date() - d).days - 1) / 7 for d in alike]
        weights = [sizes.other_days * sizes.recency**age for age in ages]
        out.append([(w, first.get(datetime.combine(d, here.time()))) for w, d in zip(weights, alike, strict=True)])
    return out


def slow_smoothed(series: Array, half: int, n: int | None) -> float:
    """Mean of what was observed up to `half` steps away; NaN where that is less than half of the window."""
    if n is None:
        return np.nan
    near = [series[m] for m in range(n - half, n + half + 1) if 0 <= m < len(series) and not np.isnan(series[m])]
    return float(sum(near) / len(near)) if 2 * len(near) >= 2 * half + 1 else np.nan


def slow_profile(lags: Array, recency: float, others: Sequence[Sequence[tuple[float, float]]] | None = None) -> Array:
    """Weighted mean over the weeks of smoothed lags [week, step], and of others as (weight, value), step by step.

    NaN where nothing has a value.
    """
    out = np.full(lags.shape[1], np.nan)
    for n, column in enumerate(lags.T):
        known = [(recency**week, value) for week, value in enumerate(column) if not np.isnan(value)]
        known += [(w, value) for w, value in (others[n] if others else ()) if not np.isnan(value)]
        if known:
            out[n] = sum(w * v for w, v in known) / sum(w for w, _ in known)
    return out


def slow_level(observed: Array, expected: Array, prior: float) -> float:
    """(people seen + prior) / (people expected + prior), over the steps where both are known."""
    both = [(o, e) for o, e in zip(observed, expected, strict=True) if not (np.isnan(o) or np.isnan(e))]
    return float((sum(o for o, _ in both) + prior) / (sum(e for _, e in both) + prior))


# ---------------------------------------------------------------------------------------------- channels
def slow_channel(rows: list[tuple[int, int | None, float]], interval: int, minute: int, origin: int) -> float:
    """What an origin knew of a minute: rows are (start, available, value); NaN for nothing.

    Of the rows that stand at the minute and were available, those that begin last; of these the one available last; of
    these the last one.
    """
    best: tuple[tuple[int, int, int], float] | None = None
    for place, (start, available, value) in enumerate(rows):
        known = -1 if available is None else available
        if start <= minute < start + interval and known <= origin:
            rank = (start, known, place)
            if best is None or rank > best[0]:
                best = rank, value
    return float("nan") if best is None else best[1]


# ------------------------------------------------------------------------------------------------- fold
# A statement is a dict: station, minute, part, available, received and a count or None for each target.

Statement = dict[str, Any]


def slow_fold(
    statements: list[Statement], targets: Sequence[str]
) -> dict[tuple[str, datetime], tuple[int | None, ...]]:
    """Today's truth by (station, minute): of each part and target what was said last, parts added up.

    A part below zero is not known, and neither is the sum then.
    """
    last: dict[tuple[Any, ...], int] = {}

    def rank(said: Statement) -> tuple[Any, ...]:
        counts = [-1 if said[target] is None else said[target] for target in targets]
        return said["available"], said["received"], said.get("source", ""), counts

    for said in sorted(statements, key=rank):
        for target in targets:
            if said[target] is not None:
                last[said["station"], said["minute"], target, said["part"]] = said[target]
    truth = {}
    for key in sorted({(s["station"], s["minute"]) for s in statements}):
        shares = [[count for place, count in last.items() if place[:3] == (*key, t)] for t in targets]
        truth[key] = tuple(sum(counts) if counts and min(counts) >= 0 else None for counts in shares)
    return truth


def slow_events(
    ends: dict[str, list[tuple[datetime, str]]], targets: Sequence[str], interval: int
) -> dict[tuple[str, datetime], tuple[int | None, ...]]:
    """What one file of events says: every station of it at every interval from its first event to its last.

    Args:
        ends: (UTC time, station) of every event, by target; the targets that it lacks are not stated.
        targets: in their order.
        interval: minutes a step.
    """
    step = timedelta(minutes=interval)
    floor = {t: [(at - (at - datetime(1970, 1, 1)) % step, station) for at, station in ends[t]] for t in ends}
    times = [at for t in floor for at, _ in floor[t]]
    said = {}
    for station in sorted({station for t in floor for _, station in floor[t]}):
        at = min(times)
        while at <= max(times):
            said[station, at] = tuple(floor[t].count((at, station)) if t in floor else None for t in targets)
            at += step
    return said


Reading = tuple[str, str, int, int]
"""Station, device, minute and reading of a counter."""


def slow_counters(readings: Sequence[Reading], interval: int, limit: int | None) -> dict[tuple[str, int], int]:
    """People by station and start of the interval; intervals that are not known are left out."""
    devices: dict[tuple[str, str], dict[int, int]] = {}
    for station, device, minute, value in readings:
        devices.setdefault((station, device), {})[minute] = value
    people: dict[tuple[str, int], list[int | None]] = {}
    for (station, _), read in devices.items():
        minutes = sorted(read)
        start = -(-minutes[0] // interval) * interval
        while start + interval <= minutes[-1]:
            within = [minute for minute in minutes if start <= minute <= start + interval]
            count: int | None = None
            if start in read and start + interval in read:
                count = 0
                for before, after in pairwise(within):
                    step = read[after] - read[before]
                    if step < 0 and limit is not None and 10 * (step + limit + 1) <= limit + 1:
                        step += limit + 1
                    count = None if count is None or step < 0 else count + step
            people.setdefault((station, start), []).append(count)
            start += interval
    return {key: sum(c for c in counts if c is not None) for key, counts in people.items() if None not in counts}
