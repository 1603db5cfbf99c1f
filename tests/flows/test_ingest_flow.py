"""The ingest flow as automations and people see it: events, the artifact, and runs that failed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.events import emit_warnings
from flows.ingest import ingest
from tasks.quality.results import QualityResult
from tasks.settings.tree import Settings

pytestmark = pytest.mark.usefixtures("prefect_harness")
NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names a network with half a day of counts up to 11:00, one of them out of range."""
    rows = [f"A,2024-03-05T{n // 60:02d}:{n % 60:02d}Z,{900 if n == 510 else n % 7}" for n in range(11 * 60)]
    (tmp_path / "a.csv").write_text("\n".join(["station_id,minute,entries", *rows]) + "\n")
    (tmp_path / "net.toml").write_text(
        'data_root = "root"\n[network]\ntargets = ["entries"]\n[quality]\nranges = { entries = [0, 100] }\n'
        f'[[sources]]\nname = "{tmp_path.name}"\nkind = "counts"\npath = "a.csv"\n'
    )
    monkeypatch.setenv("NEXTHOUR_CONFIG", str(tmp_path / "net.toml"))


def artifact() -> str:
    from prefect.artifacts import Artifact

    found: Any = Artifact.get("ingest")
    assert found is not None
    return str(found.data)


def events(resource: str, at_least: int) -> list[dict[str, Any]]:
    """Events about a resource, once so many have come, or after ten seconds."""
    from prefect.client.orchestration import get_client

    wanted = {
        "occurred": {"since": (datetime.now(UTC) - timedelta(minutes=10)).isoformat()},
        "event": {"prefix": ["nexthour.quality."]},
        "resource": {"id": [resource]},
    }
    with get_client(sync_client=True) as client:
        for _ in range(50):
            found = client._client.post("/events/filter", json={"filter": wanted}).json()["events"]
            if len(found) >= at_least:
                break
            time.sleep(0.2)
    return list(found)


@pytest.mark.usefixtures("network")
def test_a_warning_is_an_event_once_and_a_row_of_the_artifact_every_time(tmp_path: Path) -> None:
    for minutes in (0, 1, 2):
        assert ingest(as_of=NOON + timedelta(minutes=minutes), return_state=True).is_completed()
    (quiet,) = events(f"nexthour.source.{tmp_path.name}", 1)
    assert quiet["event"] == "nexthour.quality.quiet_source"
    assert quiet["payload"]["sentence"].startswith(f"source '{tmp_path.name}' has sent nothing for 60 minutes")
    assert quiet["resource"]["nexthour.network"] == "network"
    said = artifact()
    assert "## Quality: 2 warnings" in said
    assert "has sent nothing for 62 minutes (last minute 2024-03-05T10:59Z) | 62 | 30 | 2024-03-05T12:00 |" in said
    assert "900 entries at 2024-03-05T08:30Z, outside 0 to 100" in said


@pytest.mark.usefixtures("network")
def test_a_run_of_which_nothing_landed_fails_and_says_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("station_id,minute,entries\nA,25/03/2024 07:15,3\n")
    state = ingest(as_of=NOON, return_state=True)
    assert state.is_failed()
    assert 'time_format = "%d/%m/%Y %H:%M"' in str(state.message)
    assert artifact().startswith("# Ingest failed: ")
    assert ingest(as_of=NOON + timedelta(minutes=10), return_state=True).is_completed()


@pytest.mark.usefixtures("network")
def test_a_run_that_could_read_nothing_fails_and_still_tells_of_the_silence(tmp_path: Path) -> None:
    assert ingest(as_of=NOON, return_state=True).is_completed()
    (tmp_path / "a.csv").unlink()
    state = ingest(as_of=NOON + timedelta(minutes=90), return_state=True)
    assert state.is_failed()
    assert "has sent nothing for 150 minutes" in artifact()
    assert "a.csv" in artifact()


def test_an_event_that_cannot_be_sent_fails_nothing() -> None:
    too_large = "x" * 10_000_000
    emit_warnings(Settings(), [QualityResult("range", "warning", "station", "A", too_large, 9, 1, 1, "now", True)])
