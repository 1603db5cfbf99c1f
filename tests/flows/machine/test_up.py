"""What `up` starts and prints."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flows.machine.lock import only_one
from flows.machine.plan import Plan
from flows.machine.up import make_plan
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


API_PORT = free_port()


def plan_of(settings: Settings, prefect: int, mlflow: int) -> Plan:
    return make_plan(settings, None, "127.0.0.1", prefect, mlflow, API_PORT)


def test_up_starts_prefect_and_the_deployments_which_talk_to_it_and_then_mlflow(tmp_path: Path) -> None:
    prefect, mlflow = free_port(), free_port()
    plan = plan_of(Settings(data_root=str(tmp_path)), prefect, mlflow)
    assert [(child.name, child.after) for child in plan.children] == [
        ("prefect", None),
        ("deployments", None),
        ("mlflow", "prefect"),
        ("api", None),
    ]
    assert plan.environment["PREFECT_API_URL"] == f"http://127.0.0.1:{prefect}/api"
    assert plan.environment["NEXTHOUR_DATA_ROOT"] == str(tmp_path)
    assert plan.addresses() == [
        f"prefect  http://127.0.0.1:{prefect}/",
        f"mlflow   http://127.0.0.1:{mlflow}/",
        f"api      http://127.0.0.1:{API_PORT}/",
        f"logs     {tmp_path}/logs",
    ]


def test_the_command_line_of_no_process_holds_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", "postgresql://ops:planted@127.0.0.1:1/runs")
    settings = Settings(data_root=str(tmp_path), mlflow={"tracking_uri": "env:RUNS"})
    plan = plan_of(settings, free_port(), free_port())
    assert plan.environment["MLFLOW_BACKEND_STORE_URI"].endswith("planted@127.0.0.1:1/runs")
    assert "planted" not in plan.to_json()
    assert "planted" not in str([child.command for child in plan.children])


def test_a_plan_survives_being_handed_on(tmp_path: Path) -> None:
    plan = plan_of(Settings(data_root=str(tmp_path)), free_port(), free_port())
    again = Plan.from_json(plan.to_json())
    assert (again.children, again.folder, again.api) == (plan.children, plan.folder, plan.api)


def test_the_reading_interface_stays_on_this_machine_until_it_asks_for_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.machine.up.check_exposure", lambda settings, host: None)
    monkeypatch.setenv("READ_KEYS", "planted-key-of-the-tests")
    for serve, health in (
        ({}, [f"http://127.0.0.1:{API_PORT}/health"]),
        ({"api_keys": "env:READ_KEYS"}, [f"http://0.0.0.0:{API_PORT}/health"]),
        ({"enabled": False}, []),
    ):
        settings = Settings.model_validate({"data_root": str(tmp_path), "serve": serve})
        plan = make_plan(settings, None, "0.0.0.0", free_port(), free_port(), API_PORT)
        assert [child.health for child in plan.children if child.name == "api"] == health


def test_a_tracking_server_elsewhere_is_neither_started_nor_named(tmp_path: Path) -> None:
    settings = Settings(data_root=str(tmp_path), mlflow={"tracking_uri": "http://mlflow.example:5000"})
    plan = plan_of(settings, free_port(), 1)
    assert [child.name for child in plan.children] == ["prefect", "deployments", "api"]
    assert not any("mlflow" in line for line in plan.addresses())


def test_a_second_up_on_a_data_root_says_who_runs_there(tmp_path: Path) -> None:
    settings = Settings(data_root=str(tmp_path))
    who = rf"already runs on .*pid {os.getpid()} of .*4200.*kill {os.getpid()}"
    with only_one(tmp_path, ["prefect  http://127.0.0.1:4200/"]), pytest.raises(ConfigError, match=who):
        plan_of(settings, free_port(), free_port())
    plan_of(settings, free_port(), free_port())


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    hold = f"import pathlib,time; from flows.machine.lock import only_one\nwith only_one(pathlib.Path({str(tmp_path)!r}), ()): print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(ConfigError, match=f"pid {holder.pid} of"):
            plan_of(Settings(data_root=str(tmp_path)), free_port(), free_port())
        holder.kill()
    plan_of(Settings(data_root=str(tmp_path)), free_port(), free_port())


def test_a_database_of_a_newer_prefect_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    with closing(sqlite3.connect(tmp_path / "prefect/prefect.db")) as database, database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('ffffffffffff')")
    with pytest.raises(ConfigError, match=r"prefect\.db was written by a newer version than Prefect 3.*ffffffffffff"):
        plan_of(Settings(data_root=str(tmp_path)), free_port(), free_port())


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect/prefect.db").write_text("no database at all, but long enough to be read as one" * 20)
    with pytest.raises(ConfigError, match=r"prefect\.db cannot be used: file is not a database: move the file away"):
        plan_of(Settings(data_root=str(tmp_path)), free_port(), free_port())


def test_a_database_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNS", f"postgresql://ops:planted@127.0.0.1:{free_port()}/runs")
    settings = Settings(data_root=str(tmp_path), prefect={"database": "env:RUNS"})
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1.* cannot be used: .*start it, or correct") as raised:
        plan_of(settings, free_port(), free_port())
    assert "planted" not in str(raised.value)


def test_a_database_url_with_a_password_does_not_belong_into_the_file() -> None:
    with pytest.raises(ConfigError, match='write "env:NAME"'):
        Settings(prefect={"database": "postgresql://ops:planted@127.0.0.1/runs"})
    with pytest.raises(ConfigError, match="no PostgreSQL URL"):
        Settings(prefect={"database": "mysql://127.0.0.1/runs"})


@pytest.mark.parametrize("taken", ["--prefect-port", "--mlflow-port", "--api-port"])
def test_a_port_in_use_is_named_by_its_option_before_anything_starts(tmp_path: Path, taken: str) -> None:
    ports = {"--prefect-port": free_port(), "--mlflow-port": free_port(), "--api-port": API_PORT}
    prefect, mlflow, _ = ports.values()
    with socket.socket() as held:
        held.bind(("127.0.0.1", ports[taken]))
        held.listen()
        with pytest.raises(ConfigError, match=f"give {taken}"):
            plan_of(Settings(data_root=str(tmp_path)), prefect, mlflow)


def test_the_command_prints_one_address_per_line_and_an_interrupt_while_it_starts_ends_it_well(tmp_path: Path) -> None:
    prefect, mlflow = free_port(), free_port()
    command = [sys.executable, "-c", "from flows.cli.main import main; main()", "up", "--data-root", str(tmp_path)]
    command += ["--prefect-port", str(prefect), "--mlflow-port", str(mlflow), "--api-port", str(API_PORT)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr
        lines = [process.stderr.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert lines == [
        f"prefect  http://127.0.0.1:{prefect}/\n",
        f"mlflow   http://127.0.0.1:{mlflow}/\n",
        f"api      http://127.0.0.1:{API_PORT}/\n",
        f"logs     {tmp_path}/logs\n",
    ]
    assert process.returncode in (0, 130), rest
