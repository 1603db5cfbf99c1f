"""Supervise processes that belong together: start them, restart those that die or hang, stop them together.

`python -m flows.machine.supervise PLAN` runs a plan that `nexthour up` has checked. It takes the place of that command
(same process), so that what the checks import does not stay in memory beside the servers.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from flows import logs
from flows.machine.lock import only_one
from flows.machine.plan import Child, Plan
from tasks.errors import NexthourError, visible

STOPS = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 1.8
"""Between the request to end and the kill. Clients go first, then servers: twice this, and `up` ends within 5 s."""
PATIENCE_SECONDS = 180.0
"""Until a server that never answered is given up."""
HANG_SECONDS = 120.0
"""Until a server that answered before, and does no more, is killed and started again."""
LONGEST_PAUSE_SECONDS = 60.0
LOG_BYTES = 10_000_000
"""Of a log file; what is older goes to a second file of this size, in place of the one before."""
LOG_SECONDS = 60.0
"""Between two looks at the sizes of log files."""
HEALTH_SECONDS = 20.0
"""Between two looks at the health of a server that is up."""


class Supervisor:
    """Runs children until `stopping` is set.

    Args:
        children: in the order in which they are started.
        environment: of all of them.
        logs: folder of their log files.
        say: called with one line for people whenever something happens.
        busy: names what is running when everything is stopped.
    """

    def __init__(
        self,
        children: Sequence[Child],
        environment: Mapping[str, str],
        logs: Path,
        say: Callable[[str], None],
        busy: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.children, self.environment, self.logs, self.say, self.busy = children, environment, logs, say, busy
        self.stopping = threading.Event()
        self._by_name = {child.name: child for child in children}
        # One client without certificates: a new one per look would load them each time.
        self._client = httpx.Client(timeout=2, verify=False, trust_env=False)  # noqa: S501  (health on loopback)

    def run(self, poll_seconds: float = 0.25) -> None:
        """Start children and keep them running, until `stopping` is set; then stop them.

        Raises:
            NexthourError: if a server does not come up; names its log.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        announced, sized = False, time.monotonic()
        try:
            while not self.stopping.is_set():
                for child in self.children:
                    self._attend(child)
                if not announced and all(child.is_up for child in self.children):
                    announced = True
                    self.say(f"{', '.join(child.name for child in self.children)} are up")
                if time.monotonic() - sized > LOG_SECONDS:
                    sized = time.monotonic()
                    self.bound_logs()
                self.stopping.wait(4 * poll_seconds if announced else poll_seconds)
        finally:
            self.stop()

    def stop(self) -> None:
        """End every child within twice `GRACE_SECONDS`: those without an address first, as they call the others."""
        self.stopping.set()
        running = [child for child in self.children if child.runs]
        for name in self.busy() if running else ():
            self.say(f"stopped midway: {name}; what it had not finished, a later run repeats")
        for group in ([c for c in running if c.health is None], [c for c in running if c.health]):
            _end([child.process for child in group if child.process])

    def bound_logs(self) -> None:
        """Empty each log file that has grown too long, once it is copied; its process goes on writing to it."""
        for log in map(self._log, self.children):
            with suppress(OSError):  # such as a full disk, which must not end what runs; the next look tries again
                if log.stat().st_size > LOG_BYTES:
                    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
                    os.truncate(log, 0)

    def _attend(self, child: Child) -> None:
        """Bring one child a step further: start it, see whether it is up, or plan its restart."""
        now = time.monotonic()
        if child.process is None:
            if now >= child.due and (child.after is None or self._by_name[child.after].is_up):
                self._spawn(child)
        elif not child.runs:
            self._plan_restart(child, now)
        elif child.health is None:
            child.is_up = True
        elif now - child.answered > (HEALTH_SECONDS if child.is_up else 0.25):
            self._look(child, child.health, now)

    def _spawn(self, child: Child) -> None:
        with self._log(child).open("ab") as out:
            child.process = subprocess.Popen(  # noqa: S603  (our own argument list, no shell)
                list(child.command),
                env={**os.environ, **self.environment, **child.own},
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        child.started = child.answered = time.monotonic()

    def _look(self, child: Child, health: str, now: float) -> None:
        """Ask a server whether it is well; one that hangs is killed, and restarted like one that died."""
        if self._answers(health):
            child.is_up, child.answered = True, now
        elif child.is_up and now - child.answered > HANG_SECONDS:
            self.say(f"{child.name} has not answered for {HANG_SECONDS:.0f} s: killed")
            _kill(child.process)
        elif not child.is_up and now - child.started > PATIENCE_SECONDS:
            raise NexthourError(f"{child.name} did not come up at {health}: see {self._log(child)}")

    def _answers(self, url: str) -> bool:
        try:
            return self._client.get(url).is_success
        except httpx.HTTPError:
            return False

    def _plan_restart(self, child: Child, now: float) -> None:
        code = child.process.returncode if child.process else None
        _kill(child.process)  # what it started goes with it
        if child.health and not child.is_up:
            raise NexthourError(f"{child.name} ended ({code}) before it was up: see {self._log(child)}")
        if now - child.started > LONGEST_PAUSE_SECONDS:
            child.pause = 1.0
        self.say(f"{child.name} ended ({code}); starting it again in {child.pause:.0f} s")
        child.process, child.due = None, now + child.pause
        child.pause = min(child.pause * 2, LONGEST_PAUSE_SECONDS)

    def _log(self, child: Child) -> Path:
        return self.logs / f"{child.name}.log"


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask process groups to end, all at once; kill what is left of them after the grace."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(process.poll() is None for process in processes):
        time.sleep(0.05)
    for process in processes:
        _kill(process)


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a child and everything in its process group; also when the child itself is gone."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def running_flows(api: str) -> list[str]:
    """Names of flow runs that are running, none where the server does not answer within a second."""
    query = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}, "limit": 20}
    try:
        user, colon, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
        login = (user, password) if colon else None
        with httpx.Client(timeout=1, trust_env=False, auth=login) as client:
            found = client.post(f"{api}/flow_runs/filter", json=query).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return []
    return [str(run["name"]) for run in found]


def say(line: str) -> None:
    """Print one line for a person."""
    if logs.writes_json():
        logs.PEOPLE.info("%s", line)
        return
    sys.stderr.write(visible(line) + "\n")
    sys.stderr.flush()


def supervise(plan: Plan) -> int:
    """Run a plan until SIGINT or SIGTERM; returns the exit code."""
    if os.environ.get(logs.CONSOLE_FORMATTER) == "json":
        logs.write_json()
    supervisor = Supervisor(plan.children, plan.environment, plan.logs, say, lambda: running_flows(plan.api))
    for number in STOPS:
        signal.signal(number, lambda *_: supervisor.stopping.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        with only_one(plan.folder, plan.addresses()):
            supervisor.run()
    except NexthourError as error:
        say(f"nexthour: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(supervise(Plan.from_json(sys.argv[1])))
