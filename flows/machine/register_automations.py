"""Bring the automations to the Prefect server; `up` and `deploy` do.

An automation that is there as it should be is left alone, because the server forgets what it has counted when one is
changed; one that a person switched off stays off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

from flows import events
from flows.deployments import DEPLOYMENTS, TAG
from flows.machine.automations import PREFIX, TRIGGERED, AutomationMaker, Durations
from flows.machine.notify import make_notifier
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)


def register(settings: Settings, durations: Durations | None = None) -> list[str]:
    """Create or update every automation by its name, and remove those of ours that are no more.

    Returns:
        Names of those that were created, changed or removed.

    Raises:
        ConfigError: if `[notify]` cannot be used.
    """
    with get_client(sync_client=True) as client:
        notifier = make_notifier(settings, client)
        maker = AutomationMaker(settings, notifier, durations or Durations(), _retrain_id(client))
        registry = _Registry(client)
        first = registry.put(maker.no_forecast())
        for wanted in (
            maker.forecasts_are_back(first),
            maker.dead_process(),
            *maker.failed_runs(),
            *maker.on_events(),
            *maker.retraining(),
        ):
            registry.put(wanted)
        registry.remove_others()
        _watch(settings, client, first, registry.changed)
    log.info("automations: %d, changed: %s", len(registry.kept), ", ".join(registry.changed) or "none")
    return registry.changed


def register_when_deployed(settings: Settings, patience_seconds: float = 120) -> None:
    """Register once `retrain` is deployed, which an automation starts; what goes wrong is logged, and stops nothing."""
    try:
        with get_client(sync_client=True) as client:
            deadline = time.monotonic() + patience_seconds
            while _retrain_id(client) is None and time.monotonic() < deadline:
                time.sleep(1)
        register(settings)
    # Schedules must run without automations, whatever keeps these from the server.
    except Exception as error:
        log.error("the automations were not registered: %s", error)


class _Registry:
    """Automations of ours on a server, by name.

    Attributes:
        kept: names that were put.
        changed: names that were created, changed or removed.
    """

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client
        self._there = {found.name: found for found in client.read_automations() if found.name.startswith(PREFIX)}
        self.kept: set[str] = set()
        self.changed: list[str] = []

    def put(self, wanted: AutomationCore) -> UUID:
        """Create an automation, or update the one of its name where it differs; returns its id."""
        self.kept.add(wanted.name)
        there = self._there.get(wanted.name)
        if there is None:
            self.changed.append(wanted.name)
            return self._client.create_automation(wanted)
        wanted = wanted.model_copy(update={"enabled": there.enabled})
        if AutomationCore(**there.model_dump(exclude={"id"})) != wanted:
            self.changed.append(wanted.name)
            self._client.update_automation(there.id, wanted)
        return there.id

    def remove_others(self) -> None:
        """Delete what was registered once and is no more."""
        for name, found in self._there.items():
            if name not in self.kept and TAG in found.tags:
                self.changed.append(name)
                self._client.delete_automation(found.id)


def _retrain_id(client: SyncPrefectClient) -> UUID | None:
    try:
        return client.read_deployment_by_name("retrain/retrain").id
    except ObjectNotFound:
        return None


def _watch(settings: Settings, client: SyncPrefectClient, no_forecast: UUID, changed: Sequence[str]) -> None:
    """Emit the events from which on runs and forecasts are waited for, as the server waits only after an event.

    Not for a missed check-in that was notified already, nor for flows whose automations go on from where they were.
    """
    if not _is_open(settings, client, no_forecast):
        events.emit(settings, events.WATCHED, {})
    if changed:
        for flow in (item.flow for item in DEPLOYMENTS):
            like_a_run = [
                {"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"},
                {
                    "prefect.resource.id": f"nexthour.flow.{flow}",
                    "prefect.resource.role": "flow",
                    "prefect.resource.name": flow,
                },
            ]
            events.emit(settings, events.WATCHED, {}, kind="flow", subject=flow, related=like_a_run)


def _is_open(settings: Settings, client: SyncPrefectClient, no_forecast: UUID) -> bool:
    """Whether the missed check-in fired after the last forecast: its incident is open."""
    wanted = {
        "filter": {
            "occurred": {"since": (datetime.now(UTC) - timedelta(days=30)).isoformat()},
            "event": {"name": [events.PUBLISHED, TRIGGERED]},
            "resource": {"id": [f"nexthour.network.{settings.network.name}", f"prefect.automation.{no_forecast}"]},
            "order": "DESC",
        },
        "limit": 1,
    }
    response = client.request("POST", "/events/filter", json=wanted)
    return [found["event"] for found in response.json()["events"]] == [TRIGGERED]
