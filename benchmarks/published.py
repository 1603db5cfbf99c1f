"""Beijing's subway beside published tables: one step ahead, entries, the last week, protocol followed to the letter.

    python benchmarks/published.py [--models linear_level,next_hour_lstm] [--out FOLDER]

276 stations, 25 weekdays from 2016-02-29 on, 05:00 to 23:00, steps of 10 or 15 minutes. Fitted once on the first four
weeks; judged on the fifth, without the first ten steps of its first day. The rivals' figures are those of the authors
of Conv-GCN (J. Zhang et al., 2020, github.com/JinleiZhangBJTU/Conv-GCN), who picked its epoch on the judged week.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from accuracy import COUNTS, SETS, Set, configure, counts_of
from alerts import issues_by_day
from common import NEXTHOUR, measure, real_data, save

from tasks.arrays import Float
from tasks.clock import to_local
from tasks.metrics import mae, rmse, wape
from tasks.settings.toml_file import load_settings

BEIJING = SETS["beijing"]
PUBLISHED = {
    10: {"LSTM": (37.19, 21.99, 0.1271), "ResLSTM": (28.37, 16.63, 0.0935), "ST-GCN": (25.96, 15.98, 0.0931),
         "Conv-GCN": (25.70, 15.52, 0.0898)},
    15: {"LSTM": (53.92, 29.53, 0.1129), "ResLSTM": (36.04, 20.88, 0.0781), "ST-GCN": (34.76, 20.41, 0.0789),
         "Conv-GCN": (33.25, 19.87, 0.0768)},
}  # fmt: skip
"""Minutes per step -> model -> RMSE, MAE, WMAPE."""
SKIPPED = 10
"""Steps of the first judged day that the protocol leaves out."""
FIRST_DAY, FIRST_HOUR = np.datetime64("2016-02-29", "D"), 5


def quarter_hours(folder: Path) -> Set:
    """The published matrices by 15 minutes as a tidy file in a folder, and the set that reads it."""
    sides = []
    for name in ("in", "out"):
        with gzip.open(real_data() / "beijing" / f"{name}_15min.csv.gz", "rt") as file:
            sides.append(np.loadtxt(file, delimiter=",", dtype=np.int32))
    stations, steps = sides[0].shape
    day, step = np.divmod(np.arange(steps), 72)
    local = (FIRST_DAY + day + 2 * (day // 5)).astype("datetime64[m]") + (FIRST_HOUR * 60 + 15 * step)
    table = pa.table(
        {
            "station_id": np.repeat([f"s{i:03d}" for i in range(stations)], steps),
            "minute": pa.array(np.tile(local, stations).astype("datetime64[s]")),
            "entries": sides[0].ravel(),
            "exits": sides[1].ravel(),
        }
    )
    pq.write_table(table, folder / "quarters.parquet")
    source = COUNTS.replace("{path}", "quarters.parquet").replace("{data}", str(folder))
    return replace(BEIJING, source=source, step=15, interval=15)


def one_step_ahead(root: Path, chosen: Set, models: list[str]) -> dict[str, tuple[float, float, float]]:
    """RMSE, MAE and WMAPE of the first step after every judged moment, by model."""
    configure(root, chosen)
    words = ["--start", chosen.start, "--end", chosen.end, "--every", f"{chosen.step}min", "--models", ",".join(models)]
    measure([NEXTHOUR, "backtest", "--config", str(root / "nexthour.toml"), "--no-track", "--out", str(root / "out"),
             *words])  # fmt: skip
    truth, starts = counts_of(root, chosen)
    local = to_local(starts, chosen.timezone)
    judged = np.flatnonzero(local >= np.datetime64(chosen.start, "m"))[SKIPPED:]
    place = {moment: i for i, moment in enumerate(starts[judged].astype("datetime64[m]"))}
    settings = load_settings(root / "nexthour.toml")
    found = {}
    for model in models:
        mean = np.full((len(truth), len(judged)), np.nan, np.float32)
        for _, issues in issues_by_day(root / "out" / "forecasts.parquet", model, settings):
            for i, origin in enumerate(issues.origins.astype("datetime64[m]")):
                if origin in place:
                    mean[:, place[origin]] = issues.mean[0, i, :, 0]
        found[model] = _figures(mean, truth[:, judged])
    return found


def _figures(mean: Float, truth: Float) -> tuple[float, float, float]:
    """RMSE, MAE, WMAPE of [station, step].

    Raises:
        SystemExit: if a judged step has no forecast or no count.
    """
    if not (np.isfinite(mean).all() and np.isfinite(truth).all()):
        raise SystemExit("a judged step has no forecast or no count: the protocol judges every one")
    return rmse(mean, truth), mae(mean, truth), wape(mean, truth)


def main() -> None:
    """Print both tables; keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="weekday_mean,weekday_level,linear_level,next_hour_lstm")
    parser.add_argument("--out", type=Path, help="folder that keeps the replays")
    asked = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.out or Path(temporary)
        for minutes in (10, 15):
            root = folder / f"{minutes}-minutes"
            root.mkdir(parents=True)
            chosen = BEIJING if minutes == 10 else quarter_hours(root)
            rows = PUBLISHED[minutes] | one_step_ahead(root, chosen, asked.models.split(","))
            print(f"\n| by {minutes} minutes | RMSE | MAE | WMAPE |\n|---|---:|---:|---:|")
            for name, (one, two, three) in rows.items():
                print(f"| {name} | {one:.2f} | {two:.2f} | {three:.2%} |", flush=True)
            found[f"{minutes} minutes"] = {
                n: dict(zip(("rmse", "mae", "wmape"), f, strict=True)) for n, f in rows.items()
            }
    save(found)


if __name__ == "__main__":
    main()
