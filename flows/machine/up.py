"""A Prefect server, the MLflow UI and every scheduled deployment on one machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.machine.environment import DATABASE_VARIABLE, flow_environment, server_environment, state_folder
from flows.machine.exposure import LOOPBACK, check_exposure, hook_environment, mlflow_access, prefect_access
from flows.machine.lock import only_one
from flows.machine.plan import Child, Plan, check_free
from flows.machine.prefect_database import check_database
from flows.machine.supervise import STOPS
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking.uri import UI_VARIABLE, tracking_uri

ZONES_OF_PACKAGE = {"PYTHONTZPATH": ""}
"""Time zones from the package tzdata. Prefect's server lists all zones whenever it reads a schedule, several times per
run: from the files of the system that is 11 ms of CPU each time, and from the package 0.3."""


DATED = {"PREFECT_LOGGING_FORMATTERS_STANDARD_DATEFMT": "%Y-%m-%d %H:%M:%S"}
"""Lines of a log that is kept for weeks have a date."""


def make_plan(
    settings: Settings, config: str | None, host: str, prefect_port: int, mlflow_port: int, api_port: int | None = None
) -> Plan:
    """The processes of one machine, checked; nothing is started yet.

    Args:
        settings: of the network.
        config: file that they came from, None where there is none.
        host: address that the servers listen on.
        prefect_port: of the Prefect server.
        mlflow_port: of the MLflow server.
        api_port: of the reading interface; `[serve] port` without it.

    Raises:
        ConfigError: if another `up` runs on the data root, a port is taken, Prefect's database cannot be used, or the
            servers would be open to a network without a login.
        StoreError: if the data root cannot be written.
    """
    check_exposure(settings, host)
    Store(settings.data_root).check_writable()
    folder = state_folder(settings)
    (folder / "prefect").mkdir(parents=True, exist_ok=True)
    with only_one(folder, ()):
        check_free(host, prefect_port, "--prefect-port")
    api = f"http://{host}:{prefect_port}/api"
    environment = {
        **server_environment(settings),
        **flow_environment(config, settings.data_root),
        **prefect_access(settings, host, prefect_port),
        "PREFECT_API_URL": api,
        "PREFECT_UI_URL": api.removesuffix("/api"),
        **DATED,
    }
    check_database(environment[DATABASE_VARIABLE])
    children = [_prefect(host, prefect_port), Child("deployments", [sys.executable, "-m", "flows.machine.serve"])]
    if not (uri := tracking_uri(settings)).startswith("http"):
        access = mlflow_access(settings, host, mlflow_port, folder)
        check_free(access.host, mlflow_port, "--mlflow-port")
        children.append(_mlflow(access.host, mlflow_port, access.options))
        environment |= {
            **access.environment,
            **hook_environment(settings, host, folder),
            "MLFLOW_BACKEND_STORE_URI": uri,
            UI_VARIABLE: os.environ.get(UI_VARIABLE) or f"http://{access.host}:{mlflow_port}",
        }
    if settings.serve.enabled:
        # Without keys it answers this machine alone, whatever the others do.
        reached = host if settings.serve.api_keys else LOOPBACK
        check_free(reached, api_port or settings.serve.port, "--api-port")
        children.append(_api(reached, api_port or settings.serve.port))
    return Plan(tuple(children), environment, folder, api)


def run(plan: Plan) -> None:
    """Become the supervisor of a plan, which starts every process and restarts those that die; does not return."""
    command = [sys.executable, "-m", "flows.machine.supervise", plan.to_json()]
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # kept until the supervisor listens
    os.execve(command[0], command, {**os.environ, **plan.environment})  # noqa: S606  (our own list, no shell)


def _prefect(host: str, port: int) -> Child:
    command = [str(Path(sys.executable).parent / "prefect"), "server", "start", "--host", host, "--port", str(port)]
    return Child("prefect", command, f"http://{host}:{port}/api/health", own=ZONES_OF_PACKAGE)


def _api(host: str, port: int) -> Child:
    return Child("api", [sys.executable, "-m", "flows.api", host, str(port)], f"http://{host}:{port}/health")


def _mlflow(host: str, port: int, options: Sequence[str]) -> Child:
    where = ["--host", host, "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "tasks.tracking.server", *where, *options]
    return Child("mlflow", command, f"http://{host}:{port}/health", after="prefect")
