"""What `up` starts and prints."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flows.machine.up import addresses, make_supervisor
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_up_starts_prefect_then_mlflow_then_the_deployments_which_talk_to_that_prefect(tmp_path: Path) -> None:
    prefect, mlflow = free_port(), free_port()
    supervisor = make_supervisor(Settings(data_root=str(tmp_path)), None, "127.0.0.1", prefect, mlflow, print)
    assert [child.name for child in supervisor.children] == ["prefect", "mlflow", "deployments"]
    assert supervisor.environment["PREFECT_API_URL"] == f"http://127.0.0.1:{prefect}/api"
    assert supervisor.environment["NEXTHOUR_DATA_ROOT"] == str(tmp_path)
    assert addresses(supervisor) == [
        f"prefect  http://127.0.0.1:{prefect}/",
        f"mlflow   http://127.0.0.1:{mlflow}/",
        f"logs     {tmp_path}/logs",
    ]


def test_a_tracking_server_elsewhere_is_neither_started_nor_named(tmp_path: Path) -> None:
    settings = Settings(data_root=str(tmp_path), mlflow={"tracking_uri": "http://mlflow.example:5000"})
    supervisor = make_supervisor(settings, None, "127.0.0.1", free_port(), 1, print)
    assert [child.name for child in supervisor.children] == ["prefect", "deployments"]
    assert not any("mlflow" in line for line in addresses(supervisor))


@pytest.mark.parametrize("taken", ["--prefect-port", "--mlflow-port"])
def test_a_port_in_use_is_named_by_its_option_before_anything_starts(tmp_path: Path, taken: str) -> None:
    ports = {"--prefect-port": free_port(), "--mlflow-port": free_port()}
    prefect, mlflow = ports.values()
    with socket.socket() as held:
        held.bind(("127.0.0.1", ports[taken]))
        held.listen()
        with pytest.raises(ConfigError, match=f"give {taken}"):
            make_supervisor(Settings(data_root=str(tmp_path)), None, "127.0.0.1", prefect, mlflow, print)


def test_the_command_prints_one_address_per_line_and_an_interrupt_while_it_starts_ends_it_well(tmp_path: Path) -> None:
    prefect, mlflow = free_port(), free_port()
    command = [sys.executable, "-c", "from flows.cli.main import main; main()", "up", "--data-root", str(tmp_path)]
    command += ["--prefect-port", str(prefect), "--mlflow-port", str(mlflow)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr
        lines = [process.stderr.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert lines == [
        f"prefect  http://127.0.0.1:{prefect}/\n",
        f"mlflow   http://127.0.0.1:{mlflow}/\n",
        f"logs     {tmp_path}/logs\n",
    ]
    assert (process.returncode, "did not come up" in rest) in ((0, False), (130, False))
