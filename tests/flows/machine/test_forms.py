"""The form of every deployment as a person sees it: a headless browser on the real pages."""

from __future__ import annotations

import importlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.browser import headless_chromium

from flows.deployments import DEPLOYMENTS
from flows.machine.forms import fill_form
from tasks.settings.tree import Settings


def schema_of(flow: str) -> dict[str, Any]:
    """Parameters of a flow as its form shows them."""
    made: dict[str, Any] = getattr(importlib.import_module(f"flows.{flow}"), flow).parameters.model_dump()
    fill_form(made["properties"], Settings(network={"timezone": "America/Chicago"}))
    return made


def drop_downs(flow: str) -> list[str]:
    """Titles of the parameters of a flow that have few values, and of moments, which have a time zone."""
    fields = schema_of(flow)["properties"].values()
    return [
        field["title"]
        for field in fields
        if "enum" in field or "enum" in field.get("items", {}) or field.get("format") == "date-time"
    ]


@pytest.mark.parametrize("flow", [item.flow for item in DEPLOYMENTS])
def test_every_field_of_a_form_is_explained_and_none_is_a_choice_between_types(flow: str) -> None:
    for name, field in schema_of(flow)["properties"].items():
        assert field["title"], name
        assert field["description"][0].isupper(), name
        assert "anyOf" not in field, name
        assert field["type"] != "integer" or {"minimum", "maximum"} <= set(field), name
        assert not ("format" in field and "pattern" not in field), name


def test_sources_are_a_closed_set_and_moments_say_whose_clock_is_meant() -> None:
    fields = schema_of("ingest")["properties"]
    assert fields["source"]["enum"] == ["city"]
    assert "America/Chicago" in fields["as_of"]["description"]


@pytest.fixture(scope="module")
def pages(prefect_harness: None) -> Iterator[str]:
    """Address of Prefect's pages, on top of the server of the session, which has none."""
    import uvicorn
    from prefect.server.api.server import create_ui_app
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_API_URL, PREFECT_UI_ENABLED, temporary_settings

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with temporary_settings({PREFECT_UI_ENABLED: True, PREFECT_UI_API_URL: PREFECT_API_URL.value()}):
        config = uvicorn.Config(create_ui_app(ephemeral=False), port=port, log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with headless_chromium() as made:
        yield made


def test_the_page_of_every_form_has_drop_downs_for_closed_sets_and_no_field_for_config_or_data_root(
    pages: str, browser: Any
) -> None:
    from prefect.client.orchestration import get_client

    tab = browser.new_page()
    with get_client(sync_client=True) as client:
        for item in DEPLOYMENTS:
            made = client.create_deployment(
                client.create_flow_from_name(item.flow), item.flow, parameter_openapi_schema=schema_of(item.flow)
            )
            tab.goto(f"{pages}/deployments/deployment/{made}/run")
            tab.wait_for_selector(".schema-form-property", timeout=60_000)
            fields = {}
            for field in tab.query_selector_all(".schema-form-property"):
                title = re.sub(r" \(Optional\)$", "", field.inner_text().splitlines()[0])
                fields[title] = bool(field.query_selector(".p-select-button__control"))
            assert [title for title, drop_down in fields.items() if drop_down] == drop_downs(item.flow), item.flow
            assert not {"Config", "Data root", "Out"} & set(fields)
            client.delete_deployment(made)
