"""Ask a reading interface at a given rate, each request at its own moment, and check that every answer is whole."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import cast

CONNECTIONS = 32


@dataclass
class Tally:
    """What a client saw: seconds per answer, statuses, distinct forecasts, answers that were not whole."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    issues: set[str] = field(default_factory=set)
    torn: int = 0


class Client(asyncio.Protocol):
    """One connection that asks one request at a time."""

    def __init__(self, request: bytes) -> None:
        self._request, self._buffer = request, bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember what to write to."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def ask(self, extra: bytes = b"") -> asyncio.Future[tuple[int, bytes]]:
        """Status and body of an answer."""
        self._answer = asyncio.get_running_loop().create_future()
        assert self._transport
        self._transport.write(self._request + extra + b"\r\n")
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Collect an answer, whose length its headers say."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or self._answer is None:
            return
        at = self._buffer.find(b"content-length: ", 0, head)
        length = int(self._buffer[at + 16 : self._buffer.find(b"\r", at)]) if at >= 0 else 0
        if len(self._buffer) >= head + 4 + length:
            status, body = int(self._buffer[9:12]), bytes(self._buffer[head + 4 : head + 4 + length])
            self._buffer.clear()
            answer, self._answer = self._answer, None
            answer.set_result((status, body))


@dataclass(frozen=True)
class Load:
    """Requests per second, for how many seconds, with which header."""

    rate: int
    seconds: float
    header: bytes = b""


async def offer(port: int, load: Load) -> Tally:
    """Ask at a rate over `CONNECTIONS` connections; seconds are counted from when a request was due."""
    request = b"GET /stations/station%20007/next-hour HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    loop, tally = asyncio.get_running_loop(), Tally()
    free: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(lambda: Client(request), "127.0.0.1", port)
        free.put_nowait(client)
    began, count = time.perf_counter(), int(load.rate * load.seconds)

    async def one(due: float) -> None:
        client = await free.get()
        status, body = await client.ask(load.header)
        tally.seconds.append(time.perf_counter() - due)
        free.put_nowait(client)
        tally.statuses[status] = tally.statuses.get(status, 0) + 1
        if status == 200:
            _check(body, tally)

    tasks = set[asyncio.Task[None]]()
    for i in range(count):
        due = began + i / load.rate
        ahead = due - time.perf_counter()
        if ahead > 0.0005 or i % 32 == 0:
            await asyncio.sleep(max(ahead, 0))
        task = loop.create_task(one(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return tally


def _check(body: bytes, tally: Tally) -> None:
    """Whether every number of an answer is of the forecast that its head names; one answer in ten is looked at."""
    if len(tally.seconds) % 10 or body.startswith(b"x"):
        return
    answer = json.loads(body)
    tally.issues.add(answer["issued_at"])
    number = int(answer["model_version"])
    tally.torn += any(set(values["mean"]) != {number} for values in answer["targets"].values())
