"""A real `nexthour up`, with what a test asks it and does to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
NEXTHOUR = [sys.executable, "-c", "from flows.cli.main import main; main()"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Machine:
    """A running `up`."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]
    command: list[str]
    api: int
    mlflow: int
    client: httpx.Client

    def until(self, what: str, found: Callable[[], Any], seconds: float = 240) -> Any:
        """Wait for something; on time-out the logs say why it did not come."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if result := found():
                    return result
            except (httpx.HTTPError, OSError, ValueError, psutil.Error):
                pass
            time.sleep(0.25)
        logs = "\n".join(path.read_text()[-3000:] for path in [self.root / "up.log", *self.root.glob("logs/*.log")])
        raise AssertionError(f"{what} did not come within {seconds} s:\n{logs}")

    def ask(self, path: str, **body: Any) -> Any:
        """What Prefect's API answers to a POST."""
        return self.client.post(f"http://127.0.0.1:{self.port}/api/{path}", json=body).raise_for_status().json()

    def read(self, path: str) -> Any:
        """A JSON file of the data root."""
        return json.loads((self.root / path).read_text())

    def child(self, part: str) -> int:
        """Process id of a child, by a part of its command line."""
        children = psutil.Process(self.process.pid).children()
        return next((c.pid for c in children if part in " ".join(c.cmdline())), 0)

    def start(self, flow: str, **parameters: Any) -> str:
        """Start a run as the form of the UI would, again where the database is busy; returns its id."""
        address = f"http://127.0.0.1:{self.port}/api/deployments/name/{flow}/{flow}"

        def made() -> str:
            named = self.client.get(address).raise_for_status().json()
            return str(self.ask(f"deployments/{named['id']}/create_flow_run", parameters=parameters)["id"])

        return str(self.until(f"a new run of {flow}", made))

    def state(self, run: str) -> str:
        """Type of the state of a run."""
        return str(self.ask("flow_runs/filter", flow_runs={"id": {"any_": [run]}})[0]["state_type"])

    def run(self, flow: str, **parameters: Any) -> None:
        """Start a run as the form of the UI would, and wait until it has completed."""
        run = self.start(flow, **parameters)
        self.until(f"a run of {flow}", lambda: self.state(run) == "COMPLETED")

    def states(self) -> dict[str, int]:
        """Number of runs per state."""
        counts: dict[str, int] = {}
        for run in self.ask("flow_runs/filter", limit=200):
            counts[run["state_name"]] = counts.get(run["state_name"], 0) + 1
        return counts


@contextmanager
def running_machine(root: Path, settings: str) -> Iterator[Machine]:
    """`up` on an empty data root with a network's TOML, until the block ends."""
    (root / "nexthour.toml").write_text(settings)
    port, mlflow, api = free_port(), free_port(), free_port()
    command = [*NEXTHOUR, "up", "--data-root", str(root), "--prefect-port", str(port), "--mlflow-port", str(mlflow)]
    command += ["--api-port", str(api)]
    with (root / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, env=os.environ)
    try:
        with httpx.Client(timeout=30, verify=False) as client:  # certificates take longer to read than an answer
            yield Machine(root, port, process, command, api, mlflow, client)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
