"""The target `webhook` against a receiver that takes, refuses, hangs, drips, redirects and comes back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.receiver import Receiver, Sent, Status, receiver
from support.small_publications import publication

from tasks.errors import ConfigError, TargetError
from tasks.publish.steps import publish
from tasks.settings.tree import Settings

SECRET = "planted-secret-of-tests"
NOW = 1709629220  # when the first of the publications is issued


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with receiver() as running:
        yield running


def tree(folder: Path, there: Receiver | str, **webhook: object) -> Settings:
    url = there if isinstance(there, str) else there.url
    section = {"url": url, "secret": "env:HOOK_SECRET", "timeout_seconds": 0.5, "limit_seconds": 2, **webhook}
    return Settings(data_root=str(folder), network={"timezone": "America/Chicago"}, publish={"webhook": section})  # type: ignore[arg-type]


def verify(sent: Sent, secret: str, now: float) -> bool:
    """What docs/targets.md tells receivers to do."""
    name, timestamp = sent.headers["webhook-id"], sent.headers["webhook-timestamp"]
    if abs(now - int(timestamp)) > 300:
        return False
    signed = f"{name}.{timestamp}.".encode() + sent.body
    expected = "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()
    return any(hmac.compare_digest(expected, each) for each in sent.headers["webhook-signature"].split(" "))


def waiting(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "publications" / "undelivered" / "webhook").glob("*.json"))


def test_a_receiver_can_verify_who_sent_the_document_and_that_nobody_changed_it(
    tmp_path: Path, there: Receiver
) -> None:
    assert publish(tree(tmp_path, there), "webhook", publication()).endswith("/forecasts took 1 document")
    (sent,) = there.received
    assert verify(sent, SECRET, NOW)
    assert not verify(sent, "another-secret-of-tests", NOW)
    assert not verify(Sent(sent.headers, sent.body + b" "), SECRET, NOW)
    assert not verify(sent, SECRET, NOW + 400)
    document = json.loads(sent.body)
    assert document["summary"]["origin_utc"] == "2024-03-05T09:00:00Z"
    assert [(row["station_id"], row["target"], row["hour"]) for row in document["stations"]][:2] == [
        ("s0", "entries", 4.0),
        ("s0", "exits", 4.0),
    ]
    assert "latest" not in document
    assert waiting(tmp_path) == []


def test_the_full_document_holds_latest_json(tmp_path: Path, there: Receiver) -> None:
    publish(tree(tmp_path, there, content="full"), "webhook", publication())
    assert set(json.loads(there.received[0].body)["latest"]["stations"]) == {"s0", "s1", "s2"}


def test_the_same_issue_is_sent_once_and_an_older_one_never(tmp_path: Path, there: Receiver) -> None:
    settings = tree(tmp_path, there)
    publish(settings, "webhook", publication(5))
    publish(settings, "webhook", publication(5))
    assert "a later forecast already" in publish(settings, "webhook", publication(0))
    assert len(there.received) == 1


def test_a_failure_that_passes_is_tried_again_with_the_same_key(tmp_path: Path, there: Receiver) -> None:
    there.answer = lambda sent: Status(200 if len(there.received) == 2 else 503)
    publish(tree(tmp_path, there, limit_seconds=10), "webhook", publication())
    assert len(there.received) == 3
    assert len(set(there.names)) == 1
    assert waiting(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (Status(503), "it answers 503; 1 waits in"),
        (Status(429, headers={"Retry-After": "60"}), "it answers 429; 1 waits in"),
        (Status(pause=3), r"it does not answer within 0\.5 s; 1 waits in"),
        (Status(drip=True), r"it does not answer within 0\.5 s; 1 waits in"),
    ],
    ids=["fails", "asks for rest", "hangs", "drips"],
)
def test_a_receiver_in_trouble_costs_the_time_limit_and_the_document_waits(
    tmp_path: Path, there: Receiver, status: Status, line: str
) -> None:
    there.answer = lambda sent: status
    began = time.monotonic()
    with pytest.raises(TargetError, match=line) as caught:
        publish(tree(tmp_path, there, limit_seconds=1), "webhook", publication())
    assert time.monotonic() - began < 5
    assert len(waiting(tmp_path)) == 1
    assert "team=ops" not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (Status(307, headers={"Location": "http://127.0.0.1:1/elsewhere"}), "307: give the address that it redirects"),
        (Status(401), "401: correct url or secret"),
        (Status(404), "404: correct url or secret"),
    ],
)
def test_what_a_person_must_mend_is_tried_once(tmp_path: Path, there: Receiver, status: Status, line: str) -> None:
    there.answer = lambda sent: status
    with pytest.raises(TargetError, match=f"it answers {line}"):
        publish(tree(tmp_path, there), "webhook", publication())
    assert len(there.received) == len(waiting(tmp_path)) == 1


def test_what_waits_is_sent_first_and_in_order_when_the_receiver_is_back(tmp_path: Path, there: Receiver) -> None:
    settings = tree(tmp_path, there, limit_seconds=0.2)
    there.answer = lambda sent: Status(503)
    for after in (0, 5):
        with pytest.raises(TargetError):
            publish(settings, "webhook", publication(after))
    names = waiting(tmp_path)
    there.received.clear()
    there.answer = lambda sent: Status(204)
    assert publish(tree(tmp_path, there), "webhook", publication(10)).endswith("took 3 documents")
    assert there.names[:2] == names
    assert [json.loads(sent.body)["summary"]["origin_utc"][14:16] for sent in there.received] == ["00", "05", "10"]
    assert all(verify(sent, SECRET, NOW + 600) for sent in there.received)  # of the moment of sending


def test_more_than_the_bound_drops_the_oldest_loudly(
    tmp_path: Path, there: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    settings = tree(tmp_path, there, limit_seconds=0.1, keep=2)
    there.answer = lambda sent: Status(503)
    for after in (0, 5, 10, 15):
        with pytest.raises(TargetError) as caught:
            publish(settings, "webhook", publication(after))
    assert "2 wait in" in str(caught.value)
    assert "2 dropped so far, as more than 2 waited" in str(caught.value)
    assert [name[:15] for name in waiting(tmp_path)] == ["20240305T091000", "20240305T091500"]
    assert sum("is dropped" in line for line in caplog.messages) == 2


def test_a_document_that_the_receiver_cannot_read_is_kept_aside_and_holds_no_other_back(
    tmp_path: Path, there: Receiver
) -> None:
    there.answer = lambda sent: Status(422 if not there.received else 200)
    with pytest.raises(TargetError, match=r"answers 422 to .* is kept in .*undelivered-rejected"):
        publish(tree(tmp_path, there), "webhook", publication(0))
    publish(tree(tmp_path, there), "webhook", publication(5))
    assert len(there.received) == 2
    assert waiting(tmp_path) == []
    assert len(list((tmp_path / "publications" / "undelivered-rejected" / "webhook").glob("*.json"))) == 1


def test_nobody_at_the_address_is_one_line(tmp_path: Path, there: Receiver) -> None:
    with pytest.raises(TargetError, match=r"http://127\.0\.0\.1:1/hook: it cannot be reached: .*1 waits"):
        publish(tree(tmp_path, "http://127.0.0.1:1/hook"), "webhook", publication())


def test_http_beyond_this_machine_needs_a_word(
    tmp_path: Path, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="is sent in the clear: use https"):
        tree(tmp_path, "http://example.org/hook")
    tree(tmp_path, "http://example.org/hook", allow_http=True)
    monkeypatch.setenv("HOOK_URL", "http://example.org/hook?team=ops")
    with pytest.raises(ConfigError, match="is sent in the clear: use https") as caught:
        publish(tree(tmp_path, "env:HOOK_URL"), "webhook", publication())
    assert "team=ops" not in str(caught.value)


def test_a_secret_that_is_missing_or_short_is_named(
    tmp_path: Path, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, line in (
        ("", "needs the environment variable HOOK_SECRET, which is not set"),
        ("short", "has less than 16 bytes: make one by"),
        ("whsec_!", "what follows whsec_ is not base64"),
    ):
        monkeypatch.setenv("HOOK_SECRET", value)
        with pytest.raises(ConfigError, match=line):
            publish(tree(tmp_path, there), "webhook", publication())
    assert not there.received


def test_a_standard_secret_is_read_as_base64(tmp_path: Path, there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", f"whsec_{base64.b64encode(SECRET.encode()).decode()}")
    publish(tree(tmp_path, there), "webhook", publication())
    assert verify(there.received[0], SECRET, NOW)
