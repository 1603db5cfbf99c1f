"""Start flow runs as forks of a process that has imported everything: 0.1 s of CPU in place of 3 to 5 per run.

Three kinds of processes belong together, in one process group:

    this one        imports Prefect and the flows once, has one thread, and forks
    the runner      its first fork: polls Prefect for runs that are due, and asks here for processes
    a flow run      a fork each; what it leaks or breaks ends with it

The runner cannot fork by itself: it has threads, and a fork of them would inherit their locks. It asks over a socket,
one JSON object per line: `{"id": ..., "environment": {...}}` is answered by `{"id": ..., "pid": ...}`, and by
`{"id": ..., "code": ...}` when the process has ended.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import traceback
from collections.abc import Callable
from typing import Any, NoReturn


def serve_forks(runner: Callable[[socket.socket], None]) -> dict[str, str] | int:
    """Fork the runner, and a process per request of it, until it ends.

    Returns:
        In the process of a flow run: the variables that name the run. In this process: the exit code of the runner.
    """
    gc.collect()
    gc.freeze()  # a collection in a fork would write to, and so copy, every page that it shares
    ours, theirs = socket.socketpair()
    runner_pid = os.fork()
    if runner_pid == 0:
        ours.close()
        _run_to_the_end(runner, theirs)
    theirs.close()
    return _ForkServer(ours, runner_pid).run()


def _run_to_the_end(runner: Callable[[socket.socket], None], end: socket.socket) -> NoReturn:
    """Run, and end this process whatever happens: an exception must not unwind into what the fork server does."""
    try:
        runner(end)
    except SystemExit as end:  # it was asked to end
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class _ForkServer:
    def __init__(self, requests: socket.socket, runner_pid: int) -> None:
        self._requests, self._runner_pid = requests, runner_pid
        self._received = b""
        self._ids: dict[int, str] = {}
        self._awake, wake = socket.socketpair()
        for end in (self._awake, wake):
            end.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> dict[str, str] | int:
        """Answer requests; see `serve_forks`."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._requests, selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._awake in ready:
                    self._awake.recv(4096)
                if (code := self._reap()) is not None:
                    return code
                if self._requests in ready:
                    self._received += self._requests.recv(65536)
                    while b"\n" in self._received:
                        line, _, self._received = self._received.partition(b"\n")
                        if (environment := self._fork(json.loads(line))) is not None:
                            return environment

    def _fork(self, request: dict[str, Any]) -> dict[str, str] | None:
        """Fork for one request; returns the variables of the run in the fork, None here."""
        pid = os.fork()
        if pid == 0:
            self._leave()
            variables: dict[str, str] = request["environment"]
            return variables
        self._ids[pid] = request["id"]
        self._answer({"id": request["id"], "pid": pid})
        return None

    def _leave(self) -> None:
        """Forget, in a fork, what belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._requests, self._awake, self._wake):
            end.close()

    def _reap(self) -> int | None:
        """Report the flow runs that have ended; returns the exit code of the runner once that has."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 1
            if pid == 0:
                return None
            code = os.waitstatus_to_exitcode(status)
            if pid == self._runner_pid:
                return code
            self._answer({"id": self._ids.pop(pid), "code": code})

    def _answer(self, message: dict[str, Any]) -> None:
        try:
            self._requests.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return  # the runner is gone, and is reaped next
