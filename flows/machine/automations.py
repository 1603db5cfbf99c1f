"""Automations of the Prefect server, as code: what fires, what is sent, and when it is over.

`up` and `deploy` register them. An automation that is there as it should be is left alone, because the server forgets
what it has counted when one is changed; one that a person switched off stays off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from flows import events
from flows.deployments import DEPLOYMENTS
from flows.machine.notify import Notifier, literal, make_notifier
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)

TAG = "nexthour"
PREFIX = "nexthour: "
DONE = tuple(f"prefect.flow-run.{name}" for name in ("Completed", "Waiting", "AwaitingApproval"))
"""How a run ends well; `Waiting` is a retraining with too little history, which a person is to decide the last one."""
FAILED = ("prefect.flow-run.Failed", "prefect.flow-run.TimedOut")
CRASHED = "prefect.flow-run.Crashed"
RESTING = ("prefect.flow-run.Cancelled", "prefect.flow-run.Paused", "prefect.flow-run.Suspended")
HEARTBEAT = "prefect.flow-run.heartbeat"
TRIGGERED = "prefect.automation.triggered"
WITH_OWN_EVENTS = ("ingest", "forecast")
"""Flows whose failures have events of their own; of these only a crash is notified as one."""
RUN = "{{ flow.name }}: run {{ flow_run.name }} "
LINK = " {{ (flow_run | ui_url) or '' }}"


@dataclass(frozen=True)
class Durations:
    """How long automations wait.

    Attributes:
        heartbeat: without one for so long, the process of a run counts as dead; six heartbeats.
        forecast: without one for so long, nobody publishes.
        retrain: the error starts one retraining in so long.
        memory: how long the end of an incident is waited for.
    """

    heartbeat: timedelta = timedelta(seconds=180)
    forecast: timedelta = timedelta(minutes=15)
    retrain: timedelta = timedelta(hours=12)
    memory: timedelta = timedelta(days=365)


@dataclass(frozen=True)
class _Event:
    """An automation on events of the flows, which begin with a change and end with another."""

    name: str
    expects: tuple[str, ...]
    description: str


ON_EVENTS = (
    _Event("degraded forecast", (events.DEGRADED, events.RECOVERED), "Forecasts are not the champion's on fresh data."),
    _Event("failed publish target", (events.TARGET_FAILED, events.TARGET_RECOVERED), "A publish target fails."),
    _Event("silent source", (events.SILENT, events.BACK), "A source states nothing."),
    _Event("nothing landed", (events.NOTHING_LANDED, events.LANDED), "A source cannot be read, or is rejected."),
    _Event("error out of control", (events.OUT_OF_CONTROL, events.IN_CONTROL), "The live error left its limits."),
    _Event("champion changed", (events.CHAMPION_CHANGED,), "Another version publishes."),
    _Event("promotion waits", (events.APPROVAL_ASKED,), "A person decides on a promotion."),
)


class _Maker:
    """Makes every automation of one network for one server."""

    def __init__(self, settings: Settings, notifier: Notifier, durations: Durations, retrain: UUID | None) -> None:
        self.notifier, self.durations, self.retrain = notifier, durations, retrain
        self.label = literal(settings.network.name)
        self.network = f"nexthour.network.{settings.network.name}"

    def on_events(self) -> Iterator[AutomationCore]:
        """Those on events of the flows: the flows emit each incident once, and its end."""
        notification = self.notifier.action("{{ event.payload.message }}")
        for each in ON_EVENTS:
            yield _automation(each.name, each.description, self._event(each.expects), notification)

    def retraining(self) -> Iterator[AutomationCore]:
        """The one that starts a retraining, where there is a deployment of it."""
        if self.retrain is not None:
            trigger = self._event((events.OUT_OF_CONTROL,), within=self.durations.retrain)
            start = RunDeployment(source="selected", deployment_id=self.retrain)
            yield _automation("retrain", "The live error left its limits: start a retraining.", trigger, start)

    def no_forecast(self) -> AutomationCore:
        """The missed check-in: fires once, and waits for the next forecast before it can fire again."""
        published = {events.PUBLISHED}
        trigger = EventTrigger(
            after={*published, events.WATCHED},
            expect=published,
            match=_match(self.network),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            within=self.durations.forecast,
        )
        minutes = f"{self.durations.forecast.total_seconds() / 60:g}"
        notification = f"{self.label}: no forecast was published for {minutes} minutes; look at the runs of forecast"
        return _automation("no forecast", "Nobody published.", trigger, self.notifier.action(notification))

    def forecasts_are_back(self, no_forecast: UUID) -> AutomationCore:
        """The end of a missed check-in: the first forecast after that automation fired."""
        trigger = EventTrigger(
            after={TRIGGERED},
            expect={events.PUBLISHED},
            match=_match(self.network, f"prefect.automation.{no_forecast}"),
            posture=Posture.Reactive,
            within=self.durations.memory,
        )
        notification = f"{self.label}: forecasts are published again"
        return _automation("forecasts are back", "The first after none.", trigger, self.notifier.action(notification))

    def dead_process(self) -> AutomationCore:
        """The one that marks a run as crashed whose process died together with whoever watched it."""
        trigger = EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, CRASHED, *DONE, *FAILED, *RESTING},
            match=_match("prefect.flow-run.*"),
            match_related=[_tagged()],
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            within=self.durations.heartbeat,
        )
        message = "The process of this run died: it sent no heartbeat any more."
        crash = ChangeFlowRunState(state=StateType.CRASHED, message=message)
        return _automation("dead process", "A run without heartbeats is marked as crashed.", trigger, crash)

    def failed_runs(self) -> Iterator[AutomationCore]:
        """Per flow once when a run fails, and once when one is done again."""
        notification = f"{self.label}: {RUN}{{{{ flow_run.state.name }}}}: {{{{ flow_run.state.message }}}}{LINK}"
        over = f"{self.label}: {RUN}is done: the flow works again{LINK}"
        others = tuple(item.flow for item in DEPLOYMENTS if item.flow not in WITH_OWN_EVENTS)
        for name, flows, bad in (("failed run", others, (CRASHED, *FAILED)), ("crash", WITH_OWN_EVENTS, (CRASHED,))):
            begun, ended = self._run((*DONE, events.WATCHED), bad, flows), self._run(bad, DONE, flows)
            yield _automation(name, f"A run of {', '.join(flows)} failed.", begun, self.notifier.action(notification))
            yield _automation(f"{name} is over", "The first one that is done.", ended, self.notifier.action(over))

    def _event(self, expects: tuple[str, ...], within: timedelta = timedelta(0)) -> EventTrigger:
        match = _match(self.network)
        return EventTrigger(expect=set(expects), match=match, posture=Posture.Reactive, within=within)

    def _run(self, after: tuple[str, ...], expect: tuple[str, ...], flows: tuple[str, ...]) -> EventTrigger:
        """Fires with the first event expected, per flow, and again only after another of those before."""
        return EventTrigger(
            after=set(after),
            expect=set(expect),
            match=_match("prefect.flow-run.*", "nexthour.flow.*"),
            match_related=[_tagged(), _match_flows(flows)],
            for_each={"related:flow:prefect.resource.name"},
            posture=Posture.Reactive,
            within=self.durations.memory,
        )


def register(settings: Settings, durations: Durations | None = None) -> list[str]:
    """Create or update every automation by its name, and remove those of ours that are no more.

    Returns:
        Names of those that were created, changed or removed.

    Raises:
        ConfigError: if `[notify]` cannot be used.
    """
    with get_client(sync_client=True) as client:
        maker = _Maker(settings, make_notifier(settings, client), durations or Durations(), _retrain_id(client))
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


def _automation(name: str, description: str, trigger: EventTrigger, action: ActionTypes) -> AutomationCore:
    return AutomationCore(
        name=f"{PREFIX}{name}", description=description, tags=[TAG], trigger=trigger, actions=[action]
    )


def _match(*resources: str) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.id": list(resources)})


def _tagged() -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"})


def _match_flows(names: tuple[str, ...]) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": list(names)})
