"""What the reading interface answers: formats, spans, what was known when, and what is refused."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from support.published_root import NOW, fill, settings_of
from support.small_publications import publication

from flows.api.app import make_app
from flows.api.latest import Latest, Published
from tasks.publish.steps import publish
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.csv_text import csv_bytes

BASE = "http://127.0.0.1"


def client_of(settings: Settings) -> TestClient:
    return TestClient(make_app(settings, lambda: NOW), base_url=BASE)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_of(tmp_path_factory.mktemp("root"))
    fill(settings)
    return settings


@pytest.fixture
def client(root: Settings) -> Iterator[TestClient]:
    with client_of(root) as running:
        yield running


def test_the_next_hour_of_a_station_is_what_latest_json_says_of_it(client: TestClient, root: Settings) -> None:
    latest = Store(root.data_root).read_json("publications/latest.json")
    answer = client.get("/stations/s1/next-hour").json()
    assert answer["targets"] == latest["stations"]["s1"]
    assert answer["levels"] == latest["levels"]["s1"]
    assert (answer["station_id"], answer["issued_at"]) == ("s1", "2024-03-05T09:05:20Z")
    assert "stations" not in answer
    assert client.get("/next-hour").json() == latest


def test_the_interface_is_made_inside_an_event_loop_too(root: Settings) -> None:
    async def make() -> TestClient:
        return client_of(root)

    assert asyncio.run(make()).get("/stations/s1/next-hour").status_code == 200


def test_a_station_has_its_own_alerts_alone() -> None:
    alerts = [{"station_id": "s0", "target": "exits"}, {"station_id": "s1", "target": "exits"}]
    document = {"stations": {"s0": {}, "s1": {}, "s2": {}}, "alerts": alerts, "quantiles": []}
    latest = asyncio.run(Latest.of(json.dumps(document).encode()))
    assert [latest.station(f"s{i}")["alerts"] for i in range(3)] == [alerts[:1], alerts[1:], []]


def test_the_quick_way_and_the_slow_one_answer_the_same(client: TestClient) -> None:
    quick, slow = client.get("/stations/s1/next-hour"), client.get("/stations/s1/next-hour?format=json")
    assert quick.content == slow.content
    assert quick.headers["etag"] == slow.headers["etag"]
    assert quick.headers["cache-control"] == slow.headers["cache-control"] == "public, max-age=5"


@pytest.mark.parametrize(
    "path",
    ["/stations", "/next-hour", "/stations/s1/next-hour", "/stations/s1/day", "/stations/s1/history", "/scores",
     "/forecasts?start=2024-03-05T09:00Z"],
)  # fmt: skip
def test_the_same_rows_come_as_json_csv_and_parquet_and_unchanged_ones_as_304(client: TestClient, path: str) -> None:
    parquet = client.get(path, headers={"Accept": "application/vnd.apache.parquet"})
    table = pq.read_table(io.BytesIO(parquet.content))
    assert table.num_rows > 0
    comma = client.get(path, headers={"Accept": "text/csv;q=0.9, application/pdf"})
    assert comma.content == csv_bytes(table)
    plain = client.get(path)
    rows = plain.json().get("rows")
    assert rows is None or len(rows) == table.num_rows
    for answer in (parquet, comma, plain):
        assert answer.status_code == 200
        again = client.get(
            path, headers={"Accept": answer.headers["content-type"], "If-None-Match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
    assert len({answer.headers["etag"] for answer in (parquet, comma, plain)}) == 3
    assert client.head(path).status_code == 200


def test_history_is_of_the_span_that_is_asked_for(client: TestClient) -> None:
    rows = client.get("/stations/s1/history?start=2024-03-05T01:30&end=2024-03-05T08:00Z").json()["rows"]
    assert [row["minute_utc"] for row in rows] == ["2024-03-05T07:30:00Z", "2024-03-05T07:45:00Z"]
    assert rows[0] == {"station_id": "s1", "minute_utc": "2024-03-05T07:30:00Z", "entries": 18, "exits": 18}
    assert len(client.get("/stations/s1/history").json()["rows"]) == 12


def test_forecasts_come_as_issued_and_as_known_at_a_moment(client: TestClient) -> None:
    span = "/forecasts?start=2024-03-05T09:00Z&end=2024-03-05T10:30Z&station_id=s0&target=exits"
    issued = client.get(span).json()["rows"]
    assert [row["mean"] for row in issued] == [1] * 4 + [6] * 4
    before = client.get(f"{span}&as_of=2024-03-05T09:05:19Z").json()["rows"]
    assert [row["mean"] for row in before] == [1] * 4
    after = client.get(f"{span}&as_of=2024-03-05T09:05:20Z").json()["rows"]
    assert [(row["minute_utc"][11:16], row["mean"]) for row in after][:3] == [("09:00", 1), ("09:05", 6), ("09:15", 1)]
    assert client.get(f"{span}&as_of=2024-03-05T08:59Z").json()["rows"] == []


def test_of_each_minute_the_newest_forecast_is_the_known_one(tmp_path: Path) -> None:
    from support.published_root import keep

    settings = settings_of(tmp_path)
    for after in (0, 15, 30):
        publish(settings, "latest_json", publication(after))
        keep(settings, publication(after))
    with client_of(settings) as client:
        rows = client.get(
            "/forecasts?start=2024-03-05T09:00Z&end=2024-03-05T11:00Z&as_of=2024-03-05T10:00Z&station_id=s0"
        )
        means = [row["mean"] for row in rows.json()["rows"] if row["target"] == "entries"]
    assert means == [1, 16, 31, 31, 31, 31]


def test_what_was_known_is_found_in_a_file_of_many_issues_as_well(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    publish(settings, "latest_json", publication())
    whole = pa.concat_tables([publication(after).forecasts for after in (0, 15)])
    Store(settings.data_root).write_table("forecasts/service_date=2024-03-05/part.parquet", whole)
    with client_of(settings) as client:
        rows = client.get("/forecasts?start=2024-03-05T09:00Z&as_of=2024-03-05T09:15:19Z&station_id=s0").json()["rows"]
    assert {row["mean"] for row in rows} == {1}


def test_scores_are_selected_by_name(client: TestClient) -> None:
    assert client.get("/scores?station_id=s1&target=exits&band=1-15").json()["rows"][0]["absolute_error"] == 1.5
    assert client.get("/scores?station_id=s2").json()["rows"] == []


def test_stations_are_selected_by_line(client: TestClient) -> None:
    assert [row["station_id"] for row in client.get("/stations").json()["rows"]] == ["s0", "s1", "s2"]
    assert client.get("/stations?line=Blue").json()["rows"] == []


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/stations/nobody/next-hour", 404, "no station 'nobody' is forecast"),
        ("/stations/s1/history?start=2024-01-01&end=2024-03-05", 400, "the span is longer than 31 days"),
        ("/stations/s1/history?start=2024-03-05&end=2024-03-05", 400, "is not after start"),
        ("/stations/s1/history?start=soon", 400, "start: time 'soon' is not ISO 8601"),
        ("/forecasts?as_of=2024-13-01", 400, "as_of: time '2024-13-01' is not ISO 8601"),
        ("/scores?format=xlsx", 422, "Input should be"),
        ("/nothing", 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_says_why(client: TestClient, path: str, status: int, detail: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert detail in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_format_that_is_not_known_is_a_406(client: TestClient) -> None:
    assert client.get("/stations", headers={"Accept": "application/pdf"}).status_code == 406


def test_more_rows_than_the_bound_are_refused_before_all_are_read(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, max_rows=100)
    fill(settings, stations=8)
    with client_of(settings) as client:
        answer = client.get("/forecasts?start=2024-03-05T09:00Z&end=2024-03-05T10:30Z")
        assert (answer.status_code, "more than 100 rows" in answer.text) == (400, True)
        assert client.get("/forecasts?start=2024-03-05T09:00Z&station_id=s1").status_code == 200


def test_before_the_first_forecast_everything_but_health_is_a_503(tmp_path: Path) -> None:
    with client_of(settings_of(tmp_path)) as client:
        assert client.get("/stations").status_code == client.get("/stations/s1/next-hour").status_code == 503
        assert client.get("/health").json()["status"] == "empty"


def test_health_says_how_old_the_forecast_is(tmp_path: Path, client: TestClient, root: Settings) -> None:
    assert client.get("/health").json()["status"] == "ok"
    later = TestClient(make_app(root, lambda: NOW + 3600), base_url=BASE)
    assert later.get("/health").json()["status"] == "late"


def test_a_damaged_table_is_a_503_that_says_nothing_of_the_machine(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    fill(settings)
    (tmp_path / "minutes/service_date=2024-03-05/part.parquet").write_bytes(b"no Parquet")
    with client_of(settings) as client:
        answer = client.get("/stations/s1/history")
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


def test_a_damaged_latest_json_leaves_the_forecast_before_it(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    publish(settings, "latest_json", publication())
    published = Published(Store(settings.data_root))
    asyncio.run(published.look())
    Store(settings.data_root).write_bytes("publications/latest.json", b"{")
    asyncio.run(published.look())
    assert published.latest is not None
    publish(settings, "latest_json", publication(15))
    asyncio.run(published.look())
    assert published.latest.document["origin_utc"] == "2024-03-05T09:15:00Z"


def test_nothing_but_reading_is_allowed(client: TestClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/stations/s1/next-hour").status_code == 405


def test_the_board_is_served_beside_the_routes_and_nothing_above_it(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with client_of(settings) as client:
        assert client.get("/").json()["openapi"]
        Store(settings.data_root).write_bytes("publications/board/index.html", b"<title>board</title>")
        assert client.get("/").text == "<title>board</title>"
        assert client.get("/board/").text == "<title>board</title>"
        assert client.get("/board/../latest.json").status_code == 404
        assert client.get("/board/%2e%2e/latest.json").status_code == 404


def test_a_reader_in_a_loop_never_sees_half_a_forecast(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    publish(settings, "latest_json", publication())
    over, torn, seen = threading.Event(), list[object](), set[str]()

    def read() -> None:
        with client_of(settings) as client:
            while not over.is_set():
                for path in ("/stations/s1/next-hour", "/next-hour"):
                    answer = client.get(path).json()
                    values = answer.get("targets") or answer["stations"]["s1"]
                    minutes = int(answer["origin_utc"][11:13]) * 60 + int(answer["origin_utc"][14:16]) - 540
                    seen.add(answer["origin_utc"])
                    if values["entries"]["mean"] != [minutes + 1] * 4:
                        torn.append(answer)

    reader = threading.Thread(target=read)
    reader.start()
    for after in range(5, 60, 5):
        publish(settings, "latest_json", publication(after))
        over.wait(0.1)
    over.set()
    reader.join()
    assert not torn
    assert len(seen) > 2


def test_the_document_of_the_interface_has_an_example_of_every_route(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    routes = {path: methods["get"] for path, methods in document["paths"].items()}
    assert len(routes) == 8
    for path, route in routes.items():
        content = route["responses"]["200"]["content"]["application/json"]
        assert path == "/health" or content["example"]
        assert route["description"] or route["summary"]
    assert json.dumps(document)


def test_rows_of_the_whole_network_hold_every_number_of_latest_json(root: Settings) -> None:
    published = Published(Store(root.data_root))
    asyncio.run(published.look())
    assert published.latest is not None
    rows: pa.Table = published.latest.rows(published.latest.stations)
    assert rows.num_rows == 3 * 2 * 4
    assert rows["mean"].to_pylist() == [6] * 24
