"""Steps: a Prefect task inside a flow run, a plain call anywhere else.

Prefect takes 4 s to import and 20 s to start a server of its own; a one-shot command must not pay for that. So the
decorator keeps Prefect's settings and builds the task the first time that a flow calls it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Applies a function to many items, as `map` does, in this process or in those of a cluster; results in their order."""


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
            return as_task()(*args, **kwargs) if in_flow_run() else function(*args, **kwargs)

        return call

    return decorate


def _is_passing(task: Any, run: Any, state: Any) -> bool:
    """Retry what may pass by itself; not what a person must mend, nor a target, which has tried as long as it may."""
    from tasks.errors import ConfigError, HistoryError, ModelError, TargetError

    error = state.result(raise_on_failure=False)
    return not isinstance(error, ConfigError | HistoryError | ModelError | TargetError)
