"""Steps of upkeep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.maintain.integrity import differing_days, mend, sweep
from tasks.settings import Settings
from tasks.stepping import step
from tasks.store import Store


@dataclass(frozen=True)
class MaintainReport:
    """What was checked, what differed and was folded anew, and what was swept."""

    checked: list[str]
    mended: list[str]
    swept: int


@step("check tables", timeout_seconds=3600)
def check_tables(settings: Settings, as_of: np.datetime64, sample_days: int) -> MaintainReport:
    """Fold the newest service days anew and mend the minute table where it differs."""
    store = Store(settings.data_root)
    days = store.partitions("observations")[-sample_days:] if sample_days > 0 else []
    differing = differing_days(store, days, settings.network.targets)
    mend(store, differing, settings.network.targets)
    return MaintainReport(days, differing, sweep(store, as_of))
