"""A Prefect server, the MLflow UI and every scheduled deployment on one machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

from flows.machine.environment import server_environment, state_folder
from flows.machine.supervise import Child, Supervisor, check_free
from tasks.settings.tree import Settings
from tasks.storage.store import Store


def make_supervisor(
    settings: Settings, config: str | None, host: str, prefect_port: int, mlflow_port: int, say: Callable[[str], None]
) -> Supervisor:
    """Supervisor of the processes of one machine; nothing is started yet.

    Raises:
        ConfigError: if a port is taken.
        StoreError: if the data root cannot be written.
    """
    Store(settings.data_root).check_writable()
    check_free(host, prefect_port, "--prefect-port")
    api = f"http://{host}:{prefect_port}/api"
    children = [_prefect(host, prefect_port)]
    if settings.mlflow.tracking_uri is None or not settings.mlflow.tracking_uri.startswith("http"):
        check_free(host, mlflow_port, "--mlflow-port")
        children.append(_mlflow(settings, host, mlflow_port))
    children.append(
        Child("deployments", [sys.executable, "-m", "flows.machine.serve", config or "", settings.data_root])
    )
    folder = state_folder(settings)
    (folder / "prefect").mkdir(parents=True, exist_ok=True)
    environment = {**server_environment(settings), "PREFECT_API_URL": api}
    return Supervisor(children, environment, folder / "logs", say)


def addresses(supervisor: Supervisor) -> list[str]:
    """Addresses of the servers and folder of the logs, one line each."""
    servers = [(child.name, urljoin(child.health, "/")) for child in supervisor.children if child.health]
    return [f"{name:8} {place}" for name, place in (*servers, ("logs", supervisor.logs))]


def _prefect(host: str, port: int) -> Child:
    command = [_script("prefect"), "server", "start", "--host", host, "--port", str(port)]
    return Child("prefect", command, f"http://{host}:{port}/api/health")


def _mlflow(settings: Settings, host: str, port: int) -> Child:
    from tasks.tracking.uri import tracking_uri

    uri = tracking_uri(settings)
    command = [
        _script("mlflow"),
        "server",
        "--backend-store-uri",
        uri,
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    return Child("mlflow", command, f"http://{host}:{port}/health")


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
