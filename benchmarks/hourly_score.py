"""What `score` costs each hour: everything from nothing, and only what is new, in one run.

    python benchmarks/hourly_score.py [--stations 300] [--days 4]

A forecast every five minutes of two targets and seven quantiles, all random numbers.
The last two runs are an hour apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from common import report

from tasks.contracts import Prediction
from tasks.score.steps import score_forecasts
from tasks.settings.tree import Network, Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.forecasts import Factors, forecast_table

FIRST = np.datetime64("2024-03-08T00:00", "m")
TARGETS = ("entries", "exits")
DAY, HOUR, EVERY = (np.timedelta64(minutes, "m") for minutes in (1440, 60, 5))


def write_minutes(store: Store, names: list[str], days: int) -> None:
    """Counts of the days, of the one after them, and of the week before."""
    rng = np.random.default_rng(1)
    station = np.repeat(np.arange(len(names), dtype=np.int32), 1440)
    for day in FIRST + np.arange(-7, days + 1) * DAY:
        minutes = np.tile(day + np.arange(1440), len(names))
        counts = [pa.array(rng.poisson(3, len(minutes)), pa.int32()) for _ in TARGETS]
        columns = [schemas.name_array(station, names), schemas.time_array(minutes), *counts]
        table = pa.Table.from_arrays(columns, schema=schemas.minutes(TARGETS))
        store.write_table(schemas.minutes_file(day.astype("datetime64[D]")), table)


def write_forecasts(store: Store, names: list[str], days: int) -> None:
    """One file per issue."""
    rng, shape = np.random.default_rng(2), (len(TARGETS), 1, len(names), 60)
    ones = np.ones(shape, np.float32)
    for origin in np.arange(FIRST, FIRST + days * DAY, EVERY):
        mean = rng.gamma(3, 1, shape).astype(np.float32)
        quantiles = np.sort(rng.gamma(3, 1, (7, *shape)), axis=0).astype(np.float32)
        moment = np.array([origin])
        rows = forecast_table(
            Prediction(mean, quantiles), moment, moment, names, TARGETS, 1, "7", None, Factors(mean, *[ones] * 4)
        )
        name = str(origin).replace("-", "").replace(":", "")
        store.write_table(f"{schemas.day_folder('forecasts', origin.astype('datetime64[D]'))}/{name}00Z.parquet", rows)


def cost(settings: Settings, now: np.datetime64) -> dict[str, float]:
    """CPU seconds of one scoring, and the clock hours of origins that it computed."""
    began = time.process_time()
    scored = score_forecasts(settings, now)
    return {"CPU s": time.process_time() - began, "hours": scored.hours, "rows of scores": scored.rows}


def main() -> None:
    """Print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=300)
    parser.add_argument("--days", type=int, default=4)
    asked = parser.parse_args()
    names = [f"s{number:05}" for number in range(asked.stations)]
    with tempfile.TemporaryDirectory() as root:
        settings = Settings(data_root=root, network=Network(timezone="UTC"))
        write_minutes(Store(root), names, asked.days)
        write_forecasts(Store(root), names, asked.days)
        now = (FIRST + asked.days * DAY - 7 * HOUR + EVERY).astype("datetime64[s]")
        runs = {"from nothing": now, "nothing new": now, "an hour later": now + HOUR}
        rows = {f"{what}, {name}": value for what, at in runs.items() for name, value in cost(settings, at).items()}
        held = sum(path.stat().st_size for path in (Path(root) / "scored_hours").rglob("*") if path.is_file())
    report(f"hourly scoring of {asked.stations} stations", {**rows, "MB kept beside the scores": held / 1e6})


if __name__ == "__main__":
    main()
