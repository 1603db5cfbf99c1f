"""Automations of the Prefect server, as code: what fires, what is sent, and when it is over.

`register_automations` brings them to the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows import events
from flows.deployments import DEPLOYMENTS, TAG
from flows.machine.notify import Notifier, literal
from tasks.settings.tree import Settings

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
    """An automation on events of the flows, which begin with a change and end with another; `about` is their kind."""

    name: str
    expects: tuple[str, ...]
    description: str
    about: str = "network"


ON_EVENTS = (
    _Event("degraded forecast", (events.DEGRADED, events.RECOVERED), "Forecasts are not the champion's on fresh data."),
    _Event("failed publish target", (events.TARGET_FAILED, events.TARGET_RECOVERED), "A publish target fails."),
    _Event("silent source", (events.SILENT, events.BACK), "A source states nothing."),
    _Event("nothing landed", (events.NOTHING_LANDED, events.LANDED), "A source cannot be read, or is rejected."),
    _Event("error out of control", (events.OUT_OF_CONTROL, events.IN_CONTROL), "The live error left its limits."),
    _Event("alert", (events.ALERT_OPENED, events.ALERT_CLOSED), "Many people are likely, or far more came.", "station"),
    _Event("champion changed", (events.CHAMPION_CHANGED,), "Another version publishes."),
    _Event("promotion waits", (events.APPROVAL_ASKED, events.UNANSWERED), "A person decides on a promotion."),
)


class AutomationMaker:
    """Makes every automation of one network for one server."""

    def __init__(self, settings: Settings, notifier: Notifier, durations: Durations, retrain: UUID | None) -> None:
        self.notifier, self.durations, self.retrain = notifier, durations, retrain
        self.label = literal(settings.network.name)
        self.network = f"nexthour.network.{settings.network.name}"

    def on_events(self) -> Iterator[AutomationCore]:
        """Those on events of the flows: the flows emit each incident once, and its end."""
        notification = self.notifier.action("{{ event.payload.message }}")
        matches = {"network": _match(self.network), "station": self._any_station()}
        for each in ON_EVENTS:
            trigger = EventTrigger(
                expect=set(each.expects), match=matches[each.about], posture=Posture.Reactive, within=timedelta(0)
            )
            yield _automation(each.name, each.description, trigger, notification)

    def retraining(self) -> Iterator[AutomationCore]:
        """The one that starts a retraining, where there is a deployment of it."""
        if self.retrain is not None:
            trigger = EventTrigger(
                expect={events.OUT_OF_CONTROL},
                match=_match(self.network),
                posture=Posture.Reactive,
                within=self.durations.retrain,
            )
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
            match_related=[_tag_resource()],
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
            when = f"A run of {', '.join(flows[:-1])} or {flows[-1]} {'crashed' if bad == (CRASHED,) else 'failed'}."
            yield _automation(name, when, begun, self.notifier.action(notification))
            yield _automation(f"{name} is over", "The first one that is done.", ended, self.notifier.action(over))

    def _any_station(self) -> ResourceSpecification:
        """Events about a station of this network; another network on the server may have one of the same name."""
        name = self.network.removeprefix("nexthour.network.")
        return ResourceSpecification({"prefect.resource.id": ["nexthour.station.*"], "nexthour.network": [name]})

    def _run(self, after: tuple[str, ...], expect: tuple[str, ...], flows: tuple[str, ...]) -> EventTrigger:
        """Fires with the first event expected, per flow, and again only after another of those before."""
        return EventTrigger(
            after=set(after),
            expect=set(expect),
            match=_match("prefect.flow-run.*", "nexthour.flow.*"),
            match_related=[_tag_resource(), _match_flows(flows)],
            for_each={"related:flow:prefect.resource.name"},
            posture=Posture.Reactive,
            within=self.durations.memory,
        )


def _automation(name: str, description: str, trigger: EventTrigger, action: ActionTypes) -> AutomationCore:
    return AutomationCore(
        name=f"{PREFIX}{name}", description=description, tags=[TAG], trigger=trigger, actions=[action]
    )


def _match(*resources: str) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.id": list(resources)})


def _tag_resource() -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"})


def _match_flows(names: tuple[str, ...]) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": list(names)})
