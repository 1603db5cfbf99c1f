"""Every flow with its schedule, in one place: `nexthour up` serves these, `deployments/prefect.yaml` deploys them.

Minute and hourly schedules are intervals in UTC terms; nightly ones are local and keep clear of 01:00 to 03:00, where
clocks change and a cron would skip or double.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Deployed:
    """One flow on its schedule.

    Attributes:
        flow: name of the flow, of its file and of its deployment.
        cron: five fields; None for flows run by hand.
        local: whether the cron is in the network's time zone (else UTC).
        description: what the Prefect UI says of it.
        parameters: of scheduled runs.
    """

    flow: str
    cron: str | None
    local: bool
    description: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def entrypoint(self) -> str:
        """Where Prefect finds the flow."""
        return f"flows/{self.flow}.py:{self.flow}"


DEPLOYMENTS = (
    Deployed("ingest", "* * * * *", False, "Pull every source; land what is new, keep what is rejected."),
    Deployed("features", "45 4 * * *", True, "Write the lag table of yesterday and today, for people to inspect."),
    Deployed("retrain", "30 3 * * *", True, "Fit a challenger; it becomes champion if it wins on held-out days."),
    Deployed("forecast", "*/5 * * * *", False, "Forecast the next hour of every station and publish it."),
    Deployed("score", "10 * * * *", False, "Join matured forecasts with what then happened."),
    Deployed("maintain", "15 5 * * *", True, "Compact, remove what is not kept, check every file and minute."),
    Deployed("backtest", None, False, "Replay past moments with several models side by side."),
    Deployed("tune", None, False, "Find a better config of an architecture on past moments."),
    Deployed(
        "promote",
        None,
        False,
        "Let another version publish: a given one, or the champion before the present one.",
    ),
    Deployed("repair", None, False, "Write rejected rows out to be repaired, and take the repaired ones back."),
)
