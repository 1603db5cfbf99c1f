"""A step is a plain call outside a flow run and a recorded Prefect task inside one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import ConfigError, HistoryError, ModelError, SourceError, StoreError
from tasks.grid import Grid
from tasks.settings.tree import Settings
from tasks.stepping import in_flow_run, record_steps, step

OUTSIDE = """
import sys
from tasks.stepping import in_flow_run, record_steps, step

@step("add", retries=2, timeout_seconds=5)
def add(a: int, *, b: int = 1) -> int:
    "Add two numbers."
    return a + b

assert (add(1), add(1, b=5)) == (2, 6)
assert (add.__name__, add.__doc__, in_flow_run()) == ("add", "Add two numbers.", False)
heavy = {"prefect", "mlflow", "tensorflow", "keras", "pandas", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""


def test_outside_a_flow_a_step_is_a_plain_call_and_prefect_is_not_imported() -> None:
    child = subprocess.run(
        [sys.executable, "-c", OUTSIDE], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    assert child.returncode == 0, child.stderr


def test_an_error_of_a_plain_call_comes_through_at_once_and_is_not_tried_again() -> None:
    calls = []

    @step("fail", retries=3, retry_delay_seconds=60)
    def fail() -> None:
        calls.append(1)
        raise SourceError("the feed is down")

    with pytest.raises(SourceError, match="the feed is down"):
        fail()
    assert len(calls) == 1


def test_prefect_alone_does_not_make_a_call_a_task() -> None:
    import prefect

    assert prefect.__version__
    assert not in_flow_run()


def in_a_flow(body: Callable[[], Any]) -> Any:
    """What `body` returns when it runs in a flow."""
    from prefect import flow

    return flow(name="test of steps", validate_parameters=False)(body)()


def recorded(flow_run_id: Any, count: int) -> list[tuple[str, str]]:
    """Name and state of the task runs of a flow run, in the order of their start; the server records them late."""
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import TaskRunSort

    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    with get_client(sync_client=True) as client:
        for _ in range(120):
            runs = client.read_task_runs(flow_run_filter=wanted, sort=TaskRunSort.EXPECTED_START_TIME_ASC)
            if len(runs) >= count and all(run.state and run.state.is_final() for run in runs):
                break
            time.sleep(0.25)
    return [(run.name.rsplit("-", 1)[0], run.state.type.value if run.state else "") for run in runs]


@pytest.mark.usefixtures("prefect_harness")
def test_inside_a_flow_every_step_is_recorded_with_its_name_and_state() -> None:
    @step("count people")
    def inner(numbers: list[int]) -> int:
        return sum(numbers)

    @step("fail for good", retries=2, retry_delay_seconds=0)
    def failing() -> None:
        raise ConfigError("no such source")

    def body() -> tuple[int, Any, bool]:
        from prefect.runtime import flow_run

        with pytest.raises(ConfigError, match="no such source"):
            failing()
        return inner([1, 2, 3]), flow_run.id, in_flow_run()

    total, run, inside = in_a_flow(body)
    assert (total, inside, in_flow_run()) == (6, True, False)
    assert sorted(recorded(run, 2)) == [("count people", "COMPLETED"), ("fail for good", "FAILED")]


@pytest.mark.usefixtures("prefect_harness")
def test_a_step_in_a_flow_is_given_the_very_objects_and_gives_back_its_own() -> None:
    grid = Grid(np.zeros((1, 1, 3), dtype=np.float32), np.datetime64("2013-10-09T06:15", "m"), 1, ("a",), ("entries",))
    settings, result = Settings(), object()
    given: list[Any] = []

    @step("take")
    def take(*args: Any, progress: Callable[[], None] | None = None) -> object:
        given.extend([*args, progress])
        return result

    def watch() -> None: ...

    assert in_a_flow(lambda: take(settings, grid, (grid,), progress=watch) is result)
    assert given[0] is settings
    assert given[1] is grid
    assert given[2][0] is grid
    assert given[3] is watch


@pytest.mark.usefixtures("prefect_harness")
def test_what_may_pass_is_tried_again_and_what_a_person_must_mend_is_not() -> None:
    passing = [SourceError("the feed is down"), StoreError("the disk is gone"), OSError("broken pipe")]
    lasting = [ConfigError("no such source"), HistoryError("too few days"), ModelError("no such version")]
    tried = []

    @step("read", retries=2, retry_delay_seconds=0)
    def read(error: Exception) -> None:
        tried.append(type(error))
        raise error

    def body() -> None:
        for error in (*passing, *lasting):
            with pytest.raises(type(error), match=str(error)):
                read(error)

    in_a_flow(body)
    assert [tried.count(type(error)) for error in (*passing, *lasting)] == [3, 3, 3, 1, 1, 1]


@pytest.mark.usefixtures("prefect_harness")
def test_steps_that_are_not_recorded_leave_no_task_run_and_are_tried_again_all_the_same() -> None:
    tried: list[type[Exception]] = []

    @step("read", retries=2, retry_delay_seconds=0)
    def read(error: Exception) -> int:
        tried.append(type(error))
        if len(tried) < 3 or isinstance(error, ConfigError):
            raise error
        return len(tried)

    def body() -> tuple[int, Any]:
        from prefect.runtime import flow_run

        record_steps(False)
        done = read(StoreError("not yet"))
        with pytest.raises(ConfigError, match="no such source"):
            read(ConfigError("no such source"))
        record_steps(True)
        read(OSError("passing"))
        return done, flow_run.id

    done, run = in_a_flow(body)
    assert (done, tried) == (3, [StoreError] * 3 + [ConfigError, OSError])
    assert recorded(run, 1) == [("read", "COMPLETED")]


@pytest.mark.usefixtures("prefect_harness")
def test_a_step_that_recovers_has_a_result_and_one_that_takes_too_long_has_failed() -> None:
    tried = []

    @step("read", retries=2, retry_delay_seconds=0)
    def read() -> int:
        tried.append(1)
        if len(tried) < 3:
            raise StoreError("not yet")
        return len(tried)

    @step("hang", timeout_seconds=1)
    def hang() -> None:
        time.sleep(30)

    def body() -> int:
        with pytest.raises(TimeoutError):
            hang()
        return read()

    begin = time.monotonic()
    assert in_a_flow(body) == 3
    assert time.monotonic() - begin < 25
