"""Steps: a Prefect task inside a flow run, a plain call anywhere else.

Prefect takes 4 s to import and 20 s to start a server of its own; a one-shot command must not pay for that. So the
decorator keeps Prefect's settings and builds the task the first time that a flow calls it.

A task run is 8 kB of records for good and 15 kB of events for an hour. A flow that runs each minute by itself can do
without (`record_steps`): its steps are plain calls, tried again as the tasks would be.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, cast

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Applies a function to many items, as `map` does, in this process or in those of a cluster; results in their order."""


_RECORDED: ContextVar[bool] = ContextVar("recorded", default=True)


def record_steps(recorded: bool) -> None:
    """Choose whether the steps of the present flow run are tasks of it, or plain calls."""
    _RECORDED.set(recorded)


def in_flow_run() -> bool:
    """Whether the caller runs inside a Prefect flow run."""
    context = sys.modules.get("prefect.context")
    return context is not None and context.FlowRunContext.get() is not None


def step(
    name: str, *, retries: int = 0, retry_delay_seconds: float = 5, timeout_seconds: float | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as a step of the loop.

    Args:
        name: what the Prefect UI shows.
        retries: how often IO is tried again; errors that a person must mend are not retried.
        retry_delay_seconds: first delay; it doubles.
        timeout_seconds: a step that takes longer has failed.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.cache
        def as_task() -> Callable[P, R]:
            from prefect import task
            from prefect.cache_policies import NO_CACHE

            return cast(
                Callable[P, R],
                task(
                    name=name,
                    retries=retries,
                    retry_delay_seconds=[retry_delay_seconds * 2**n for n in range(retries)],
                    retry_condition_fn=_is_passing if retries else None,
                    timeout_seconds=timeout_seconds,
                    cache_policy=NO_CACHE,
                    persist_result=False,
                )(function),
            )

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not in_flow_run():
                return function(*args, **kwargs)
            if _RECORDED.get():
                return as_task()(*args, **kwargs)
            return _try_again(lambda: function(*args, **kwargs), name, retries, retry_delay_seconds)

        return call

    return decorate


def _try_again(call: Callable[[], R], name: str, retries: int, delay_seconds: float) -> R:
    """What a call returns, tried again where what it raises may pass by itself."""
    for attempt in range(retries):
        try:
            return call()
        except Exception as error:
            if not _may_pass(error):
                raise
            log.warning("%s failed (%s): tried again", name, error)
            time.sleep(delay_seconds * 2**attempt)
    return call()


def _is_passing(task: Any, run: Any, state: Any) -> bool:
    """Whether Prefect tries a task again."""
    return _may_pass(state.result(raise_on_failure=False))


def _may_pass(error: object) -> bool:
    """Whether something may pass by itself; not what a person must mend, nor a target, which has tried long enough."""
    from tasks.errors import ConfigError, HistoryError, ModelError, TargetError

    return not isinstance(error, ConfigError | HistoryError | ModelError | TargetError)
