"""Prefect's runner, with flow runs as forks of a warm process; see `fork_server`."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import arun_deployment
from prefect.runner import Runner
from prefect.runner._control_channel import ControlChannel
from prefect.runner._flow_run_executor import ProcessStarter
from prefect.runner._process_manager import ProcessHandle
from prefect.runner._state_proposer import StateProposer
from prefect.states import AwaitingConcurrencySlot

ISOLATED = frozenset({"retrain", "tune", "backtest"})
"""Flows that start a process of their own: they load TensorFlow or start further processes, and run for minutes."""
MET_ANOTHER = "Deployment concurrency limit reached."
"""Message of the state in which Prefect cancels a run that meets another one."""
WAITS = "Another run of this flow is at work; this one starts after it."
WAIT_SECONDS = 10


@dataclass
class Fork:
    """A process of the fork server, with what Prefect asks of a process."""

    pid: int | None = None
    returncode: int | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Forks:
    """The runner's end of the socket to the fork server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._forks: dict[str, Fork] = {}
        self._listener = asyncio.create_task(self._listen())

    @staticmethod
    async def connect(end: socket.socket) -> Forks:
        """Listen on the runner's end."""
        end.setblocking(False)
        return Forks(*await asyncio.open_connection(sock=end))

    async def start(self, run: str, environment: Mapping[str, str]) -> Fork:
        """Start a process of a flow run.

        Raises:
            ConnectionError: if the fork server is gone.
        """
        fork = self._forks[run] = Fork()
        self._writer.write(json.dumps({"id": run, "environment": dict(environment)}).encode() + b"\n")
        await self._writer.drain()
        await fork.started.wait()
        if fork.pid is None:
            raise ConnectionError("the process that starts flow runs has ended")
        return fork

    async def _listen(self) -> None:
        while line := await self._reader.readline():
            message = json.loads(line)
            fork = self._forks[message["id"]]
            if "pid" in message:
                fork.pid = message["pid"]
                fork.started.set()
            else:
                fork.returncode = message["code"]
                fork.ended.set()
                del self._forks[message["id"]]
        for fork in self._forks.values():  # end of file: nobody will answer any more
            fork.returncode = -9
            fork.started.set()
            fork.ended.set()


class ForkStarter:
    """Starts one flow run as a fork."""

    def __init__(self, forks: Forks, deployment: str | None, channel: ControlChannel) -> None:
        self._forks, self._deployment, self._channel = forks, deployment, channel

    async def start(self, flow_run: FlowRun, task_status: Any = None) -> None:
        """Start the run, report it to `task_status` (anyio's), and wait for its end."""
        port, token = self._channel.register(flow_run.id)
        variables = {
            "PREFECT__FLOW_RUN_ID": str(flow_run.id),
            "PREFECT__CONTROL_PORT": str(port),
            "PREFECT__CONTROL_TOKEN": token,
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
            **({"PREFECT__DEPLOYMENT_NAME": self._deployment} if self._deployment else {}),
        }
        try:
            fork = await self._forks.start(str(flow_run.id), variables)
        except BaseException:
            self._channel.unregister(flow_run.id)
            raise
        process: Any = fork
        task_status.started(ProcessHandle(process))
        await fork.ended.wait()


class PatientProposer(StateProposer):
    """Proposes states of runs; one that a person started waits for the run that it meets, and is not cancelled.

    Where a flow's next run does the work anyway, the server cancels each run that meets another one. A person asked for
    this one, though, and no schedule repeats it.
    """

    async def propose_pending(self, flow_run: FlowRun) -> bool:
        """Whether a run may start now."""
        may_start = await super().propose_pending(flow_run)
        if not may_start and not flow_run.auto_scheduled:
            await self._let_wait(flow_run.id)
        return may_start

    async def _let_wait(self, run: UUID) -> None:
        state = (await self._client.read_flow_run(run)).state
        if state is not None and state.is_cancelled() and state.message == MET_ANOTHER:
            again = datetime.now(UTC) + timedelta(seconds=WAIT_SECONDS)
            waiting: State[None] = AwaitingConcurrencySlot(scheduled_time=again, message=WAITS)
            await self._client.set_flow_run_state(run, waiting, force=True)


class WarmRunner(Runner):
    """Prefect's runner; flows that are not `ISOLATED` run as forks.

    Prefect has no public place to say how the process of a run is started, nor what becomes of one that may not start:
    this sets those that its poller asks.
    """

    def __init__(self, end: socket.socket, **options: Any) -> None:
        super().__init__(**options)
        self._end = end

    async def __aenter__(self) -> WarmRunner:
        """Start the services of the runner, and connect to the fork server."""
        await super().__aenter__()
        forks = await Forks.connect(self._end)
        otherwise = self._scheduled_run_poller._resolve_starter

        def starter(flow_run: FlowRun) -> ProcessStarter:
            name = self._name_of(flow_run.deployment_id)
            return otherwise(flow_run) if name in ISOLATED else ForkStarter(forks, name, self._control_channel)

        self._scheduled_run_poller._resolve_starter = starter
        self._scheduled_run_poller._state_proposer = PatientProposer(client=self._client)
        return self

    async def run_now(self, deployment: str) -> str:
        """Run a deployment and wait for its end; returns the name of the state in which it ended.

        The run is looked for at once, and not only at the next poll.
        """
        run, poller = await arun_deployment(deployment, timeout=0, as_subflow=False), self._scheduled_run_poller
        await poller._get_and_submit_flow_runs()
        while True:
            is_handled = run.id not in poller._submitting_flow_run_ids  # before that it may be cancelled only to wait
            ended = await self._client.read_flow_run(run.id)
            if is_handled and ended.state is not None and ended.state.is_final():
                return str(ended.state_name)
            await asyncio.sleep(1)

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """End at once: what runs is ended by who asked, and is started again or settled by the next runner.

        Prefect's own starts a shutdown here that nothing waits for, and writes a warning that says so.
        """
        self._logger.info("asked to end")
        logging.getLogger("asyncio").disabled = True  # it would write a trace for each connection that is cut off
        sys.exit(0)

    def _name_of(self, deployment: UUID | None) -> str | None:
        return None if deployment is None else self._deployment_registry.get_deployment_name(deployment)
