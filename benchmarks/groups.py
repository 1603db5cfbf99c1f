"""What a night costs with groups of stations: processor seconds, peak memory and the loss beside one model for all.

    python benchmarks/groups.py [--stations 300] [--weeks 10] [--groups 1 3 10] [--model linear_level] [--json FILE]

Each case is a process of its own on the same made-up network: the fits, the baseline `weekday_level`, and the scores of
the held-out days. One group is a model without groups. "Without" makes the network and trains nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import measure
from made_up import city

from tasks.features.tensors import MinuteFeatures
from tasks.settings.tree import Settings

TRAIN_DAYS = 35


def run_case(stations: int, weeks: int, groups: int, model: str, out: Path) -> None:
    """Train once; what it scored goes to a file."""
    from tasks.model.training.train import train

    grid = city(stations, weeks)
    if not groups:
        return
    settings = Settings(
        features={"weeks": 4},
        retrain={"train_days": TRAIN_DAYS, "model": model},
        gate={"baselines": ("weekday_level",)},
        groups={"by": "size", "sizes": groups} if groups > 1 else {},
    )
    features = MinuteFeatures(grid, "America/Chicago", settings.features)
    scores = train(features, settings, grid.minutes[-1]).scores["challenger"]
    out.write_text(json.dumps({"rmse_hour": scores.overall["rmse_hour"], "deviance": float(np.nanmean(scores.daily))}))


def main() -> None:
    """See the file's head."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stations", type=int, default=300)
    parser.add_argument("--weeks", type=int, default=10)
    parser.add_argument("--groups", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--model", default="linear_level")
    parser.add_argument("--case", type=int)
    parser.add_argument("--json", type=Path, default=Path("groups.json"))
    asked = parser.parse_args()
    if asked.case is not None:
        return run_case(asked.stations, asked.weeks, asked.case, asked.model, asked.json)
    found: dict[str, Any] = {}
    for groups in (0, *asked.groups):
        words = [sys.executable, __file__, "--case", str(groups), "--model", asked.model, "--json", str(asked.json)]
        cost = measure([*words, "--stations", str(asked.stations), "--weeks", str(asked.weeks)])
        scored = json.loads(asked.json.read_text()) if groups else {}
        name = f"{groups} groups" if groups else "without"
        found[name] = {
            "wall": round(cost.wall, 1),
            "cpu": round(cost.cpu, 1),
            "peak_mib": round(cost.peak_mib),
        } | scored
    asked.json.write_text(json.dumps(found, indent=1))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
