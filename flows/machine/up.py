"""A Prefect server, the MLflow UI and every scheduled deployment on one machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urljoin

from flows.machine.environment import flow_environment, server_environment, state_folder
from flows.machine.exposure import check_exposure, mlflow_access, prefect_access
from flows.machine.supervise import Child, Supervisor, check_free
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking.uri import tracking_uri


def make_supervisor(
    settings: Settings, config: str | None, host: str, prefect_port: int, mlflow_port: int, say: Callable[[str], None]
) -> Supervisor:
    """Supervisor of the processes of one machine; nothing is started yet.

    Raises:
        ConfigError: if a port is taken, or the servers would be open to a network without a login.
        StoreError: if the data root cannot be written.
    """
    check_exposure(settings, host)
    Store(settings.data_root).check_writable()
    check_free(host, prefect_port, "--prefect-port")
    api = f"http://{host}:{prefect_port}/api"
    children, folder = [_prefect(host, prefect_port)], state_folder(settings)
    environment = {
        **server_environment(settings),
        **flow_environment(config, settings.data_root),
        **prefect_access(settings, host, prefect_port),
        "PREFECT_API_URL": api,
        "PREFECT_UI_URL": api.removesuffix("/api"),
    }
    if not (uri := tracking_uri(settings)).startswith("http"):
        access = mlflow_access(settings, host, mlflow_port, folder)
        check_free(access.host, mlflow_port, "--mlflow-port")
        children.append(_mlflow(access.host, mlflow_port, access.options))
        environment |= {**access.environment, "MLFLOW_BACKEND_STORE_URI": uri}
    children.append(Child("deployments", [sys.executable, "-m", "flows.machine.serve"]))
    (folder / "prefect").mkdir(parents=True, exist_ok=True)
    return Supervisor(children, environment, folder / "logs", say)


def addresses(supervisor: Supervisor) -> list[str]:
    """Addresses of the servers and folder of the logs, one line each."""
    servers = [(child.name, urljoin(child.health, "/")) for child in supervisor.children if child.health]
    return [f"{name:8} {place}" for name, place in (*servers, ("logs", supervisor.logs))]


def _prefect(host: str, port: int) -> Child:
    command = [_script("prefect"), "server", "start", "--host", host, "--port", str(port)]
    return Child("prefect", command, f"http://{host}:{port}/api/health")


def _mlflow(host: str, port: int, options: Sequence[str]) -> Child:
    where = ["--host", host, "--port", str(port), "--workers", "1"]
    return Child("mlflow", [_script("mlflow"), "server", *where, *options], f"http://{host}:{port}/health")


def _script(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def run(supervisor: Supervisor) -> None:
    """Start every process and restart those that die, until SIGINT or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    os.environ.update(supervisor.environment)
    try:
        supervisor.start()
        if not supervisor.stopping.is_set():
            supervisor.say(f"{', '.join(child.name for child in supervisor.children)} are up")
        supervisor.watch()
    finally:
        supervisor.stop()
