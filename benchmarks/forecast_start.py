"""The forecast command as a whole process beside importing TensorFlow, in turn, in one run.

python benchmarks/forecast_start.py --data-root .nexthour     (a root with a champion, such as `make demo` leaves)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from common import NEXTHOUR, measure, medians, report

HEAVY = ("tensorflow", "keras", "mlflow", "prefect", "matplotlib", "pandas")


def loaded(words: list[str]) -> list[str]:
    """Heavy libraries that a forecast imports."""
    script = (
        "import sys, json\nfrom flows.cli.main import main\n"
        f"sys.argv = {['nexthour', *words]!r}\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-root", default=".nexthour")
    parser.add_argument("--as-of", help="moment to forecast from; needed where the root's minutes are old")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    if not (Path(asked.data_root) / "bundles" / "champion.json").exists():
        raise SystemExit(f"{asked.data_root} has no champion: run make demo, or give --data-root")
    words = ["forecast", "--data-root", asked.data_root, *(["--as-of", asked.as_of] if asked.as_of else [])]
    ours, theirs = [], []
    for _ in range(asked.runs):
        ours.append(measure([NEXTHOUR, *words]))
        theirs.append(measure([sys.executable, "-c", "import tensorflow"]))
    a, b = medians(ours), medians(theirs)
    report(
        "nexthour forecast, whole process, against import tensorflow",
        {
            "forecast: wall s": a.wall,
            "forecast: CPU s": a.cpu,
            "forecast: peak MiB": a.peak_mib,
            "import tensorflow: wall s": b.wall,
            "import tensorflow: CPU s": b.cpu,
            "import tensorflow: peak MiB": b.peak_mib,
            "times faster (wall)": b.wall / a.wall,
            "times less CPU": b.cpu / a.cpu,
            "heavy libraries imported": ", ".join(loaded(words)) or "none",
        },
    )


if __name__ == "__main__":
    main()
