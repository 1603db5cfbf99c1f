"""Earlier retrainings in MLflow, for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.tracking.run import Run, Tracking
from tasks.tracking.runs import RETRAIN_TAG

STALE_SECONDS = 86_400
"""No retraining takes that long: the flow is ended after six hours."""


@dataclass(frozen=True)
class Night:
    """One finished retraining.

    Attributes:
        name: of its run.
        url: page of its run, where a server shows it.
        params, metrics: by name; of a metric the last value.
    """

    name: str
    url: str | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def last_night(run: Run, network: str, model: str) -> Night | None:
    """The newest finished retraining of the same network and architecture besides `run`; None without one."""
    quoted = network.replace("'", "")
    found = run.tracking.client.search_runs(
        [run.tracking.experiment],
        f"tags.`nexthour.network` = '{quoted}' and tags.`nexthour.model` = '{model}' "
        "and attributes.status = 'FINISHED'",
        max_results=2,
        order_by=["attributes.start_time DESC"],
    )
    for other in found:
        if other.info.run_id != run.run_id:
            page = Run(run.tracking, other.info.run_id)
            return Night(str(other.info.run_name), page.url, other.data.params, other.data.metrics)
    return None


def this_night(run: Run) -> Night:
    """What the run holds by now."""
    own = run.tracking.client.get_run(run.run_id)
    return Night(str(own.info.run_name), run.url, own.data.params, own.data.metrics)


def end_stale_runs(tracking: Tracking) -> None:
    """End retrainings that still count as running a day after their start: their process was killed."""
    from mlflow.utils.time import get_current_time_millis

    day_ago = get_current_time_millis() - STALE_SECONDS * 1000
    running = f"tags.`{RETRAIN_TAG}` != '' and attributes.status = 'RUNNING' and attributes.start_time < {day_ago}"
    for stale in tracking.client.search_runs([tracking.experiment], running):
        tracking.client.set_terminated(stale.info.run_id, "KILLED")
