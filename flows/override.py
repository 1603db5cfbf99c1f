"""Override: scale the next hours of a station or line by hand, or end that before its time.

The pipelines are `add` and `remove` in flows/pipelines/override.py: Prefect takes seconds to import, and `nexthour
override` does without it. Their steps, in order:

1. `find_stations`     tasks/overrides/   the station, or those of the line
2. `add_override`      tasks/overrides/   an entry of the ledger, which the next forecast reads
3. `remove_override`   tasks/overrides/   an entry that ends another
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flows.common import begin, to_utc
from flows.parameters import Moment
from flows.pipelines import override as pipeline
from flows.pipelines.override import Wish
from flows.reports.override_reports import overrides_document
from flows.runs import publish_artifact, reported_flow
from tasks.errors import ConfigError
from tasks.stations.load import station_table

Line = Annotated[str, Field(min_length=1, max_length=200)]


@reported_flow("override")
def override(
    who: Line,
    why: Line,
    action: Literal["add", "remove"] = "add",
    station: Line | None = None,
    line: Line | None = None,
    target: str | None = None,
    factor: Annotated[float, Field(ge=0, le=20)] | None = None,
    first_minute: Moment | None = None,
    hours: Annotated[float, Field(gt=0, le=744)] | None = None,
    override_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")] | None = None,
) -> None:
    """Scale the forecasts of a station or line for a stated time, from the next forecast on; or end that.

    Args:
        who: your name, for the ledger.
        why: the reason, which readers of the forecast see.
        action: add an override, or remove one before its time.
        station: id or name of the station; or give a line.
        line: all stations of this line of the station table.
        target: only this target; all by default.
        factor: people are multiplied by it; 1.5 is half as many again, 0 is closed.
        first_minute: when it begins; now by default.
        hours: how long it lasts.
        override_id: which one to remove, as the artifact of this flow lists it.
    """
    settings, moment = begin(None)
    if action == "remove":
        if override_id is None:
            raise ConfigError("override: give the id of the one to remove, as the artifact of this flow lists it")
        pipeline.remove(settings, moment, override_id, who, why)
    elif factor is None or hours is None:
        raise ConfigError("override: give a factor, and how many hours it lasts")
    else:
        start = to_utc(first_minute, settings) if first_minute else moment
        end = start + pipeline.whole_minutes(hours)
        pipeline.add(settings, moment, Wish(who, why, factor, start, end, station, line, target))
    document = overrides_document(pipeline.review(settings, moment), station_table(settings))
    publish_artifact(document, "override", "The ledger of overrides, and whether each helped")
