"""Processes that belong together."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.machine.plan import Child, check_free
from flows.machine.supervise import Supervisor
from tasks.errors import ConfigError, NexthourError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def pid_of(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(supervisor: Supervisor) -> threading.Thread:
    thread = threading.Thread(target=supervisor.run, args=(0.05,))
    thread.start()
    return thread


def test_a_child_that_dies_is_started_again_and_all_end_on_stop(tmp_path: Path) -> None:
    said: list[str] = []
    child = Child("sleeper", SLEEP, pause=0.05)
    supervisor = Supervisor([child], {}, tmp_path / "logs", said.append)
    thread = run(supervisor)
    assert until(lambda: child.runs)
    first = pid_of(child)
    os.kill(first, signal.SIGKILL)
    assert until(lambda: child.runs and pid_of(child) != first)
    second = pid_of(child)
    supervisor.stopping.set()
    thread.join(10)
    assert not alive(second)
    assert [line.partition(";")[0] for line in said if "ended" in line] == ["sleeper ended (-9)"]


def test_the_pause_before_a_restart_doubles(tmp_path: Path) -> None:
    child = Child("broken", [sys.executable, "-c", "raise SystemExit(3)"], pause=0.01)
    said: list[str] = []
    supervisor = Supervisor([child], {}, tmp_path, said.append)
    thread = run(supervisor)
    assert until(lambda: child.pause >= 0.08)
    supervisor.stopping.set()
    thread.join(10)
    assert all("broken ended (3)" in line for line in said if "ended" in line)


def test_a_server_that_never_comes_up_is_named_with_its_log(tmp_path: Path) -> None:
    child = Child("broken", [sys.executable, "-c", "raise SystemExit(3)"], health="http://127.0.0.1:9/health")
    with pytest.raises(NexthourError, match=r"broken ended \(3\) before it was up: see .*broken\.log"):
        Supervisor([child], {}, tmp_path, lambda line: None).run(0.05)


def test_a_child_waits_for_the_server_that_it_names(tmp_path: Path) -> None:
    server = Child("server", SLEEP, health="http://127.0.0.1:9/health")
    client = Child("client", SLEEP, after="server")
    supervisor = Supervisor([client, server], {}, tmp_path, lambda line: None)
    thread = run(supervisor)
    assert until(lambda: server.runs)
    time.sleep(0.3)
    assert client.process is None
    supervisor.stopping.set()
    thread.join(10)


def test_a_child_that_will_not_end_is_killed_with_its_own_children_and_what_was_at_work_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.machine.supervise.GRACE_SECONDS", 0.3)
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"print(subprocess.Popen({SLEEP!r}).pid, flush=True); time.sleep(60)"
    )
    said: list[str] = []
    server = Child("server", [sys.executable, "-c", stubborn], health="http://127.0.0.1:9/health")
    client = Child("client", [sys.executable, "-c", stubborn])
    supervisor = Supervisor([server, client], {}, tmp_path, said.append, lambda: ["retrain 2026-11-21"])
    thread = run(supervisor)
    logs = [tmp_path / "server.log", tmp_path / "client.log"]
    assert until(lambda: all(log.exists() and log.read_text().strip() for log in logs))
    started = time.monotonic()
    supervisor.stopping.set()
    thread.join(10)
    assert time.monotonic() - started < 3
    grandchildren = [int(log.read_text()) for log in logs]
    assert until(lambda: not any(alive(pid) for pid in (*grandchildren, pid_of(server), pid_of(client))))
    assert [line.partition(";")[0] for line in said if "midway" in line] == ["stopped midway: retrain 2026-11-21"]


def test_children_get_the_environment_and_write_to_their_log(tmp_path: Path) -> None:
    say = "import os; print(os.environ['GREETING'], os.environ['NAME'])"
    child = Child("echo", [sys.executable, "-c", say], pause=60, own={"NAME": "Ann"})
    supervisor = Supervisor([child], {"GREETING": "good morning", "NAME": "all"}, tmp_path, lambda line: None)
    thread = run(supervisor)
    assert until(
        lambda: (tmp_path / "echo.log").exists() and (tmp_path / "echo.log").read_text() == "good morning Ann\n"
    )
    supervisor.stopping.set()
    thread.join(10)


def test_a_log_that_grows_too_long_is_emptied_and_its_end_kept_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.machine.supervise.LOG_BYTES", 1000)
    monkeypatch.setattr("flows.machine.supervise.LOG_SECONDS", 0.0)
    talk = "import time\nfor number in range(10**6): print(f'line {number:6}', flush=True); time.sleep(0.002)"
    child = Child("talker", [sys.executable, "-c", talk])
    supervisor = Supervisor([child], {}, tmp_path, lambda line: None)
    thread = run(supervisor)
    log, before = tmp_path / "talker.log", tmp_path / "talker.log.1"
    assert until(before.exists)
    assert until(lambda: log.read_text().startswith("line"))
    supervisor.stopping.set()
    thread.join(10)
    assert before.stat().st_size > 1000
    assert int(log.read_text().split()[1]) > int(before.read_text().split()[1])
    assert b"\0" not in log.read_bytes()


def test_a_port_in_use_is_refused_with_the_option_that_chooses_another() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(ConfigError, match="--prefect-port"):
            check_free("127.0.0.1", held.getsockname()[1], "--prefect-port")
