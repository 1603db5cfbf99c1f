"""Load of the reading interface: requests per second of one station's next hour, while forecasts are replaced.

`python benchmarks/serve_load.py` starts `nexthour serve` on one core and asks it from another one over kept-alive
connections, at the offered rate, each request at its own moment: an answer that is late makes none after it wait less
(no coordinated omission). Every answer is checked for being whole. What the client itself costs is measured against a
server that answers a fixed text.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import uvloop
from common import save
from http_load import CONNECTIONS, Load, offer

ROOT = Path(__file__).resolve().parents[1]
STATIONS, SECONDS, RATE = 300, 20, 3000
REPLACE_SECONDS = 2.0
BARE = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 5000


def replace_forecasts(root: str, until: float) -> None:
    """Replace `latest.json` every `REPLACE_SECONDS`, as the forecast flow does, in a process of its own."""
    from tasks.storage.store import Store

    store, document = Store(root), json.loads((Path(root) / "publications/latest.json").read_text())
    number = 0
    while time.time() < until:
        number += 1
        document["model_version"], document["issued_at"] = str(number), f"issue {number}"
        for targets in document["stations"].values():
            for values in targets.values():
                values["mean"] = [number] * 60
        store.write_bytes("publications/latest.json", json.dumps(document, separators=(",", ":")).encode())
        time.sleep(REPLACE_SECONDS)


def write_forecast(root: Path) -> int:
    """A `latest.json` of `STATIONS` stations, two targets and seven quantiles; returns its bytes."""
    rng = np.random.default_rng(1)
    names = ("mean", "q05", "q10", "q25", "q50", "q75", "q90", "q95")

    def series() -> dict[str, list[float]]:
        return {name: [0] * 60 if name == "mean" else rng.gamma(2, 9, 60).round(3).tolist() for name in names}

    stations = {f"station {i:03d}": {"entries": series(), "exits": series()} for i in range(STATIONS)}
    level = {"hour": 512.3, "usual": 480.1, "percent_of_usual": 106.7, "level": 3, "why": "7 % above a usual Tuesday"}
    document = {
        "schema_version": 1,
        "network": "load",
        "issued_at": "issue 0",
        "origin_utc": "2024-03-05T09:00:00Z",
        "model_version": "0",
        "interval_minutes": 1,
        "horizon_minutes": list(range(1, 61)),
        "quantiles": list(names[1:]),
        "stations": stations,
        "levels": {name: {"entries": level, "exits": level} for name in stations},
    }
    (root / "publications").mkdir(parents=True)
    text = json.dumps(document, separators=(",", ":"))
    (root / "publications/latest.json").write_text(text)
    return len(text)


@contextmanager
def interface(root: Path, core: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`nexthour serve` of a data root on one core; its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-c", "from flows.cli.main import main; main()", "serve"]
    command += ["--data-root", str(root), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, {core})) as process:
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield port, process
        finally:
            process.terminate()


async def bare_server(stop: asyncio.Event) -> int:
    """A server that answers a fixed text to whatever comes, on a port of its own."""

    class Fixed(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            self._transport.write(BARE)

    server = await asyncio.get_running_loop().create_server(Fixed, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    asyncio.get_running_loop().create_task(stop.wait()).add_done_callback(lambda _: server.close())
    return port


def measure(what: str, port: int, pid: int, load: Load) -> dict[str, float]:
    """Offer a load, print what came of it, and return the figures: milliseconds, shares of a core, requests."""
    server, began, cpu = psutil.Process(pid), time.perf_counter(), time.process_time()
    before = sum(server.cpu_times()[:2])
    tally = uvloop.run(offer(port, load))
    wall = time.perf_counter() - began
    p50, p99, p999 = np.percentile(np.array(tally.seconds) * 1000, [50, 99, 99.9]).tolist()
    busy = sum(server.cpu_times()[:2]) - before
    print(
        f"{what}: {len(tally.seconds) / wall:,.0f} requests/s; p50 {p50:.2f}, p99 {p99:.2f}, p99.9 {p999:.2f} ms; "
        f"server {busy / wall:.0%} of its core, {busy / len(tally.seconds) * 1e6:.0f} us per request; "
        f"client {(time.process_time() - cpu) / wall:.0%} of its own; answers {tally.statuses}; "
        f"{len(tally.issues)} forecasts, {tally.torn} torn",
        flush=True,
    )
    return {
        "requests_per_second": len(tally.seconds) / wall,
        "p50_ms": p50,
        "p99_ms": p99,
        "p999_ms": p999,
        "server_us_per_request": busy / len(tally.seconds) * 1e6,
        "client_us_per_request": (time.process_time() - cpu) / len(tally.seconds) * 1e6,
        "torn": tally.torn,
    }


def main() -> None:
    """Measure the interface at the rate that is wanted and at twice that, unchanged answers, and the client alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    cores, figures = sorted(os.sched_getaffinity(0)), {}
    os.sched_setaffinity(0, {cores[-1]})
    with tempfile.TemporaryDirectory() as folder:
        size = write_forecast(Path(folder))
        print(f"{STATIONS} stations, latest.json of {size / 1e6:.1f} MB, {CONNECTIONS} connections", flush=True)
        with interface(Path(folder), cores[0]) as (port, process):
            with replacing(folder, 3 * options.seconds + 10):
                for times in (1, 2):
                    load = Load(times * options.rate, options.seconds)
                    figures[f"{load.rate}_per_second"] = measure(f"offered {load.rate:,}/s", port, process.pid, load)
            load = Load(options.rate, options.seconds / 2, b"if-none-match: " + _tag(port) + b"\r\n")
            figures["unchanged"] = measure("the same, unchanged", port, process.pid, load)
            figures["server"] = {"megabytes": psutil.Process(process.pid).memory_info().rss / 1e6}
        with fixed_answers(cores[0]) as (port, pid):
            figures["client_alone"] = measure("client alone", port, pid, Load(options.rate, options.seconds / 2))
    save(figures)


@contextmanager
def replacing(folder: str, seconds: float) -> Iterator[None]:
    """Replace the forecast again and again while the block runs."""
    spawn = multiprocessing.get_context("spawn")
    writer = spawn.Process(target=replace_forecasts, args=(folder, time.time() + seconds))
    writer.start()
    time.sleep(2)
    try:
        yield
    finally:
        writer.terminate()
        writer.join()


@contextmanager
def fixed_answers(core: int) -> Iterator[tuple[int, int]]:
    """Port and process of a server that answers a fixed text: what is measured against it is the client's own."""
    spawn = multiprocessing.get_context("spawn")
    parent, child = spawn.Pipe()
    server = spawn.Process(target=_run_bare, args=(child, core))
    server.start()
    try:
        yield parent.recv(), int(server.pid or 0)
    finally:
        server.terminate()
        server.join()


def _run_bare(pipe: Any, core: int) -> None:
    async def run() -> None:
        stop = asyncio.Event()
        pipe.send(await bare_server(stop))
        await stop.wait()

    os.sched_setaffinity(0, {core})
    uvloop.run(run())


def _tag(port: int) -> bytes:
    import httpx

    return httpx.get(f"http://127.0.0.1:{port}/stations/station 007/next-hour").headers["etag"].encode()


if __name__ == "__main__":
    main()
