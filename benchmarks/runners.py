"""What each wide stage costs in processes of this machine, in Dask and in Ray, and whether all leave the same bits.

    python benchmarks/runners.py [--networks zones,simulated] [--kinds threads,dask,ray] [--stages score,maintain]
                                 [--root FOLDER]

Chicago's zones, and 300 simulated stations. Each cluster has two workers of this machine that talk over TCP, is
started once, and is found by its address. Each run of a stage is a process of its own on a copy of the same data root.
Processor seconds are those of the process, of its children, and of the cluster.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import psutil
from common import real_data, save
from made_up import START
from night import WEEK, history
from process_tree import Meter

from flows.pipelines import loop
from flows.pipelines.backtest import ReplaySpan, run_backtest
from flows.pipelines.executors import THREADS, open_workers
from flows.pipelines.tune import run_tuning
from tasks.errors import ConfigError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import RunnerSettings, Settings
from tasks.storage.store import Store

WORKERS, STATIONS, WEEKS, DAYS, GROUPS, TRIALS = 2, 300, 4, 9, 2, 3
DAY, HOUR = np.timedelta64(1, "D"), np.timedelta64(60, "m")
ENDS = {"zones": np.datetime64("2013-10-30T05:00", "m"), "simulated": START + WEEKS * WEEK}
"""Moment after the last minute that is loaded."""
MORE = """
[features]
weeks = 2
[retrain]
train_days = 7
validation_days = 2
minimum_days = 14
[gate]
baselines = ["weekday_mean"]
"""
ZONES = """[network]
timezone = "America/Chicago"
[[sources]]
name = "zones"
kind = "counts"
path = "{data}/chicago/zones_2013.parquet"
[[sources]]
name = "total"
kind = "counts"
path = "{data}/chicago/total_2013.parquet"
"""
Prints = dict[str, str]
"""What a stage left: a name, and the SHA-256 or the value of what has it."""


def prepare(root: Path, network: str) -> None:
    """A data root with four weeks of minutes, a champion, and twelve forecasts of the last three days."""
    end, config = ENDS[network], root / "nexthour.toml"
    if network == "zones":
        root.mkdir(parents=True)
        config.write_text(ZONES.format(data=real_data()) + MORE)
    else:
        history(root, STATIONS, WEEKS, STATIONS // 2)  # two files, and so two batches, of each day
        config.write_text(config.read_text() + MORE)
    settings = load_settings(str(config), str(root))
    loop.ingest(settings, end + DAY, start=end - WEEKS * WEEK, end=end, backfill=True)
    loop.retrain(settings, end - 4 * DAY, "weekday_mean")
    for moment in end - 3 * DAY + np.arange(12) * 6 * HOUR:
        loop.forecast(settings, moment, "weekday_level")


def backtest(settings: Settings, end: np.datetime64) -> Prints:
    """Two baselines over a day, each fitted twice."""
    out = Path(settings.data_root) / "out"
    span = ReplaySpan(end - DAY, end, 2 * HOUR, ("weekday_mean", "weekday_level"), 12 * HOUR)
    report = run_backtest(settings, span, out, track=False)
    figures = {name: value for name, value in report.figures.items() if name != "timing"}
    return files(out, ["forecasts.parquet"]) | {"report": json.dumps(figures, sort_keys=True)}


def tune(settings: Settings, end: np.datetime64) -> Prints:
    """Three trials of a baseline over a day; which configs they try may depend on which of them end first."""
    span = ReplaySpan(end - DAY, end, 2 * HOUR, ("weekday_level",), 12 * HOUR)
    report = run_tuning(settings, "weekday_level", span, TRIALS, "mae_hour", Path(settings.data_root) / "out")
    return {json.dumps(trial.values, sort_keys=True): repr(trial.loss) for trial in report.trials}


def groups(settings: Settings, end: np.datetime64) -> Prints:
    """A night with two groups by size."""
    report = loop.retrain(settings, end, "weekday_level")
    bundle = Path(settings.data_root) / "bundles" / report.version
    config = json.loads((bundle / "bundle.json").read_text())["config"]
    return files(bundle, ["**/*.npz"]) | {"config": json.dumps(config, sort_keys=True)}


def score(settings: Settings, end: np.datetime64) -> Prints:
    """Two days of forecasts."""
    loop.score(settings, end, end - 2 * DAY)
    return files(Path(settings.data_root), [f"{name}/**/*.parquet" for name in ("scores", "alert_signals")])


def maintain(settings: Settings, end: np.datetime64) -> Prints:
    """The last nine days, of two batches each, become a file each."""
    for table in ("observations", "minutes"):
        for day in Store(settings.data_root).partitions(table)[:-DAYS]:
            shutil.rmtree(Path(settings.data_root) / f"{table}/service_date={day}")
    loop.maintain(settings, end + 2 * DAY, 1)
    return files(Path(settings.data_root), ["observations/**/*.parquet", "minutes/**/*.parquet"])


STAGES: dict[str, Callable[[Settings, np.datetime64], Prints]] = {
    "backtest": backtest, "tune": tune, "groups": groups, "score": score, "maintain": maintain
}  # fmt: skip


def files(folder: Path, patterns: Sequence[str]) -> Prints:
    """SHA-256 of files."""
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def run_case(asked: argparse.Namespace) -> dict[str, Any]:
    """One stage in this process: seconds of the clock and of the processor, and what it left."""
    runner: dict[str, Any] = {"kind": asked.case[1], "address": asked.address, "workers": WORKERS}
    settings = load_settings(str(asked.root / "nexthour.toml"), str(asked.root))
    change: dict[str, Any] = {"runner": RunnerSettings(**runner)}
    if asked.case[0] == "groups":
        change["groups"] = type(settings.groups)(by="size", sizes=GROUPS)
    began, spent = time.perf_counter(), own_seconds()
    prints = STAGES[asked.case[0]](settings.model_copy(update=change), ENDS[asked.case[2]])
    return {"s": time.perf_counter() - began, "CPU s": own_seconds() - spent, "prints": prints}


def own_seconds() -> float:
    """Processor seconds of this process, and of its children that have ended."""
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def wait_for(kind: str, address: str | None) -> float:
    """Seconds until two workers have answered; without an address they are started for it."""
    began = time.perf_counter()
    while True:
        with suppress(ConfigError), open_workers(RunnerSettings(kind=kind, address=address), WORKERS) as workers:
            list(workers.executor.map(abs, range(WORKERS)))
            return time.perf_counter() - began


@contextmanager
def cluster(kind: str, folder: Path) -> Iterator[tuple[str, list[psutil.Process]]]:
    """A running cluster of two workers on loopback: its address and the processes that were started for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    python = [sys.executable, "-m"]
    if kind == "dask":
        address = f"tcp://127.0.0.1:{port}"
        host = ["--host", "127.0.0.1", "--no-dashboard"]
        commands = [
            [*python, "distributed.cli.dask_scheduler", *host, "--port", port],
            [*python, "distributed.cli.dask_worker", address, *host, "--nworkers", str(WORKERS), "--nthreads", "1"],
        ]
    else:
        address = f"127.0.0.1:{port}"
        head = ["start", "--head", "--block", "--node-ip-address", "127.0.0.1", "--port", port]
        commands = [[*python, "ray.scripts.scripts", *head, "--num-cpus", str(WORKERS), "--include-dashboard", "false"]]
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with ExitStack() as stack, (folder / f"{kind}.log").open("wb") as log:
        started = [psutil.Popen(words, stdout=log, stderr=log, env=environment, cwd=folder) for words in commands]
        stack.callback(kill, started)
        yield address, started


def kill(processes: Sequence[psutil.Process]) -> None:
    """End processes and all that they started."""
    for each in [child for top in processes for child in (*top.children(recursive=True), top)]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(processes, timeout=10)


def run_stage(
    case: Sequence[str], root: Path, address: str | None, helpers: Sequence[psutil.Process]
) -> dict[str, Any]:
    """One run of a stage in a process of its own, on a copy of a data root."""
    place, said = root.parent / "copy", root.parent / "said.json"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(root, place)
    words = [sys.executable, __file__, "--case", *case, "--root", str(place), "--json", str(said)]
    with Meter(helpers) as meter:
        subprocess.run([*words, *(["--address", address] if address else [])], check=True, stderr=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads(said.read_text())
        found["CPU s"] += meter.spent
    shutil.rmtree(place)
    return found


def compare(base: Prints, other: Prints, stage: str) -> str:
    """Whether what two runs left is equal; of trials those that both tried."""
    common = base.keys() & other.keys()
    if not common or any(base[name] != other[name] for name in common):
        return "DIFFERENT"
    if stage == "tune":
        return f"equal ({len(common)} of {len(base)} configs in both)"
    return f"equal ({len(common)} files)" if base.keys() == other.keys() else "DIFFERENT"


def measure_kind(kind: str, roots: dict[str, Path], stages: Sequence[str], found: dict[str, Any]) -> None:
    """Run every stage of every network with one kind of workers."""
    with ExitStack() as stack:
        address, helpers, began = None, list[psutil.Process](), time.perf_counter()
        if kind != "threads":
            address, helpers = stack.enter_context(cluster(kind, next(iter(roots.values())).parent))
            wait_for(kind, address)
            found[f"start of a cluster, {kind}"] = {"s": round(time.perf_counter() - began, 1)}
        for network, root in roots.items():
            for stage in stages:
                run = run_stage((stage, kind, network), root, address, helpers)
                base = found.setdefault(f"{network}, {stage}", {})
                base.setdefault("prints", run["prints"])
                base[kind] = {"s": round(run["s"], 1), "CPU s": round(run["CPU s"], 1)}
                if kind != "threads":
                    base[kind]["same"] = compare(base["prints"], run["prints"], stage)
                sys.stdout.write(f"{network:10} {stage:9} {kind:8} {base[kind]}\n")
                sys.stdout.flush()


def main() -> None:
    """See the file's head."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", default="zones,simulated")
    parser.add_argument("--kinds", default="threads,dask,ray")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--root", type=Path, help="folder that keeps the data roots for another time")
    parser.add_argument("--case", nargs=3)
    parser.add_argument("--address")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.case:
        asked.json.write_text(json.dumps(run_case(asked)))
        return
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        top = asked.root or Path(temporary)
        roots = {network: top / network / "root" for network in asked.networks.split(",")}
        for network, root in roots.items():
            if not (root / "publications").exists():
                prepare(root, network)
        for kind in asked.kinds.split(","):
            measure_kind(kind, roots, asked.stages.split(","), found)
    save({name: {key: value for key, value in row.items() if key != "prints"} for name, row in found.items()})


if __name__ == "__main__":
    main()
