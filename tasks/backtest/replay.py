"""Replay: what each model would have forecast at past origins, fitted only on what was known by then."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from tasks import metrics
from tasks.arrays import Minutes
from tasks.backtest.part import ABOUT, FORECASTS, PARTS, SUMS, TOTAL, Job, RunJobs
from tasks.backtest.report import ReplayTally, Training, scopes, whole_hour, write_report
from tasks.backtest.sums import Sums, join_sums
from tasks.contracts import Progress
from tasks.errors import ConfigError
from tasks.grid import Grid
from tasks.storage.parquet import table_pieces
from tasks.storage.store import table_writer
from tasks.tables.forecasts import REPLAYED

log = logging.getLogger(__name__)

BANDS = (5, 15, 30, 60)
FORECASTS_FILE, REPORT_FILE = "forecasts.parquet", "report.json"


@dataclass(frozen=True)
class BacktestReport:
    """Files and figures of a replay.

    Attributes:
        forecasts: Parquet file of `forecast_table.REPLAYED` rows, of the first seed.
        report: JSON file of `figures`.
        rows: of the Parquet file.
        figures: see `ReplayTally.report`.
        run_id: of MLflow; None where it was not logged.
    """

    forecasts: str
    report: str
    rows: int
    figures: dict[str, Any]
    run_id: str | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the figures are of; see `backtest_report.scopes`."""
        return scopes(self.figures)


@dataclass(frozen=True)
class Period:
    """Origins forecast with the models fitted at one moment, none of them before it.

    Attributes:
        as_of: when the models are fitted, UTC.
        origins: datetime64[m], ascending.
    """

    as_of: np.datetime64
    origins: Minutes


@dataclass(frozen=True)
class Replay:
    """What is replayed.

    Attributes:
        identity: model name -> all that decides its fits and forecasts but seed and moments; the same identity in the
            same folder is taken up where it stopped. None: nothing is.
        origins: UTC, on the grid.
        timezone: the network's, for the hour and day of an origin.
        retrain_every: how long a fit is used, counted from the first origin; None fits once.
        seeds: of the fits.
        unseeded: models that no seed changes.
        starts_warm: whether a model's fit of that moment starts from its fit before.
        bands: last horizon minute of each band.
        baselines: models that are baselines, see `ReplayTally`.
    """

    identity: Mapping[str, str | None]
    origins: Minutes
    timezone: str
    retrain_every: np.timedelta64 | None = None
    seeds: tuple[int, ...] = (7,)
    unseeded: frozenset[str] = frozenset()
    starts_warm: Callable[[str, np.datetime64], bool] = lambda model, moment: False
    bands: tuple[int, ...] = BANDS
    baselines: frozenset[str] = frozenset()
    _nonce: str = field(default_factory=lambda: uuid4().hex)

    def lanes(self) -> dict[tuple[str, int], list[Job]]:
        """Jobs of every (model, seed), in the order of time.

        Raises:
            ConfigError: if there is no model or no origin, or a span between fits that is not positive.
        """
        origins = np.unique(np.asarray(self.origins, dtype="datetime64[m]"))
        if not len(origins) or not self.identity:
            raise ConfigError("backtest: give at least one model, and an end after the start")
        cut = periods(origins, self.retrain_every)
        return {(m, seed): self._lane(m, seed, cut) for seed in self.seeds for m in self.identity}

    def _lane(self, model: str, seed: int, cut: Sequence[Period]) -> list[Job]:
        lane: list[Job] = []
        seed = self.seeds[0] if model in self.unseeded else seed
        for period in cut:
            warm = bool(lane) and self.starts_warm(model, period.as_of)
            after = lane[-1].key if warm else None
            identity = self.identity[model] or self._nonce
            moments = (str(period.as_of), period.origins.astype("datetime64[m]").astype(np.int64).tolist(), self.bands)
            identity_text = json.dumps([model, identity, seed, after, moments])
            key = hashlib.sha256(identity_text.encode()).hexdigest()[:24]
            lane.append(Job(key, model, seed, period.as_of, period.origins, after))
        return lane


def replay(plan: Replay, grid: Grid, out: Path, run: RunJobs, progress: Progress | None = None) -> BacktestReport:
    """Forecast every origin with every model; write `out/forecasts.parquet` and `out/report.json`.

    Both appear when all is done; an interruption leaves what was there before, and the parts that are done under
    `out/parts`. Other seeds' forecasts go to `forecasts-seed-N.parquet`.

    Args:
        plan: what is replayed.
        grid: today's minutes.
        out: folder, created if it does not exist.
        run: does the work.
        progress: called with how many (model, seed, origin) are done.

    Raises:
        ConfigError: see `Replay.lanes`.
        ModelError: if a model cannot be fitted, or its answer is malformed.
        StoreError: if `out` cannot be written.
    """
    lanes, parts = plan.lanes(), out / PARTS
    jobs = {job.key: job for lane in zip(*lanes.values(), strict=True) for job in lane}
    waiting = [job for job in jobs.values() if not (parts / job.key).is_dir()]
    total = sum(len(job.origins) for job in jobs.values())
    done = total - sum(len(job.origins) for job in waiting)

    def count_origins(job: Job, origins: int) -> None:
        nonlocal done
        done += origins
        if progress:
            progress("replaying", done, total)

    if progress:
        progress("replaying", done, total)
    if waiting:
        run(waiting, count_origins)
    tally = _tally(plan, grid, lanes, parts)
    for number, seed in enumerate(plan.seeds):
        name = FORECASTS_FILE if not number else f"forecasts-seed-{seed}.parquet"
        _gather(parts, [job for lane in zip(*_of(lanes, seed), strict=True) for job in lane], out / name)
    (out / REPORT_FILE).unlink(missing_ok=True)
    figures = tally.report(grid, plan.retrain_every)
    write_report(out / REPORT_FILE, figures)
    if None in plan.identity.values():
        shutil.rmtree(parts, ignore_errors=True)
    return BacktestReport(str(out / FORECASTS_FILE), str(out / REPORT_FILE), int(figures["rows"]), figures)


def periods(origins: Minutes, retrain_every: np.timedelta64 | None) -> list[Period]:
    """Cut ascending origins at every retraining moment; periods without an origin are left out.

    Raises:
        ConfigError: if `retrain_every` is not positive.
    """
    if retrain_every is None:
        return [Period(origins[0], origins)]
    if retrain_every <= np.timedelta64(0, "m"):
        raise ConfigError("backtest: the time between retrainings must be positive")
    number = (origins - origins[0]) // retrain_every
    return [Period(origins[0] + n * retrain_every, origins[number == n]) for n in np.unique(number)]


def loss_so_far(jobs: Sequence[Job], parts: Path, metric: str) -> float:
    """One figure of every station's hour over some parts that are done."""
    return float(whole_hour(join_sums([Sums.load(parts / job.key / SUMS) for job in jobs]))[metric])


def _of(lanes: Mapping[tuple[str, int], list[Job]], seed: int) -> list[list[Job]]:
    return [lane for (_, s), lane in lanes.items() if s == seed]


def _tally(plan: Replay, grid: Grid, lanes: Mapping[tuple[str, int], list[Job]], parts: Path) -> ReplayTally:
    """Sums of every model and seed, and what the fits took."""
    spans = metrics.horizon_spans(plan.bands, 60 // grid.interval, grid.interval)
    first = next(iter(lanes.values()))
    origins = np.concatenate([job.origins for job in first])
    names = (tuple(plan.identity), plan.seeds, grid.targets)
    tally = ReplayTally(*names, origins, [s.name for s in spans], plan.timezone, baselines=plan.baselines)
    for who, lane in lanes.items():
        tally.sums[who] = join_sums([Sums.load(parts / job.key / SUMS) for job in lane])
        if grid.total is not None:
            tally.totals[who] = join_sums([Sums.load(parts / job.key / TOTAL) for job in lane])
    for job in {job.key: job for turn in zip(*lanes.values(), strict=True) for job in turn}.values():
        about = json.loads((parts / job.key / ABOUT).read_text(encoding="utf-8"))
        moment, warm = f"{job.as_of}Z", job.after is not None
        tally.trainings.append(
            Training(job.model, job.seed, moment, len(job.origins), about["model_version"], warm, about["fit"])
        )
        for what, spent in about["seconds"].items():
            tally.seconds[what] = tally.seconds.get(what, 0.0) + spent
    return tally


def _gather(parts: Path, jobs: Sequence[Job], path: Path) -> None:
    """One Parquet file of the forecasts of some parts, in their order."""
    with table_writer(path, REPLAYED) as write:
        for job in jobs:
            for piece in table_pieces(parts / job.key / FORECASTS, REPLAYED):
                write(piece)
