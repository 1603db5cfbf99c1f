"""Checks of `nexthour doctor` that ask the servers: MLflow, Prefect, its schedules and automations."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.deployments import DEPLOYMENTS, TIME_LIMITS
from flows.machine.environment import state_folder
from flows.machine.lock import stated_addresses
from tasks.errors import NexthourError
from tasks.settings.secrets import read_variable
from tasks.settings.tree import Settings
from tasks.storage.roots import one_line
from tasks.tracking.provenance import redact
from tasks.tracking.uri import tracking_uri

if TYPE_CHECKING:
    from httpx import Response

LATE_MINUTES = 5
GRACE_MINUTES = 15
"""Minutes beyond its time limit after which a run hangs: whoever should have ended it is gone."""
SHOWN = 3
LIMIT = 200
"""Objects of one answer of Prefect's API, its most."""


class PrefectAwayError(NexthourError):
    """Prefect does not answer, so that nothing is known of it; `remedy` says what to do."""

    remedy = "start nexthour up, or set PREFECT_API_URL"


def mlflow(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether the tracking server answers, where there is one."""
    uri = tracking_uri(settings)
    if not uri.startswith("http"):
        return True, f"logs to {redact(uri)}"
    _request("GET", f"{uri.rstrip('/')}/health")
    return True, f"{redact(uri)} answers"


def prefect(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether Prefect answers and every scheduled flow has a deployment that is not paused."""
    found = _ask(settings, "deployments/filter", {})
    paused = {d["name"] for d in found if d.get("paused")}
    names = {d["name"] for d in found}
    missing = [d.flow for d in DEPLOYMENTS if d.schedules and (d.flow not in names or d.flow in paused)]
    if missing:
        return False, f"{_api(settings)} answers, but without a running schedule for: {', '.join(missing)}"
    return True, f"{_api(settings)} answers, {len(names)} deployments"


def schedules(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether scheduled runs begin on time and running ones end."""
    moment = datetime.fromisoformat(f"{now.astype('datetime64[s]')}+00:00")
    late = _runs(settings, "SCHEDULED", "expected_start_time", moment - timedelta(minutes=LATE_MINUTES))
    hanging = []
    for flow, limit in TIME_LIMITS.items():
        begun = moment - timedelta(seconds=limit, minutes=GRACE_MINUTES)
        hanging += _runs(settings, "RUNNING", "start_time", begun, flow)
    notes = []
    if late:
        notes.append(f"{len(late)} runs are more than {LATE_MINUTES} minutes late, such as {_names(late)}")
    if hanging:
        notes.append(f"{len(hanging)} runs take longer than their flow may, such as {_names(hanging)}")
    return not notes, "; ".join(notes) or "no run is late or hangs"


def automations(settings: Settings, now: np.datetime64) -> tuple[bool, str]:
    """Whether Prefect has automations of ours, and none is switched off."""
    found = [each for each in _ask(settings, "automations/filter", {}) if each["name"].startswith("nexthour")]
    disabled = [each["name"] for each in found if not each["enabled"]]
    if not found:
        return False, "none is registered"
    if disabled:
        return False, f"switched off: {', '.join(disabled)}"
    return True, f"{len(found)} registered"


def _runs(
    settings: Settings, state: str, field: str, before: datetime, flow: str | None = None
) -> list[dict[str, Any]]:
    """The oldest runs in a state since before a moment, of one flow or of all."""
    wanted = {"state": {"type": {"any_": [state]}}, field: {"before_": before.isoformat()}}
    flows = {"flows": {"name": {"any_": [flow]}}} if flow else {}
    return _ask(settings, "flow_runs/filter", {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_ASC", **flows})


def _names(runs: list[dict[str, Any]]) -> str:
    return ", ".join(str(run["name"]) for run in runs[:SHOWN])


def _api(settings: Settings) -> str:
    """Address of the API: of the environment, of the `up` that runs on the data root, or the usual one."""
    running = next(
        (line.split()[1] for line in stated_addresses(state_folder(settings)) if line[:7] == "prefect"), None
    )
    return os.environ.get("PREFECT_API_URL", f"{running or 'http://127.0.0.1:4200/'}api")


def _ask(settings: Settings, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    auth = settings.prefect.auth
    login = read_variable("[prefect] auth", auth) if auth else os.environ.get("PREFECT_API_AUTH_STRING", "")
    try:
        answer = _request("POST", f"{_api(settings)}/{path}", {"limit": LIMIT, **body}, login)
    except NexthourError as error:
        raise PrefectAwayError(str(error)) from None
    found: list[dict[str, Any]] = answer.json()
    return found


def _request(method: str, url: str, body: dict[str, Any] | None = None, login: str = "") -> Response:
    import httpx

    user, _, password = login.partition(":")
    auth = httpx.BasicAuth(user, password) if login else None
    try:
        return httpx.request(method, url, json=body, auth=auth, timeout=5).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NexthourError(f"{redact(url)} does not answer ({redact(one_line(error))})") from None
