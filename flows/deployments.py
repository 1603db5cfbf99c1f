"""Registry of deployments: every flow, when it runs by itself, and what happens when two runs of it meet.

`nexthour up` serves these, `nexthour deploy` deploys them to a work pool, and `deployments/prefect.yaml` is written
from them.

Minute and hourly schedules are in UTC: a cron in local time skips an hour when clocks go back. Nightly ones are local
and keep clear of 01:00 to 03:00, where clocks change. Schedules of one flow never name the same minute, since one run
of the two would give way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.arrays import Minutes
from tasks.clock import to_local

Collision = Literal["CANCEL_NEW", "ENQUEUE"]
HOUR = 3600
TAG = "nexthour"
"""Tag of all deployments of this registry."""


def cron_values(text: str, low: int, high: int) -> list[int]:
    """Values that a field of a cron names: a number, *, a range, with a step, or several of these with commas.

    >>> cron_values("0-6,8-59/20", 0, 59)
    [0, 1, 2, 3, 4, 5, 6, 8, 28, 48]
    """
    values = set[int]()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if span == "*" else int(first)
        stop = high if span == "*" or (step and not last) else int(last or first)
        values.update(range(start, stop + 1, int(step or 1)))
    return sorted(values)


@dataclass(frozen=True)
class Schedule:
    """When a flow runs by itself.

    Attributes:
        name: of the schedule within its deployment (Prefect calls it a slug).
        cron: five fields.
        local: whether the cron is in the network's time zone; otherwise it is in UTC.
        parameters: of the runs that it starts.
    """

    name: str
    cron: str
    local: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def timezone(self, network: str) -> str:
        """Time zone of the cron, given that of the network."""
        return network if self.local else "UTC"

    @property
    def is_frequent(self) -> bool:
        """Whether it names several minutes of an hour."""
        return len(cron_values(self.cron.split()[0], 0, 59)) > 1

    def next_run(self, moment: np.datetime64, network: str) -> np.datetime64:
        """First whole minute after a moment at which it runs, UTC; within a year.

        Raises:
            ValueError: if its cron names no minute of a year.
        """
        first = moment.astype("datetime64[m]") + np.timedelta64(1, "m")
        for days in range(366):
            minutes = first + np.arange(days * 1440, (days + 1) * 1440)
            due = self._is_due(to_local(minutes, self.timezone(network)))
            if due.any():
                return np.datetime64(minutes[int(due.argmax())], "m")
        raise ValueError(f"schedule {self.name!r}: cron {self.cron!r} names no minute of a year")

    def _is_due(self, wall: Minutes) -> npt.NDArray[np.bool_]:
        """Which minutes of a wall clock the cron names."""
        days, months = wall.astype("datetime64[D]"), wall.astype("datetime64[M]")
        clock = (wall - days).astype(np.int64)
        values = (
            (clock % 60, 0, 59),
            (clock // 60, 0, 23),
            ((days - months).astype(np.int64) + 1, 1, 31),
            (months.astype(np.int64) % 12 + 1, 1, 12),
            ((days.astype(np.int64) + 4) % 7, 0, 6),  # 1 January 1970 was a Thursday
        )
        due = np.ones(len(wall), dtype=bool)
        for text, (of_field, low, high) in zip(self.cron.split(), values, strict=True):
            due &= np.isin(of_field, cron_values(text, low, high))
        return np.asarray(due)


@dataclass(frozen=True)
class FlowDeployment:
    """A flow, its schedules and its limits. One run of it at a time.

    Attributes:
        flow: name of the flow, of its module in `flows` and of its deployment.
        description: what the Prefect UI says of it.
        time_limit: seconds that a run may take.
        collision: what becomes of a run that comes due while another one runs: it is cancelled, or it waits.
        schedules: none for flows that people start.
        area: what it is about; a tag beside that of the registry.
    """

    flow: str
    description: str
    time_limit: int
    collision: Collision
    schedules: tuple[Schedule, ...] = ()
    area: str = "data"

    @property
    def name(self) -> str:
        """Flow and deployment, as Prefect names them."""
        return f"{self.flow}/{self.flow}"

    @property
    def tags(self) -> list[str]:
        """Tags by which the Prefect UI filters."""
        return [TAG, self.area]

    @property
    def entrypoint(self) -> str:
        """Where Prefect finds the flow in an installed package."""
        return f"flows.{self.flow}.{self.flow}"

    @property
    def file_entrypoint(self) -> str:
        """Where Prefect finds the flow in a checkout."""
        return f"flows/{self.flow}.py:{self.flow}"


DEPLOYMENTS = (
    FlowDeployment(
        "ingest",
        "Pull every source; land what is new, keep what is rejected.",
        HOUR,
        "CANCEL_NEW",  # the next minute lands the same rows; a queue of minutes would only delay it
        (
            Schedule("minutely", "0-6,8-59 * * * *"),
            Schedule("hourly-look-back", "7 * * * *", parameters={"look_back_hours": 24}),
        ),
    ),
    FlowDeployment(
        "backfill",
        "Load history: a week or years of it, while the minutely ingest goes on.",
        12 * HOUR,
        "ENQUEUE",  # history that a person asked for is loaded, whatever else runs
    ),
    FlowDeployment(
        "features",
        "Write the lag table of yesterday and today, for people to inspect.",
        HOUR,
        "ENQUEUE",  # a night is not lost because a person is writing the table of other days
        (Schedule("nightly", "45 4 * * *", local=True),),
    ),
    FlowDeployment(
        "retrain",
        "Fit a challenger; it becomes champion if it wins on held-out days.",
        6 * HOUR,
        "ENQUEUE",  # a night that gave way to a run by hand would leave the champion a day older
        (Schedule("nightly", "30 3 * * *", local=True),),
        area="model",
    ),
    FlowDeployment(
        "forecast",
        "Forecast the next hour of every station and publish it.",
        600,
        "CANCEL_NEW",  # a forecast that waited would be of an hour that has begun
        (Schedule("five-minutely", "*/5 * * * *"),),
        area="forecast",
    ),
    FlowDeployment(
        "score",
        "Join matured forecasts with what then happened.",
        HOUR // 2,
        "CANCEL_NEW",  # the next hour scores whatever this one did not
        (Schedule("hourly", "10 * * * *"),),
        area="forecast",
    ),
    FlowDeployment(
        "maintain",
        "Compact, remove what is not kept, check every file and minute.",
        4 * HOUR,
        "ENQUEUE",  # the weekly run is long, and the night after it must not be lost
        (
            Schedule("nightly", "15 5 * * 1-6", local=True),
            Schedule("weekly-full", "15 5 * * 0", local=True, parameters={"full": True}),
        ),
    ),
    FlowDeployment(
        "backtest",
        "Replay past moments with several models side by side.",
        24 * HOUR,
        "ENQUEUE",  # whoever asks for two gets both, one after the other
        area="model",
    ),
    FlowDeployment(
        "tune",
        "Find a better config of an architecture on past moments.",
        48 * HOUR,
        "ENQUEUE",  # as backtest
        area="model",
    ),
    FlowDeployment(
        "promote",
        "Let another version publish: a given one, or the champion before the present one.",
        600,
        "ENQUEUE",  # of two people who decide, the later one has the last word
        area="model",
    ),
    FlowDeployment(
        "override",
        "Scale the next hours of a station or line by hand: an event, a closure.",
        600,
        "ENQUEUE",  # as promote
        area="forecast",
    ),
    FlowDeployment(
        "repair",
        "Write rejected rows out to be repaired, and take the repaired ones back.",
        HOUR,
        "ENQUEUE",  # as backtest
    ),
)

TIME_LIMITS = {item.flow: item.time_limit for item in DEPLOYMENTS}
"""Seconds that a run of a flow may take: its own time limit, that of its job, and when `doctor` says that it hangs."""

FREQUENT = frozenset(item.flow for item in DEPLOYMENTS if any(each.is_frequent for each in item.schedules))
"""Flows that a schedule starts several times per hour."""


def next_run(flow: str, moment: np.datetime64, network: str) -> np.datetime64 | None:
    """When a schedule next starts a flow after a moment, UTC minute; None where only people start it.

    Args:
        flow: its name.
        moment: UTC.
        network: time zone of the network.
    """
    schedules = next(item.schedules for item in DEPLOYMENTS if item.flow == flow)
    return min((each.next_run(moment, network) for each in schedules), default=None)
