"""Progress of long work as an artifact that moves on the page of its run."""

from __future__ import annotations

import logging
from time import monotonic
from uuid import UUID

from httpx import HTTPError
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException

from tasks.stepping import in_flow_run

log = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0


class ProgressArtifact:
    """Shows progress in the Prefect UI; see `tasks.contracts.Progress`.

    One artifact per kind of work, updated at most every `PAUSE_SECONDS`: a run that is over before then makes none.
    Where Prefect does not answer it says so once, and the work goes on without.
    """

    def __init__(self) -> None:
        self.artifacts: dict[str, UUID] = {}
        self.last_update = monotonic()
        self.stopped = not in_flow_run()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how much of a kind of work is done."""
        due = monotonic() - self.last_update >= PAUSE_SECONDS or (done == total and what in self.artifacts)
        if self.stopped or not due:
            return
        try:
            self._show(what, 100 * done / max(total, 1), f"{what}: {done:,} of {total:,}")
        except (PrefectException, HTTPError, ValueError) as error:
            self.stopped = True
            log.warning("progress is not shown any more: %s", error)
        self.last_update = monotonic()

    def _show(self, what: str, percent: float, description: str) -> None:
        if what in self.artifacts:
            update_progress_artifact(self.artifacts[what], progress=percent, description=description)
        else:
            made = create_progress_artifact(progress=percent, description=description)
            self.artifacts[what] = made  # type: ignore[assignment]  # the id: Prefect types it as a coroutine as well
