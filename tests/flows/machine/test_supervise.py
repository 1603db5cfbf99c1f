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

from flows.machine.supervise import Child, Supervisor, check_free
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


def test_a_child_that_dies_is_started_again_and_all_end_on_stop(tmp_path: Path) -> None:
    said: list[str] = []
    child = Child("sleeper", SLEEP, pause=0.05)
    supervisor = Supervisor([child], {}, tmp_path / "logs", said.append)
    supervisor.start()
    first = pid_of(child)
    watcher = threading.Thread(target=supervisor.watch, args=(0.05,))
    watcher.start()
    os.kill(first, signal.SIGKILL)
    assert until(lambda: pid_of(child) != first)
    second = pid_of(child)
    supervisor.stop()
    watcher.join(10)
    assert not alive(second)
    assert said
    assert "sleeper" in said[0]


def test_a_child_that_never_comes_up_is_named_with_its_log(tmp_path: Path) -> None:
    child = Child("broken", [sys.executable, "-c", "raise SystemExit(3)"], health="http://127.0.0.1:9/health")
    supervisor = Supervisor([child], {}, tmp_path, lambda line: None)
    with pytest.raises(NexthourError, match=r"broken did not come up .*broken\.log"):
        supervisor.start(patience_seconds=10)
    supervisor.stop()


def test_children_get_the_environment_and_write_to_their_log(tmp_path: Path) -> None:
    child = Child("echo", [sys.executable, "-c", "import os; print(os.environ['GREETING'])"])
    supervisor = Supervisor([child], {"GREETING": "good morning"}, tmp_path, lambda line: None)
    supervisor.start()
    assert child.process is not None
    child.process.wait(20)
    assert (tmp_path / "echo.log").read_text().strip() == "good morning"


def test_a_port_in_use_is_refused_with_the_option_that_chooses_another() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(ConfigError, match="--prefect-port"):
            check_free("127.0.0.1", held.getsockname()[1], "--prefect-port")
