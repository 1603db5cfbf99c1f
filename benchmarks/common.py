"""What the benchmarks share: real data, one process measured whole, JSON at the end."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
NEXTHOUR = str(Path(sys.executable).parent / "nexthour")


@dataclass(frozen=True)
class Cost:
    """What one process took: wall and CPU seconds, peak resident MiB."""

    wall: float
    cpu: float
    peak_mib: float


def real_data() -> Path:
    """Folder of real ridership.

    Raises:
        SystemExit: if it is absent; says how to name it.
    """
    folder = Path(os.environ.get("NEXTHOUR_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise SystemExit(f"no real ridership in {folder}: set NEXTHOUR_REAL_DATA")
    return folder


def measure(command: list[str]) -> Cost:
    """Run one process to its end and measure it whole.

    Raises:
        SystemExit: if it fails; shows what it said.
    """
    began = time.perf_counter()
    # Modules are compiled once, as where a package is installed; some machines forbid it to the shell.
    compiled = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=compiled)
    said = process.stderr.read() if process.stderr else b""
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"{command[0]} failed: {said.decode()[-500:]}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def medians(costs: list[Cost]) -> Cost:
    """Median of each figure."""
    return Cost(median(c.wall for c in costs), median(c.cpu for c in costs), median(c.peak_mib for c in costs))


def save(figures: object) -> None:
    """Keep the figures of this script's run in `benchmarks/results/runs`, for `benchmarks/report.py`."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    run = {"date": datetime.now(UTC).date().isoformat(), "machine": machine, "figures": figures}
    path = ROOT / "benchmarks" / "results" / "runs" / f"{Path(sys.argv[0]).stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


def report(title: str, rows: dict[str, object]) -> None:
    """Print a title and figures for people, then one line of JSON; keep them."""
    print(title)
    for name, value in rows.items():
        print(f"  {name:44} {value:,.3f}" if isinstance(value, float) else f"  {name:44} {value}")
    print(json.dumps({"benchmark": title, **rows}))
    save(rows)
