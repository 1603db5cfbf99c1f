"""What one forecast costs: the whole command, from the start of its process to its files on disk, in one run.

    python benchmarks/forecast_start.py --stations 300,3000 [--before TREE] [--roots FOLDER]

Simulated stations with two targets, all quantiles and 14 weeks of history, forecast by the default model. `first` is
the first forecast of a data root, which keeps arrays of past days; `later` the median of those that follow, each
five minutes on. With `--before`, the command of another checkout of this project forecasts in turn. Processor seconds
count where the machine is shared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from common import Cost, measure, medians, save
from simulated_root import LAST_DAY, TARGETS, live_minute, make_champion, make_root

HEAVY = ("tensorflow", "keras", "mlflow", "prefect", "matplotlib", "pandas")
START_MINUTES = 8 * 60
T = TypeVar("T")
COMMAND = "from flows.cli.main import main; main()"
WARM = """
import sys, time, numpy as np
from tasks.settings.toml_file import load_settings
from tasks.features.steps import load_features
from tasks.model.steps import load_forecaster
settings, origin = load_settings(sys.argv[1]), np.datetime64(sys.argv[2])
features, model = load_features(settings, origin, origin, origin), load_forecaster(settings, "champion")
for _ in range(3):
    began = time.process_time()
    model.predict(features.tensors(np.array([origin])))
    took = time.process_time() - began
print(1000 * took)
"""


def run(words: list[str], tree: Path | None = None) -> Cost:
    """One forecast, by this checkout or another one."""
    if tree is not None:
        os.environ["PYTHONPATH"] = str(tree)
    try:
        return measure([sys.executable, "-P", "-c", COMMAND, *words])
    finally:
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])


def imported(words: list[str]) -> list[str]:
    """Heavy libraries that a forecast imports."""
    script = (
        "import sys, json\nfrom flows.cli.main import main\n"
        f"sys.argv = {['nexthour', *words]!r}\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.strip().splitlines()[-1]))


def forget(root: Path) -> None:
    """Remove what forecasts have kept of past days."""
    for path in (*root.glob("minutes/*/_grid.arrow"), *root.glob("derived/*")):
        path.unlink()


def in_child(work: Callable[..., T], *given: object) -> T:
    """What some work returns, done in a process of its own: a child's peak is never below its parent's size."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def measure_stations(root: Path, stations: int, runs: int, before: Path | None) -> dict[str, object]:
    """Figures of one size of a network."""
    if not (root / "bundles").exists():
        in_child(make_root, root, stations, START_MINUTES)
        in_child(make_champion, root, stations)
    forget(root)
    now, later, earlier = in_child(live_minute, root, stations, START_MINUTES), list[Cost](), list[Cost]()

    def words() -> list[str]:
        return ["forecast", "--data-root", str(root), "--config", str(root / "nexthour.toml"), "--as-of", f"{now}Z"]

    first = run(words())
    for number in range(runs):
        now = in_child(live_minute, root, stations, START_MINUTES + 5 * (number + 1))
        later.append(run(words()))
        if before is not None:
            earlier.append(run(words(), before))
    script = [sys.executable, "-c", WARM, str(root / "nexthour.toml"), str(now)]
    warm = subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()[-1]
    sides = {"first": first, "later": medians(later), **({"before": medians(earlier)} if earlier else {})}
    figures: dict[str, object] = {
        f"{name}: {what}": value
        for name, cost in sides.items()
        for what, value in (("CPU s", cost.cpu), ("wall s", cost.wall), ("peak MiB", cost.peak_mib))
    }
    figures["features and model, warm, CPU ms"] = float(warm)
    figures["heavy libraries imported"] = ", ".join(imported(words())) or "none"
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", default="300,3000", help="sizes of networks, by commas")
    parser.add_argument("--roots", help="folder where the data roots are kept from run to run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--before", type=Path, help="another checkout of this project, to forecast in turn")
    asked = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    figures: dict[str, object] = {"last day": str(LAST_DAY), "targets": len(TARGETS)}
    with tempfile.TemporaryDirectory() as folder:
        for stations in map(int, asked.stations.split(",")):
            root = Path(asked.roots or folder) / str(stations)
            figures[f"{stations} stations"] = found = measure_stations(root, stations, asked.runs, asked.before)
            for name, value in found.items():
                print(f"{stations:6} {name:36} {value:,.2f}" if isinstance(value, float) else f"{stations:6} {value}")
    tensorflow = measure([sys.executable, "-c", "import tensorflow"])
    figures["import tensorflow: CPU s"], figures["import tensorflow: peak MiB"] = tensorflow.cpu, tensorflow.peak_mib
    print(json.dumps(figures))
    save(figures)


if __name__ == "__main__":
    main()
