"""Serve every deployment of the registry from one process: `python -m flows.machine.serve`.

The configuration and the data root of its runs are those of the environment, which `up` sets.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import os
import pkgutil
import runpy
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from prefect.client.orchestration import PrefectClient, get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.types import _datetime

from flows.deployments import DEPLOYMENTS
from flows.leave import leave
from flows.machine.fork_server import serve_forks
from flows.machine.prefect_deployments import keep_pauses, make_deployments
from flows.machine.recover import catch_up, settle
from flows.machine.register_automations import register_when_deployed
from flows.machine.registry_hook import follow_by_hook
from flows.machine.runner import ISOLATED, WarmRunner
from tasks.arrow_start import start_arrow_without_pandas
from tasks.clock import holiday_dates
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings

RUNS_AT_ONCE = 4
STAGES = ("tables", "ingest", "quality", "features", "forecast", "publish", "score", "stations")
"""Folders of tasks/ whose modules minutely runs import, most of them when they need them."""
LIBRARIES = (
    "anyio._backends._asyncio",
    "filelock",
    "holidays",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "onnxruntime",
    "prefect._internal.metrics",
    "prefect.concurrency.services",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "pyarrow.dataset",
    "tasks.model.architectures.next_hour_lstm",
    "tasks.model.networks.onnx",
    "tasks.model.plots.forecast_hour",
    "tasks.model.steps",
)
"""What minutely runs import besides, most of it when they need it."""


def _run_runner(end: socket.socket) -> None:
    """Register the deployments and run what is due, until the process is stopped."""
    logging.getLogger("flows").setLevel(logging.INFO)
    settings = load_settings()
    asyncio.run(_serve(end, settings, make_deployments(settings)))


async def _serve(end: socket.socket, settings: Settings, served: Sequence[RunnerDeployment]) -> None:
    runner = WarmRunner(end, name="nexthour", pause_on_shutdown=False, limit=RUNS_AT_ONCE)
    async with get_client() as client:
        await _until_healthy(client)
        for deployment in served:
            with suppress(ObjectNotFound):
                keep_pauses(deployment, await client.read_deployment_by_name(deployment.full_name))
        ids = [await runner.aadd_deployment(deployment) for deployment in served]
        await settle(client, ids)
    await asyncio.to_thread(register_when_deployed, settings)
    follow_by_hook(settings)
    catching_up = asyncio.create_task(catch_up(settings, runner))
    await runner.start()
    catching_up.cancel()


async def _until_healthy(client: PrefectClient) -> None:
    while await client.api_healthcheck() is not None:
        await asyncio.sleep(0.5)


def import_everything() -> None:
    """Import what runs need, so that a fork finds it there: imports are two thirds of the cost of a minute."""
    start_arrow_without_pandas()
    flows = [f"flows.{item.flow}" for item in DEPLOYMENTS if item.flow not in ISOLATED]
    for name in (*LIBRARIES, *flows):
        importlib.import_module(name)
    for stage in STAGES:
        package = importlib.import_module(f"tasks.{stage}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    list_zones_once()
    network, today = load_settings().network, np.datetime64("today")
    holiday_dates(network.country, network.subdivision, today, today)  # imports the country's module


def list_zones_once() -> None:
    """Keep the list of all time zones, which Prefect reads from the disk for each schedule that it is given."""
    module = vars(_datetime)
    module["available_timezones"] = functools.cache(module["available_timezones"])


def main() -> int:
    """Import, serve, and execute one run in each fork; returns the exit code of the runner."""
    import_everything()
    outcome = serve_forks(_run_runner)
    if isinstance(outcome, int):
        return outcome
    os.environ.update(outcome)
    leave(_execute())


def _execute() -> int:
    """Execute the flow run that the environment names; returns the exit code.

    Without heartbeats: the runner sees at once when this process dies, and the next runner when both did (`settle`).
    The heartbeat of a run of a second may come after its end, where it counts as the last sign of life of a dead one.
    """
    sys.modules.pop("prefect.engine", None)  # it runs as the main module
    try:
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            runpy.run_module("prefect.engine", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
