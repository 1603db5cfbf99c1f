"""Automations on a real Prefect server: what fires them, what is sent and how often, when it is over, who silences."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.settings import get_current_settings
from prefect.states import Completed, Crashed, Failed, Pending, Running
from pydantic import SecretStr

from flows import events
from flows.deployments import TAG
from flows.machine.automations import ON_EVENTS, PREFIX, Durations
from flows.machine.register_automations import register
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

SHORT = Durations(heartbeat=timedelta(seconds=10), forecast=timedelta(seconds=10), retrain=timedelta(hours=1))
NETWORK = '{{ 7 * 7 }} "town" d\'été'
STATIONS = {"network": None, "station": "72"}
TOKEN = "a-very-secret-token"
PATIENCE_SECONDS = 180
PAYLOAD = {
    "reason": 'line 1 "quoted" <x> {{ 7 * 7 }}\nline 2',
    "target": "board",
    "source": "gates",
    "tier": "the busiest third",
    "since": "2024-03-05T12:00:00Z",
    "version": "4",
    "previous": "3",
    "by": "gate",
    "origin_utc": "2024-03-05T12:00:00Z",
    "until": "2024-03-05T12:30:00Z",
    "sentence": "more than 1,200 people are likely at Cermak (72)",
}


@flow(name="ingest")
def ingest() -> None:
    """Stands in for a flow of ours; never run here."""


@flow(name="retrain")
def retrain() -> None:
    """Stands in for a flow of ours; never run here."""


class Receiver:
    """A webhook that keeps the messages it was sent."""

    def __init__(self) -> None:
        texts = self.texts = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["content-type"] == "application/json"
                said = json.loads(self.rfile.read(int(self.headers["content-length"])))
                texts.append(said["text"] if "text" in said else f"{said['title']}: {said['message']}")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/{TOKEN}"

    def count(self, part: str) -> int:
        """Messages that hold a text."""
        return sum(part in text for text in self.texts)

    def wait(self, part: str) -> str:
        """The first message that holds a text."""
        until(lambda: self.count(part) > 0, part)
        return next(text for text in self.texts if part in text)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"this never came: {what}"
        time.sleep(0.1)


def settle(settings: Settings, receiver: Receiver, barrier: str) -> None:
    """Wait until the server has handled all events of before.

    It handles two at a time, so that on a busy machine an event may overtake the one before it: a failure the end of
    the last one, for which nothing is sent then.
    """
    events.emit(settings, events.CHAMPION_CHANGED, {**PAYLOAD, "version": barrier})
    receiver.wait(barrier)


@pytest.fixture(scope="module")
def client(prefect_harness: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


@pytest.fixture(scope="module")
def settings(client: SyncPrefectClient, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of a network whose automations are registered, and whose `retrain` is deployed."""
    settings = Settings(
        data_root=str(tmp_path_factory.mktemp("root")),
        network={"name": NETWORK},  # type: ignore[arg-type]
        notify={"webhook": "env:NEXTHOUR_TEST_HOOK"},  # type: ignore[arg-type]
    )
    client.create_deployment(flow_id=client.create_flow(retrain), name="retrain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXTHOUR_TEST_HOOK", receiver.url)
        assert len(register(settings, SHORT)) == len(set(register_names(client)))
        settle(settings, receiver, "barrier 0")
    return settings


@pytest.fixture(autouse=True)
def _hook(monkeypatch: pytest.MonkeyPatch, settings: Settings, receiver: Receiver) -> None:
    monkeypatch.setenv("NEXTHOUR_TEST_HOOK", receiver.url)


def register_names(client: SyncPrefectClient) -> list[str]:
    return [found.name for found in client.read_automations() if found.name.startswith(PREFIX)]


def end_run(client: SyncPrefectClient, of: Flow[[], None], state: State[Any] | None) -> FlowRun:
    """A run of a deployed flow that ends in a state; without one its heart beats once."""
    run = client.create_flow_run(of, tags=[TAG], state=Pending())
    client.set_flow_run_state(run.id, Running(), force=True)
    if state is None:
        emit_event(
            event="prefect.flow-run.heartbeat",
            resource={"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name},
            related=[{"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}],
        )
    else:
        client.set_flow_run_state(run.id, state, force=True)
    return run


def test_a_missed_forecast_and_a_dead_process_are_told_once_and_when_they_are_over(
    client: SyncPrefectClient, receiver: Receiver, settings: Settings
) -> None:
    dead, alive = end_run(client, ingest, None), end_run(client, ingest, None)
    client.set_flow_run_state(alive.id, Completed(name="Waiting"), force=True)
    assert receiver.wait("no forecast was published").startswith(f"{NETWORK}: ")
    told = receiver.wait(f"ingest: run {dead.name} Crashed")
    assert "The process of this run died" in told
    until(lambda: client.read_flow_run(dead.id).state_name == "Crashed", "the state Crashed")
    assert client.read_flow_run(alive.id).state_name == "Waiting"
    assert receiver.count(alive.name) == 0
    end_run(client, ingest, Crashed(message="again"))
    settle(settings, receiver, "barrier 1")
    for _ in range(2):
        events.emit(settings, events.PUBLISHED, PAYLOAD)
    done = end_run(client, ingest, Completed())
    over = receiver.texts.index(receiver.wait("forecasts are published again"))
    assert sum("no forecast" in text for text in receiver.texts[:over]) == 1  # after it, time runs anew
    receiver.wait(f"ingest: run {done.name} is done")
    assert register(settings, SHORT) == []
    settle(settings, receiver, "barrier 2")
    assert [receiver.count(part) for part in ("published again", "ingest: run")] == [1, 2]


@pytest.mark.parametrize("automation", ON_EVENTS, ids=lambda each: each.name)
def test_what_the_flows_tell_is_sent_as_it_stands(automation: Any, receiver: Receiver, settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"network": settings.network.model_copy(update={"name": "another town"})})
    for name in automation.expects:
        events.emit(elsewhere, name, PAYLOAD, kind=automation.about, subject="72")
        events.emit(settings, name, PAYLOAD, kind=automation.about, subject=STATIONS[automation.about])
        receiver.wait(events.EVENTS[name].message.format_map({"network": NETWORK, **PAYLOAD}))
    assert receiver.count("another town") == 0


def test_a_night_that_fails_is_told_once_until_one_is_done(
    client: SyncPrefectClient, receiver: Receiver, settings: Settings
) -> None:
    failed = end_run(client, retrain, Failed(message='no such column "a" <b>'))
    assert 'Failed: no such column "a" <b>' in receiver.wait(f"retrain: run {failed.name} ")
    end_run(client, retrain, Failed(name="TimedOut", message="6 hours"))
    settle(settings, receiver, "barrier 3")
    waits = end_run(client, retrain, Completed(name="Waiting"))
    receiver.wait(f"retrain: run {waits.name} is done")
    end_run(client, retrain, Completed())
    settle(settings, receiver, "barrier 4")
    crashed = end_run(client, retrain, Crashed(message="killed"))
    receiver.wait(f"retrain: run {crashed.name} Crashed: killed")
    settle(settings, receiver, "barrier 5")
    assert receiver.count("retrain: run") == 3
    end_run(client, retrain, Completed())


def test_an_error_out_of_control_starts_one_retraining_however_many_tiers_leave_their_limits(
    client: SyncPrefectClient, receiver: Receiver, settings: Settings
) -> None:
    deployment = client.read_deployment_by_name("retrain/retrain")

    def scheduled() -> int:
        return sum(run.deployment_id == deployment.id for run in client.read_flow_runs())

    for tier in ("the middle third", "the quietest third"):
        events.emit(settings, events.OUT_OF_CONTROL, {**PAYLOAD, "tier": tier})
        receiver.wait(f"of {tier} is out of control")
        until(lambda: scheduled() > 0, "a run of retrain")
    assert scheduled() == 1


def test_an_automation_that_a_person_switched_off_sends_nothing_and_stays_off(
    client: SyncPrefectClient, receiver: Receiver, settings: Settings
) -> None:
    (found,) = client.read_automations_by_name(f"{PREFIX}degraded forecast")
    client.pause_automation(found.id)
    longer = Durations(heartbeat=timedelta(seconds=20), forecast=timedelta(hours=1), retrain=timedelta(hours=2))
    assert register(settings, longer) == [f"{PREFIX}{name}" for name in ("no forecast", "dead process", "retrain")]
    events.emit(settings, events.DEGRADED, {**PAYLOAD, "reason": "nobody shall read this"})
    settle(settings, receiver, "barrier 6")
    assert receiver.count("nobody shall read this") == 0
    assert not client.read_automation(found.id).enabled  # type: ignore[union-attr]


def test_registering_again_removes_what_is_ours_no_more_and_nothing_of_other_people(
    client: SyncPrefectClient, settings: Settings
) -> None:
    trigger = EventTrigger(expect={"a"}, posture=Posture.Reactive)
    for name, tags in ((f"{PREFIX}of an earlier release", [TAG]), (f"{PREFIX}mine", []), ("mine", [TAG])):
        client.create_automation(AutomationCore(name=name, tags=tags, trigger=trigger, actions=[DoNothing()]))
    assert f"{PREFIX}of an earlier release" in register(settings, SHORT)
    names = {found.name for found in client.read_automations()}
    assert f"{PREFIX}of an earlier release" not in names
    assert {f"{PREFIX}mine", "mine"} <= names


def test_the_webhook_is_in_no_answer_of_the_server_and_not_readable_in_its_database(
    client: SyncPrefectClient, settings: Settings
) -> None:
    document = client.read_block_document_by_name("nexthour-notify", "webhook", include_secrets=False)
    assert TOKEN not in document.model_dump_json()
    assert TOKEN not in client.request("POST", "/automations/filter", json={}).text
    assert TOKEN not in client.request("POST", "/events/filter", json={}).text
    url = get_current_settings().server.database.connection_url
    assert url is not None
    database = Path(url.get_secret_value().partition(":///")[2])
    files = [path for path in database.parent.iterdir() if path.name.startswith(database.name)]
    assert files
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)


def test_a_block_for_notifications_is_sent_the_same_messages_and_its_address_stays_in_it(
    client: SyncPrefectClient, receiver: Receiver, settings: Settings
) -> None:
    from prefect.blocks.notifications import SlackWebhook

    # An address that is not Slack's goes to Apprise, which sends JSON there.
    SlackWebhook(url=SecretStr(receiver.url.replace("http://", "json://"))).save("ops", overwrite=True)
    through = settings.model_copy(
        update={"notify": settings.notify.model_copy(update={"block": "slack-webhook/ops", "webhook": None})}
    )
    assert f"{PREFIX}champion changed" in register(through, SHORT)
    events.emit(settings, events.CHAMPION_CHANGED, {**PAYLOAD, "version": "sent by a block"})
    message = events.EVENTS[events.CHAMPION_CHANGED].message
    told = message.format_map({"network": NETWORK, **PAYLOAD, "version": "sent by a block"})
    assert receiver.wait("sent by a block") == f"Nexthour: {told}"
    assert TOKEN not in client.request("POST", "/automations/filter", json={}).text
    assert register(through, SHORT) == []


def test_without_a_notifier_automations_are_there_and_a_missing_block_is_named(
    client: SyncPrefectClient, settings: Settings
) -> None:
    missing = settings.model_copy(
        update={"notify": settings.notify.model_copy(update={"block": "slack-webhook/nobody", "webhook": None})}
    )
    with pytest.raises(ConfigError, match="Prefect has no block slack-webhook/nobody"):
        register(missing, SHORT)
    names = register_names(client)
    register(Settings(data_root=settings.data_root, network=settings.network), SHORT)
    assert register_names(client) == names
    (found,) = client.read_automations_by_name(f"{PREFIX}champion changed")
    assert found.actions == [DoNothing()]
