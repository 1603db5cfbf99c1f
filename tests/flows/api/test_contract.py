"""The interface keeps its own OpenAPI document, whatever is asked: schemathesis makes up the requests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from support.published_root import NOW, fill, settings_of

from flows.api.app import make_app

pytestmark = pytest.mark.slow
PATHS = (
    "/health",
    "/stations",
    "/next-hour",
    "/stations/{station_id}/next-hour",
    "/stations/{station_id}/day",
    "/stations/{station_id}/history",
    "/forecasts",
    "/scores",
)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import schemathesis

    root = settings_of(tmp_path_factory.mktemp("root"), allowed_hosts=["testserver"])
    fill(root)
    return schemathesis.openapi.from_asgi("/openapi.json", make_app(root, lambda: NOW))


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_one_that_the_document_has(document: Any, path: str) -> None:
    from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

    not_checked = [
        unsupported_method,  # of 405 the document says nothing
        positive_data_acceptance,  # a schema cannot say that the end is after the start
    ]

    @settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=document[path]["GET"].as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(excluded_checks=not_checked)

    ask()


def test_every_route_of_the_document_is_asked(document: Any) -> None:
    assert sorted(document) == sorted(PATHS)
