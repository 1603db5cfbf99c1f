"""Supervise processes that belong together: start them in order, restart those that die, stop them together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import ConfigError, NexthourError

GRACE_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 60.0


@dataclass
class Child:
    """One supervised process.

    Attributes:
        name: of its log file.
        command: argument list.
        health: URL that answers 2xx once it is up; None to start the next one at once.
    """

    name: str
    command: Sequence[str]
    health: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    pause: float = 1.0
    started: float = 0.0


class Supervisor:
    """Runs children until `stop`.

    Args:
        children: in the order in which they need one another.
        environment: of all of them.
        logs: folder of their log files.
        say: called with one line for people whenever something happens.
    """

    def __init__(
        self,
        children: Sequence[Child],
        environment: Mapping[str, str],
        logs: Path,
        say: Callable[[str], None],
    ) -> None:
        self.children, self.environment, self.logs, self.say = children, environment, logs, say
        self.stopping = threading.Event()

    def start(self, patience_seconds: float = 180) -> None:
        """Start every child, each after the one before it is healthy; end early if `stop` is called meanwhile.

        Raises:
            NexthourError: if one does not come up; names its log.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        for child in self.children:
            if self.stopping.is_set():
                return
            self._spawn(child)
            self._await(child, patience_seconds)

    def watch(self, poll_seconds: float = 1.0) -> None:
        """Restart children that die, after a pause that doubles each time, until `stop`."""
        while not self.stopping.wait(poll_seconds):
            for child in self.children:
                if child.process is not None and child.process.poll() is not None:
                    self._restart(child)

    def stop(self, *_: object) -> None:
        """Ask every child to end, the last started first; kill those that do not."""
        self.stopping.set()
        for child in reversed(self.children):
            _end(child.process)

    def _spawn(self, child: Child) -> None:
        with (self.logs / f"{child.name}.log").open("ab") as out:
            child.process = subprocess.Popen(  # noqa: S603  (our own argument list, no shell)
                list(child.command),
                env={**os.environ, **self.environment},
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        child.started = time.monotonic()

    def _await(self, child: Child, patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        while child.health and not self.stopping.wait(0.3) and not is_healthy(child.health):
            ended = child.process is None or child.process.poll() is not None
            if ended or time.monotonic() > deadline:
                log = self.logs / f"{child.name}.log"
                raise NexthourError(f"{child.name} did not come up at {child.health}: see {log}")

    def _restart(self, child: Child) -> None:
        if time.monotonic() - child.started > LONGEST_PAUSE_SECONDS:
            child.pause = 1.0
        code = child.process.returncode if child.process else None
        self.say(f"{child.name} ended ({code}); starting it again in {child.pause:.0f} s")
        if not self.stopping.wait(child.pause):
            child.pause = min(child.pause * 2, LONGEST_PAUSE_SECONDS)
            self._spawn(child)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def is_healthy(url: str, timeout_seconds: float = 2) -> bool:
    """Whether a URL answers 2xx."""
    import httpx

    try:
        return httpx.get(url, timeout=timeout_seconds).is_success
    except httpx.HTTPError:
        return False


def check_free(host: str, port: int, option: str) -> None:
    """Check that a port can be listened on.

    Raises:
        ConfigError: if it is in use; names the option that chooses another.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(f"port {port} on {host} cannot be used ({error.strerror}): give {option}") from None
