"""Incidents: what is wrong now, on disk, so that each is reported once when it begins and once when it is over.

`incidents/<kind>.json` under the data root holds what is open: subject (a source, a target, a tier, or the network) and
what was reported of it. Flows that run every minute thus emit an event per change, and a restart repeats none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flows import events
from tasks.errors import StoreError
from tasks.settings.tree import Settings
from tasks.storage.store import Store

log = logging.getLogger(__name__)

FOLDER = "incidents"
Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Incident:
    """A condition that begins and ends.

    Attributes:
        kind: name of its file.
        begins, ends: events.
    """

    kind: str
    begins: str
    ends: str

    @property
    def path(self) -> str:
        """Of what is open, below the data root."""
        return f"{FOLDER}/{self.kind}.json"


DEGRADED = Incident("degraded_forecast", events.DEGRADED, events.RECOVERED)
CHECK_FAILED = Incident("failed_check", events.CHECK_FAILED, events.CHECK_PASSED)
TARGET_FAILED = Incident("failed_target", events.TARGET_FAILED, events.TARGET_RECOVERED)
NOTHING_LANDED = Incident("nothing_landed", events.NOTHING_LANDED, events.LANDED)
SILENT = Incident("silent_source", events.SILENT, events.BACK)
DRIFTED = Incident("input_drift", events.DRIFTED, events.SETTLED)
OVERRIDDEN = Incident("override", events.OVERRIDE_BEGAN, events.OVERRIDE_ENDED)
OUT_OF_CONTROL = Incident("error_out_of_control", events.OUT_OF_CONTROL, events.IN_CONTROL)


def follow(settings: Settings, incident: Incident, wrong: Mapping[str, Payload], well: Collection[str]) -> None:
    """Emit the events of subjects that went wrong or got well since the last time, and remember what is open.

    Args:
        settings: the network and its data root.
        incident: what is looked at.
        wrong: payload of the event per subject that is wrong now.
        well: subjects that are well now. One in neither keeps its state: this run says nothing of it.
    """
    store, now = Store(settings.data_root), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

    def step(held: dict[str, Any]) -> dict[str, Any]:
        begun = {subject: {**payload, "since": now} for subject, payload in wrong.items() if subject not in held}
        over = {subject: held[subject] for subject in well if subject in held and subject not in wrong}
        for payload in begun.values():
            events.emit(settings, incident.begins, payload)
        for payload in over.values():
            events.emit(settings, incident.ends, {**payload, "until": now})
        return {**{subject: payload for subject, payload in held.items() if subject not in over}, **begun}

    _update(store, incident.path, step)


def open_subjects(settings: Settings, incident: Incident) -> set[str]:
    """Subjects that are wrong as far as was reported; none where that cannot be read."""
    try:
        return set(Store(settings.data_root).read_json(incident.path) or ())
    except StoreError as error:
        log.error("incidents are not followed: %s", error)
        return set()


def announce_champion(settings: Settings, pointer: Mapping[str, Any] | None) -> None:
    """Emit that the champion changed, if it did since any flow last looked: a rollback by command is reported, too."""
    if pointer is None:
        return

    def step(held: dict[str, Any]) -> dict[str, Any]:
        mark = {"version": pointer.get("version"), "set_at": pointer.get("set_at")}
        if held == mark:
            return held
        payload = {
            "previous": held.get("version"),
            "by": pointer.get("by", "gate"),
            "reason": pointer.get("source", ""),
        }
        events.emit(settings, events.CHAMPION_CHANGED, {**mark, **payload})
        return mark

    _update(Store(settings.data_root), f"{FOLDER}/champion.json", step)


def _update(store: Store, path: str, step: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace a small document by what a step makes of it, where that differs; one process at a time."""
    try:
        with store.lock("incidents"):
            held = store.read_json(path) or {}
            after = step(held)
            if after != held:
                store.write_json(path, after)
    except StoreError as error:
        log.error("incidents are not followed: %s", error)
