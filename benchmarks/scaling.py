"""What each stage of a day's turn costs by the number of stations: processor seconds, memory, bytes; and how it grows.

    python benchmarks/scaling.py [--stations 30,300,3000] [--weeks 26] [--root FOLDER] [--plot docs/scaling.png]

Each network is made up and has two targets by the minute. Its feed is ingested and folded, the night of
`benchmarks/night.py` trains the default to the gate, then two forecasts are published and the first is scored, each by
the command that a person would give, in a process of its own. The exponent of a stage is the slope of the logarithm of
its cost over that of the stations; 1 is in proportion.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from common import NEXTHOUR, Cost, measure, save
from made_up import START
from night import WEEK, history, ingest, night

TABLES = ("observations", "minutes", "forecasts")
MINUTE = np.timedelta64(1, "m")
TRAINING = ("load", "start", "tensors", "training", "hold-out", "gate", "logging", "other", "imports")


def turn(root: Path, stations: int, weeks: int) -> dict[str, dict[str, float]]:
    """Cost of every stage for one size: by stage, `s` (wall clock), `CPU s`, `GiB` at the peak, `MB` written."""
    place = root / f"{stations}x{weeks}"
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # a command's peak is never below that of its parent
        pool.submit(history, place, stations, weeks).result()
    stages = {"ingest and fold": to_figures(ingest(place)) | {"MB": megabytes(place, TABLES[:2])}}
    end = START + weeks * WEEK
    trained = night(root, stations, weeks, weeks)
    stages["night, whole"] = {
        "s": 60 * trained["minutes"],
        "CPU s": 60 * trained["processor_minutes"],
        "GiB": trained["peak_gib"],
    }
    for name in TRAINING:
        wall, cpu, peak = trained["phases"].get(name, (0.0, 0.0, 0.0))
        stages[f"night, {name}"] = {"s": wall, "CPU s": cpu, "GiB": peak}
    first = end - 120 * MINUTE
    stages["first forecast"] = to_figures(command(place, "forecast", first)) | {"MB": megabytes(place, TABLES[2:])}
    stages["later forecast"] = to_figures(command(place, "forecast", first + 5 * MINUTE))
    stages["score"] = to_figures(command(place, "score", end - 30 * MINUTE))
    return stages


def command(place: Path, name: str, moment: np.datetime64) -> Cost:
    """One run of a command as of a moment."""
    config = ["--config", str(place / "nexthour.toml"), "--data-root", str(place)]
    return measure([NEXTHOUR, name, *config, "--as-of", f"{moment}Z"])


def to_figures(cost: Cost) -> dict[str, float]:
    """A cost by the names of this page."""
    return {"s": round(cost.wall, 1), "CPU s": round(cost.cpu, 1), "GiB": round(cost.peak_mib / 1024, 2)}


def megabytes(place: Path, tables: Sequence[str]) -> float:
    """Size of the Parquet files of some tables."""
    return round(sum(f.stat().st_size for table in tables for f in (place / table).rglob("*.parquet")) / 1e6, 1)


def exponent(found: dict[int, dict[str, dict[str, float]]], stage: str, figure: str) -> float | None:
    """Slope of log cost over log stations, by least squares; None where a size has no such cost."""
    points = [(size, stages[stage].get(figure, 0.0)) for size, stages in found.items()]
    if len(points) < 2 or any(value <= 0 for _, value in points):
        return None
    size, value = np.log(np.array(points)).T
    return round(float(np.polyfit(size, value, 1)[0]), 2)


def plot(found: dict[int, dict[str, dict[str, float]]], path: Path) -> None:
    """Processor seconds and peak memory of the stages against stations, on logarithmic axes."""
    from tasks.plot_style import BLUE, GREEN, ORANGE, QUIET, add_legend, new_figure

    figure, panels = new_figure(
        "What a turn costs by stations",
        "Two targets by the minute; the dotted line is in proportion",
        panels=2,
        legend=True,
    )
    stages = (("ingest and fold", BLUE), ("night, whole", ORANGE), ("later forecast", GREEN))
    sizes = sorted(found)
    for axes, key, label in zip(panels, ("CPU s", "GiB"), ("processor seconds", "GiB at the peak"), strict=True):
        for stage, colour in stages:
            values = [found[size][stage][key] for size in sizes]
            axes.plot(sizes, values, color=colour, marker="o", linewidth=2, label=stage)
        low = found[sizes[0]]["later forecast"][key]
        axes.plot(sizes, [low * size / sizes[0] for size in sizes], color=QUIET, linewidth=1, linestyle=":")
        axes.set(xscale="log", yscale="log", xlabel="stations", ylabel=label)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    add_legend(figure, panels)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Print each size when it is done, then the exponents, then all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", default="30,300,3000")
    parser.add_argument("--weeks", type=int, default=26)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    found: dict[int, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for size in (int(text) for text in asked.stations.split(",")):
            found[size] = turn(asked.root or Path(temporary), size, asked.weeks)
            for stage, figures in found[size].items():
                print(f"{size:6} {stage:18}", *(f"{value:>9,.1f} {key}" for key, value in figures.items()), flush=True)
    stages = list(next(iter(found.values())))
    grown: dict[str, Any] = {s: {f: exponent(found, s, f) for f in ("CPU s", "GiB", "MB")} for s in stages}
    for stage, figures in grown.items():
        print(f"exponent {stage:18}", figures)
    if asked.plot:
        plot(found, asked.plot)
    result: dict[str, Any] = {"weeks": asked.weeks} | {f"{size} stations": costs for size, costs in found.items()}
    print(json.dumps({"benchmark": "scaling", **result, "exponents": grown}))
    save(result | {"exponents": grown})


if __name__ == "__main__":
    main()
