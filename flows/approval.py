"""A promotion that a person decides: the run is suspended with a form, and goes on with the answer.

A suspended run has no process, so that a restart of the machine loses nothing. Prefect starts the flow again once the
form is answered; what was trained is therefore remembered under `approvals/` in the data root, and not trained again.
A form that nobody answers in `WAIT_SECONDS` fails the run: the version stays the challenger that it is registered as.
The server ends such a run without a process, so that the next run of `score` reports it (`close_unanswered`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import numpy as np
from prefect import State, suspend_flow_run
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.exceptions import ObjectNotFound
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import Completed

from flows import events
from flows.outcomes import announce_champion
from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.failures import unanswered_document
from flows.reports.loop_reports import promote_document
from flows.runs import publish_artifact
from tasks.settings.tree import Settings
from tasks.storage.store import Store

if TYPE_CHECKING:
    from tasks.model.steps import RetrainReport

FOLDER = "approvals"
WAIT_SECONDS = 20 * 3600
"""Until shortly before the next night has a challenger of its own."""


class Approval(RunInput):
    """What a person decides."""

    decision: Literal["promote", "keep the champion"] = "promote"


@dataclass(frozen=True)
class Waiting:
    """A challenger that waits for a person: its version, the gate's sentence and its tables."""

    version: str
    reason: str
    decision: str


def recall(settings: Settings) -> Waiting | None:
    """The challenger of this run, where it is one that was suspended."""
    found = Store(settings.data_root).read_json(_place())
    return Waiting(**found) if found else None


def remember(settings: Settings, report: RetrainReport) -> Waiting:
    """Keep what this run trained, before it is suspended."""
    waiting = Waiting(report.version, report.reason, report.decision)
    Store(settings.data_root).write_json(_place(), asdict(waiting))
    return waiting


def await_person(settings: Settings, moment: np.datetime64, waiting: Waiting) -> State[Any]:
    """Suspend this run until a person decides; a run without a deployment cannot be, and says what to do instead."""
    if not deployment.id:
        message = f"version {waiting.version} waits for a person: nexthour promote {waiting.version}"
        return Completed(name="AwaitingApproval", message=message)
    form = Approval.with_initial_data(description=f"# Promote version {waiting.version}?\n\n{waiting.decision}")
    answer = suspend_flow_run(wait_for_input=form, timeout=WAIT_SECONDS, key="approval")
    if answer.decision == "promote":
        loop.promote(settings, moment, waiting.version)
        announce_champion(settings)
        publish_artifact(promote_document(waiting.version, "approve"), "promote", "Which version publishes, and why")
    else:
        kept = {"version": waiting.version, "reason": "a person keeps the champion", "url": None}
        events.emit(settings, events.REJECTED, kept)
    Store(settings.data_root).delete(_place())
    promoted = "promoted by a person" if answer.decision == "promote" else "a person keeps the champion"
    return Completed(message=f"version {waiting.version}: {promoted}. {waiting.reason}")


def close_unanswered(settings: Settings) -> list[str]:
    """Report each run that ended while it waited for a person: an event, and an artifact on its page.

    Returns:
        Versions that stay challengers, since nobody decided.
    """
    store, versions = Store(settings.data_root), list[str]()
    if not (waiting := store.files(FOLDER, ".json")):
        return versions
    with get_client(sync_client=True) as client:
        for path in waiting:
            run = UUID(PurePosixPath(path).stem)
            state = _state(client, run)
            if state is not None and not state.is_final():
                continue
            asked = Waiting(**store.read_json(path))
            if state is None or not state.is_completed():
                _report_unanswered(settings, client, run, state, asked)
                versions.append(asked.version)
            store.delete(path)
    return versions


def _report_unanswered(
    settings: Settings, client: SyncPrefectClient, run: UUID, state: State[Any] | None, asked: Waiting
) -> None:
    """Emit the event of a promotion that nobody decided on, and leave an artifact on the page of its run."""
    why = _why(state)
    events.emit(settings, events.UNANSWERED, {"version": asked.version, "reason": why})
    if state is not None:
        text, note = markdown(unanswered_document(asked.version, why, asked.decision)), "Nobody decided, and what to do"
        client.create_artifact(
            ArtifactCreate(key="retrain", type="markdown", data=text, description=note, flow_run_id=run)
        )


def _state(client: SyncPrefectClient, run: UUID) -> State[Any] | None:
    """State of a run; None where the server does not keep it any more."""
    try:
        return client.read_flow_run(run).state
    except ObjectNotFound:
        return None


def _why(state: State[Any] | None) -> str:
    """Why a run that waited for a person did not go on."""
    if state is not None and state.is_cancelled():
        return "its run was cancelled"
    return f"nobody decided within {WAIT_SECONDS // 3600} hours"


def _place() -> str:
    """File of the present flow run."""
    return f"{FOLDER}/{flow_run.id}.json"
