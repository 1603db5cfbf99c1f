"""Automations of ours on a Prefect server: created, updated where they differ, removed when they are no more."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore

TAG = "nexthour"
PREFIX = "nexthour: "


class AutomationRegistry:
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
