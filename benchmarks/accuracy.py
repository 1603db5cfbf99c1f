"""Accuracy on Chicago: every 15 minutes of four weeks, by `nexthour backtest`, models side by side.

python benchmarks/accuracy.py [--models weekday_mean,weekday_level,next_hour_lstm] [--retrain-every 7d]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from common import NEXTHOUR, measure, real_data

SPAN = ("2013-10-09", "2013-11-06")
FIGURES = ("rmse_hour", "mae_hour", "wape", "poisson_deviance", "pinball", "coverage_80", "coverage_90")


def replay(source: Path, models: str, retrain_every: str | None) -> dict[str, dict[str, float]]:
    """Figures of `entries` by model, pooled over the stations of one file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nexthour.toml").write_text(
            'data_root = "."\n[network]\ntimezone = "America/Chicago"\n'
            f'[[sources]]\nname = "zones"\nkind = "counts"\npath = "{source}"\n'
        )
        measure([NEXTHOUR, "backfill", "--data-root", folder])
        words = [
            "--start",
            SPAN[0],
            "--end",
            SPAN[1],
            "--every",
            "15min",
            "--models",
            models,
            "--out",
            f"{folder}/out",
            "--no-track",
        ]
        words += ["--retrain-every", retrain_every] if retrain_every else []
        measure([NEXTHOUR, "backtest", "--data-root", folder, *words])
        report = json.loads((Path(folder) / "out" / "report.json").read_text())
    return {name: tree["stations"]["entries"]["overall"] for name, tree in report["models"].items()}


def main() -> None:
    """Replay the total and the zones, print a table each and one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="weekday_mean,weekday_level,next_hour_lstm")
    parser.add_argument("--retrain-every")
    asked = parser.parse_args()
    found = {}
    for name in ("total_2013", "zones_2013"):
        found[name] = replay(real_data() / "chicago" / f"{name}.parquet", asked.models, asked.retrain_every)
        print(f"\n{name}: {SPAN[0]} to {SPAN[1]}, entries\n{'model':18}" + "".join(f"{f:>18}" for f in FIGURES))
        for model, figures in found[name].items():
            print(f"{model:18}" + "".join(f"{figures.get(f, float('nan')):18.3f}" for f in FIGURES))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
