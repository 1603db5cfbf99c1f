"""What an object store may do wrong amid a run. A new fault is a class here and a line in `FAULTS`."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from torture.objects.server import Answer, Asked, Kind, Misbehaviour, Objects, refusal

ALWAYS = 1_000_000
"""More requests than a run makes."""
CHANGES: tuple[Kind, ...] = ("write", "delete")


class Fault(Misbehaviour):
    """Something that is wrong from a request of a run on, for some requests.

    Args:
        rng: chooses what the arguments leave open.
        asked: requests that the undisturbed run makes, of the kinds that the fault is about.

    Attributes:
        kinds: of requests; every one where it is empty.
        struck: how many of them met it.
    """

    kinds: tuple[Kind, ...] = ()

    def __init__(self, rng: Random, asked: int) -> None:
        self.rng, self.struck = rng, 0
        self._first = rng.randrange(max(asked, 1))
        self._left = rng.choice((1, 1, 2, 3, ALWAYS))

    def answer(self, objects: Objects, asked: Asked) -> Answer:
        if self.kinds and asked.kind not in self.kinds:
            return objects.answer(asked)
        self._first -= 1
        if self._first >= 0 or not self._left:
            return objects.answer(asked)
        self._left -= 1
        self.struck += 1
        return self.misbehave(objects, asked)

    def misbehave(self, objects: Objects, asked: Asked) -> Answer:
        """The wrong answer to a request."""
        raise NotImplementedError

    def end_run(self, objects: Objects) -> Misbehaviour:
        """The run is over; how the store behaves in the next one."""
        return Misbehaviour()

    def settle(self, objects: Objects) -> None:
        """What was still to come comes now."""


class ServerErrors(Fault):
    """Answers of 500 to 504, some of them to a change that was made all the same."""

    def misbehave(self, objects: Objects, asked: Asked) -> Answer:
        if asked.kind in CHANGES and self.rng.random() < 0.5:
            objects.answer(asked)
        status, code = self.rng.choice(((500, "InternalError"), (502, "BadGateway"), (504, "GatewayTimeout")))
        return refusal(status, code)


class Throttling(Fault):
    """Answers of 503, slow down."""

    def misbehave(self, objects: Objects, asked: Asked) -> Answer:
        return refusal(503, "SlowDown")


class CutBodies(Fault):
    """Connections that are cut amid a body, or before an answer to a change that was made or not."""

    def misbehave(self, objects: Objects, asked: Asked) -> Answer:
        if asked.kind in CHANGES and self.rng.random() < 0.5:
            return Answer(200, cut=0)
        right = objects.answer(asked)
        cut = 0 if asked.kind in (*CHANGES, "look") else self.rng.randrange(len(right.body) + 1)
        return Answer(right.status, right.body, right.headers, cut)


class HangingWrites(Fault):
    """Writes without an answer, until the client gives up or tries again; they land later, in this run or after it.

    Where their object is removed meanwhile they land soon after that.
    """

    kinds = CHANGES[:1]

    def __init__(self, rng: Random, asked: int) -> None:
        super().__init__(rng, asked)
        self._left = rng.choice((1, 2, ALWAYS))
        self._key: str | None = None
        self._waiting: list[tuple[int, Asked]] = []

    def answer(self, objects: Objects, asked: Asked) -> Answer:
        self._land(objects, 1)
        answer = super().answer(objects, asked)
        if asked.key == self._key and asked.kind in {*CHANGES} - {*self.kinds}:
            self._waiting = [(min(left, self.rng.choice((1, 2, 5))), late) for left, late in self._waiting]
        return answer

    def misbehave(self, objects: Objects, asked: Asked) -> Answer:
        self._key = self._key or asked.key
        if asked.key != self._key or "partNumber" in asked.query:
            return objects.answer(asked)
        delay = self.rng.choice((1, 3, 10, 40, ALWAYS))
        self._waiting.append((delay, objects.assembled(asked)))
        return Answer(200, cut=0)

    def end_run(self, objects: Objects) -> Misbehaviour:
        self._left = 0
        self._waiting = [(self.rng.choice((0, 2, 10, ALWAYS)), asked) for _, asked in self._waiting]
        self._land(objects, 0)
        return self

    def settle(self, objects: Objects) -> None:
        self._land(objects, ALWAYS)

    def _land(self, objects: Objects, passed: int) -> None:
        waiting = [(left - passed, asked) for left, asked in self._waiting]
        self._waiting = [each for each in waiting if each[0] > 0]
        for left, asked in waiting:
            if left <= 0:
                objects.answer(asked)


class HangingRemovals(HangingWrites):
    """Removals without an answer, likewise; where something is written anew under the name they land soon after it."""

    kinds = CHANGES[1:]


class LaggingListings(Fault):
    """Listings that lack new objects and have removed ones, as they were some changes ago, in this run or the last."""

    kinds = ("list",)

    def __init__(self, rng: Random, asked: int) -> None:
        super().__init__(rng, asked)
        self._left, self._changes = ALWAYS, rng.choice((0, 0, 5, 40))
        self._lag = rng.choice((1, 2, 3, 5, 8, 13, ALWAYS))

    def answer(self, objects: Objects, asked: Asked) -> Answer:
        before = len(objects.history)
        answer = super().answer(objects, asked)
        self._changes += len(objects.history) - before
        return answer

    def misbehave(self, objects: Objects, asked: Asked) -> Answer:
        return objects.answer(asked, min(self._lag, self._changes))


FAULTS: dict[str, Callable[[Random, int], Fault]] = {
    "object store: 5xx": ServerErrors,
    "object store: throttling": Throttling,
    "object store: a PUT that hangs and lands later": HangingWrites,
    "object store: a DELETE that hangs and lands later": HangingRemovals,
    "object store: a listing that lags": LaggingListings,
    "object store: a connection cut amid a body": CutBodies,
}
