"""What to make of a publication that is later than now: the clock is behind, or it ran ahead then.

Targets never go back to an older forecast. A clock that ran ahead for a while would thus silence every forecast until
that moment has come, so what it published is no longer trusted where the observations speak against it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.errors import StoreError
from tasks.publish._newest import published_moment, remember, state_path
from tasks.storage.store import Store
from tasks.tables.minutes import last_minute

log = logging.getLogger(__name__)

ANY = "newest"
"""Of which target the newest publication is remembered: of any."""
SHORT, LONG = np.timedelta64(60, "m"), np.timedelta64(1, "D")
"""How far ahead a publication may lie and is always kept; and beyond which it never is."""


def trusted_until(store: Store, targets: Sequence[str], summary: Mapping[str, Any]) -> str | None:
    """Origin after which nothing that was published is trusted; None where all is.

    A publication less than an hour ahead is kept: it will soon be over. One less than a day ahead is kept where a
    minute was observed after the present one, as then it is the present clock that is behind.

    Args:
        store: the data root.
        targets: of the network.
        summary: of the present issue.
    """
    held, origin = published_moment(store, ANY)[0], str(summary["origin_utc"])
    if held <= origin:
        return None
    now = _time(origin)
    ahead = _time(held) - now
    if ahead <= SHORT or (ahead <= LONG and _observed_after(store, targets, now)):
        log.warning("the forecast of %s was published, and the clock says %s: the clock is behind", held, origin)
        return None
    log.warning("the forecast of %s was published while the clock ran ahead: it is replaced", held)
    return origin


def remember_publication(store: Store, summary: Mapping[str, Any]) -> None:
    """Remember that an issue was published, unless a later one was that is still trusted."""
    try:
        remember(store, ANY, summary)
    except StoreError as error:
        log.error("%s of the newest publication: %s", state_path(ANY), error)


def _observed_after(store: Store, targets: Sequence[str], now: np.datetime64) -> bool:
    try:
        last = last_minute(store, targets)
    except StoreError as error:
        log.error("whether the clock is behind is not known: %s", error)
        return True
    return last is not None and bool(last > now)


def _time(text: str) -> np.datetime64:
    return np.datetime64(text.removesuffix("Z"), "s")
