"""The registry of deployments, what is written from it, and when its schedules fire."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import flows.cli.deploy  # noqa: F401  (it registers its command)
from flows.cli.app import app
from flows.deployments import DEPLOYMENTS, FREQUENT, FlowDeployment, Schedule, next_run
from flows.machine.environment import HEARTBEAT
from flows.machine.version import code_version
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings

ROOT = Path(__file__).parents[2]
SCHEDULES = [(item.flow, schedule) for item in DEPLOYMENTS for schedule in item.schedules]
NIGHTLY = [pytest.param(each, id=f"{flow} {each.name}") for flow, each in SCHEDULES if each.local]
OTHERS = [pytest.param(each, id=f"{flow} {each.name}") for flow, each in SCHEDULES if not each.local]
ZONES = (
    "America/Chicago",
    "Europe/London",
    "Atlantic/Azores",
    "Africa/Cairo",
    "America/Havana",
    "America/Nuuk",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
)
EVERY_MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def fire(schedule: Schedule, zone: str, start: datetime, span: timedelta) -> list[datetime]:
    """Moments in which the Prefect server starts a run; it computes at most a thousand."""
    from prefect.server.schemas.schedules import CronSchedule

    cron = CronSchedule(cron=schedule.cron, timezone=schedule.timezone(zone))
    dates = asyncio.run(cron.get_dates(1000, start=start, end=start + span - EVERY_MINUTE))
    return [date.astimezone(UTC) for date in dates]


@cache
def clock_changes(zone: str, year: int = 2027) -> list[datetime]:
    """The hours of a year after which the offset of a zone is another one."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in range(365 * 24)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours, offsets, offsets[1:], strict=False) if before != after]


@pytest.mark.parametrize("zone", ["America/Chicago", "Asia/Kolkata"])
@pytest.mark.parametrize("schedule", [*NIGHTLY, *OTHERS])
def test_the_next_run_is_known_without_prefect(schedule: Schedule, zone: str) -> None:
    for text in ("2027-06-05T11:59:30", "2027-06-05T12:05:00", "2027-12-31T23:59:59"):
        moment = np.datetime64(text)
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
        expected = next(each for each in fire(schedule, zone, start, 8 * DAY) if each > start)
        assert schedule.next_run(moment, zone) == np.datetime64(expected.replace(tzinfo=None), "m")


def test_a_flow_that_people_start_has_no_next_run() -> None:
    moment = np.datetime64("2027-06-05T11:59:30")
    assert next_run("promote", moment, "UTC") is None
    assert str(next_run("forecast", moment, "UTC")) == "2027-06-05T12:00"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("schedule", NIGHTLY)
def test_a_nightly_schedule_fires_once_on_each_of_its_days_across_both_clock_changes(
    schedule: Schedule, zone: str
) -> None:
    changes = clock_changes(zone)
    assert len(changes) == 2
    weekdays = {"*": range(7), "1-6": range(6), "0": (6,)}[schedule.cron.split()[4]]
    for change in changes:
        start = (change - 8 * DAY).replace(hour=12)
        local = [moment.astimezone(ZoneInfo(zone)) for moment in fire(schedule, zone, start, 16 * DAY)]
        wall = start.astimezone(ZoneInfo(zone))
        days = [wall.date() + timedelta(days=d) for d in range(-1, 18)]
        first, last = wall, (start + 16 * DAY).astimezone(ZoneInfo(zone))
        minute, hour = map(int, schedule.cron.split()[:2])
        expected = [
            moment
            for day in days
            if day.weekday() in weekdays
            and first <= (moment := datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))) < last
        ]
        assert local == expected
        assert {(m.hour, m.minute) for m in local} == {(hour, minute)}


def test_the_minutes_of_ingest_are_all_minutes_of_a_day_on_which_clocks_change_each_once() -> None:
    ingest = next(item for item in DEPLOYMENTS if item.flow == "ingest")
    for change in clock_changes("America/Chicago"):
        start = change - timedelta(hours=6)
        span = timedelta(hours=12)
        moments = sorted(m for each in ingest.schedules for m in fire(each, "America/Chicago", start, span))
        assert moments == [start + m * EVERY_MINUTE for m in range(720)]


@pytest.mark.parametrize("schedule", OTHERS)
def test_a_schedule_in_utc_does_not_know_the_networks_clock(schedule: Schedule) -> None:
    start = datetime(2027, 11, 7, tzinfo=UTC)
    assert fire(schedule, "America/Chicago", start, DAY / 2) == fire(schedule, "Asia/Kolkata", start, DAY / 2)


def test_flows_that_run_several_times_per_hour_are_known() -> None:
    assert {"ingest", "forecast"} == FREQUENT


@pytest.mark.parametrize("item", DEPLOYMENTS, ids=lambda item: item.flow)
def test_schedules_of_a_flow_never_name_the_same_minute_and_have_names_of_their_own(item: FlowDeployment) -> None:
    span = 7 * DAY if item.schedules and item.schedules[0].local else DAY / 2
    moments = [m for each in item.schedules for m in fire(each, "UTC", datetime(2027, 3, 1, tzinfo=UTC), span)]
    assert len(moments) == len(set(moments))
    assert len({each.name for each in item.schedules}) == len(item.schedules)


@pytest.mark.parametrize("item", DEPLOYMENTS, ids=lambda item: item.flow)
def test_what_runs_within_the_hour_gives_way_and_what_runs_nightly_or_by_hand_waits(item: FlowDeployment) -> None:
    often = any(not each.local for each in item.schedules)
    assert item.collision == ("CANCEL_NEW" if often else "ENQUEUE")


def test_deployments_are_made_for_prefect_as_the_registry_says_and_their_parameters_are_the_flows() -> None:
    from flows.machine.prefect_deployments import load_flow, make_deployments

    settings = Settings(data_root="unused", network={"timezone": "Europe/London"})  # type: ignore[arg-type]
    for item, made in zip(DEPLOYMENTS, make_deployments(settings), strict=True):
        flow = load_flow(item)
        assert flow.timeout_seconds == item.time_limit
        assert made.full_name == item.name
        assert made.entrypoint == item.entrypoint
        assert made.description == item.description
        assert made.tags == ["nexthour", item.area]
        assert made.version == code_version()
        assert made.enforce_parameter_schema
        assert made.concurrency_limit == 1
        assert made.concurrency_options is not None
        assert made.concurrency_options.collision_strategy.value == item.collision
        crons = [(s.slug, s.schedule.cron, s.schedule.timezone) for s in made.schedules or []]  # type: ignore[union-attr]
        assert crons == [(s.name, s.cron, "Europe/London" if s.local else "UTC") for s in item.schedules]
        known = flow.parameters.model_dump()["properties"]
        assert [name for name, field in known.items() if not field.get("description")] == []
        assert not {"config", "data_root"} & set(known)
        for schedule in item.schedules:
            assert flow.validate_parameters(dict(schedule.parameters)).items() >= schedule.parameters.items()


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_version_is_the_commit_and_says_when_tracked_files_differ_from_it(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-m", "one")
    commit = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    (tmp_path / "notes.txt").write_text("not tracked")
    assert code_version(tmp_path) == commit
    (tmp_path / "a.py").write_text("2")
    assert code_version(tmp_path) == f"{commit}+dirty"


def test_the_version_is_that_of_the_package_where_there_is_no_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tomllib

    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert code_version(tmp_path) == package
    git(tmp_path, "init")
    monkeypatch.setenv("PATH", "")
    assert code_version(tmp_path) == package


def test_the_prefect_yaml_that_is_shipped_is_what_the_command_writes(tmp_path: Path) -> None:
    from flows.machine.deploy import PoolTarget, secret_names
    from flows.machine.prefect_yaml import to_yaml

    settings = load_settings(ROOT / "deployments/nexthour.toml")
    target = PoolTarget("nexthour", "process", config="deployments/nexthour.toml")
    path = Path("deployments/prefect.yaml")
    assert to_yaml(target, settings.network.timezone, secret_names(settings), path) == (ROOT / path).read_text()


def test_a_prefect_yaml_takes_zone_configuration_and_data_root_from_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.toml").write_text('[network]\ntimezone = "Asia/Kolkata"\n')
    wanted = ["deploy", "--work-pool", "city", "--config", "network.toml", "--data-root", "s3://bucket/city"]
    done = CliRunner().invoke(app, [*wanted, "--write", "prefect.yaml"])
    assert done.exit_code == 0, done.output
    entries = yaml.safe_load((tmp_path / "prefect.yaml").read_text())["deployments"]
    assert {zone for e in entries for s in e["schedules"] if (zone := s["timezone"]) != "UTC"} == {"Asia/Kolkata"}
    for entry in entries:
        assert entry["work_pool"]["name"] == "city"
        environment = {"NEXTHOUR_CONFIG": "network.toml", "NEXTHOUR_DATA_ROOT": "s3://bucket/city"}
        assert entry["work_pool"]["job_variables"] == {"env": {**HEARTBEAT, **environment}}
        assert "parameters" not in entry
