"""The board as a person sees it: a headless browser on pages that are opened as files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from support.board_city import ORIGIN, publication

from tasks.publish.board.packing import pack

Publish = Callable[..., str]
Show = Callable[..., Any]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
VIEWS = {"": ".list tbody tr", "map": ".map a", "station=3": "#today-chart canvas", "wall": ".card"}
PHONE, DESK = (390, 844), (1440, 900)
ALL: dict[str, Any] = {}
CONTRAST: dict[str, Any] = {"runOnly": ["color-contrast", "target-size"]}


def names(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("tbody .col-station a").all_inner_texts()]


@pytest.mark.parametrize(
    ("scheme", "size", "rules"),
    [("dark", PHONE, ALL), ("light", DESK, ALL), ("light", PHONE, CONTRAST), ("dark", DESK, CONTRAST)],
    ids=["dark phone", "light desk", "light phone", "dark desk"],
)
def test_no_view_has_a_barrier_that_axe_finds(
    publish: Publish, show: Show, scheme: str, size: tuple[int, int], rules: dict[str, Any]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    alert = {"signal": "limit", "station_id": "2", "target": "entries", "state": "opened", "strength": 0.9}
    alert |= {"forecast": 410.0, "value": 300.0}
    address = publish(publication(13, degraded_reason="no champion: used weekday_level", alerts=[alert]))
    page = show(address, scheme=scheme, size=size)
    for view, ready in VIEWS.items():
        page.evaluate("hash => { location.hash = hash; }", view)
        page.wait_for_selector(ready)
        response = axe.run(page, options={"preload": False, "resultTypes": ["violations"], **rules}).response
        assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in response["violations"]] == [], view


def test_a_page_of_a_file_shows_every_station_and_goes_to_one_and_back(publish: Publish, show: Show) -> None:
    page = show(publish(publication(14)))
    assert page.title() == "Made-up Metro: the next hour"
    assert len(names(page)) == 14
    assert page.locator(".spark").count() == 14
    page.get_by_role("link", name="Museum Road").click()
    page.wait_for_selector("#today-chart canvas")
    assert page.evaluate("document.activeElement.id") == "station-name"
    assert page.locator(".why tbody tr").count() == 5
    page.keyboard.press("Escape")
    page.wait_for_selector(".list")
    assert page.evaluate("document.activeElement.textContent") == "Museum Road"


def test_the_names_of_stations_are_never_markup(publish: Publish, show: Show) -> None:
    strange = {1: "__proto__", 3: HOSTILE, 4: "a&b=c#d"}
    address = publish(publication(14, names={3: HOSTILE, 4: "\u202e\u2028x"}, ids=strange))
    page = show(address)
    assert HOSTILE in names(page)
    page.locator("tbody a", has_text="<script>").click()
    page.wait_for_selector("#today-chart canvas")
    assert page.locator("#station-name").inner_text() == HOSTILE
    for view in ("#station=__proto__", "#station=a%26b%3Dc%23d", "#map", "#wall"):
        show(address + view).wait_for_selector("canvas, .map a, .card")
    assert page.locator("main script, main img").count() == 0


def test_stations_are_searched_sorted_and_filtered(publish: Publish, show: Show) -> None:
    page = show(publish(publication(24, names={7: "Żółta Ulica"})))
    people = names(page)
    hours = [int(text.replace(",", "")) for text in page.locator(".col-hour strong").all_inner_texts()]
    assert hours == sorted(hours, reverse=True)
    page.select_option("#sort", "name")
    assert names(page) == sorted(people)
    page.select_option("#sort", "surprise")
    assert names(page)[0] == "Museum Road"
    page.fill("#query", "ZOŁTA".replace("Ł", "ł"))
    assert names(page) == ["Żółta Ulica"]
    page.fill("#query", "no such place")
    assert page.locator(".none").inner_text() == "No station matches."
    page.fill("#query", "")
    page.select_option("#line", "Red")
    assert len(names(page)) == 4
    page.select_option("#line", "")
    page.get_by_role("button", name="very quiet").click()
    assert names(page) == ["Chapel Green"]
    assert page.locator("button[aria-pressed=true]").count() == 1


def test_a_new_issue_is_shown_without_reloading_and_nothing_moves(publish: Publish, show: Show) -> None:
    page = show(publish(publication(60)) + "?refresh=0.2")
    page.evaluate("window.same = true")
    page.fill("#query", "a")
    page.evaluate("scrollTo(0, 300)")
    link = page.locator("tbody a").nth(6)
    link.evaluate("each => { each.focus({ preventScroll: true }); each.mine = true; }")
    hour = page.locator("tbody .col-hour strong").first.inner_text()
    publish(publication(60, seed=6, issued_at=f"{ORIGIN}:50Z"))
    page.wait_for_function("hour => document.querySelector('tbody .col-hour strong').textContent !== hour", arg=hour)
    assert page.evaluate("window.same")
    assert page.input_value("#query") == "a"
    assert page.evaluate("document.activeElement.mine")
    assert page.evaluate("scrollY") == 300


def test_a_newer_page_loads_itself(publish: Publish, show: Show) -> None:
    address = publish(publication(3))
    page = show(address + "?refresh=0.2")
    page.evaluate("window.same = true")
    now = Path(unquote(urlsplit(address).path)).parent / "data" / "now.js"
    now.write_text(re.sub(r'"page":"\w+"', '"page":"another"', now.read_text()))
    page.wait_for_function("() => window.same === undefined")


@pytest.mark.parametrize(
    ("at", "age", "sentence"),
    [
        ("2026-03-10T21:39:00Z", "fresh", None),
        ("2026-03-10T21:41:00Z", "old", "It is of 16:30; a new one was due at 16:35."),
        ("2026-03-10T22:31:00Z", "over", "The hour that was forecast ended at 17:30."),
        ("2026-03-12T22:31:00Z", "over", "The hour that was forecast ended at Mar 10, 2026, 17:30."),
        ("2026-03-10T21:00:00Z", "fresh", "The clock of this device is behind"),
    ],
)
def test_old_data_says_so_itself(publish: Publish, show: Show, at: str, age: str, sentence: str | None) -> None:
    page = show(publish(publication(3)) + "#lang=en", at=at)
    page.wait_for_function("document.documentElement.dataset.age")
    assert page.evaluate("document.documentElement.dataset.age") == age
    said = page.locator(".notice.bad").all_inner_texts()
    assert (said == []) if sentence is None else (sentence in said[0])


def test_trouble_is_said_loudly(publish: Publish, show: Show) -> None:
    verdict = {"name": "ceiling", "rung": "champion", "passed": False, "detail": "station 3 above its ceiling"}
    page = show(
        publish(
            publication(14, degraded_reason="no champion: used weekday_level", verdicts=[verdict], rung="weekday_level")
        )
    )
    said = " ".join(page.locator(".notice").all_inner_texts())
    assert "The forecast is degraded: no champion: used weekday_level." in said
    assert "ceiling: station 3 above its ceiling" in said
    assert "1 station sends no counts: Union Yard." in said
    assert "1 forecast was scaled by a person: King Lane." in said
    assert "no counts since 14:00" in page.locator("tbody tr.silent").inner_text()
    assert page.locator("#notices").get_attribute("role") == "status"


@pytest.mark.parametrize(
    ("reason", "german"),
    [
        (
            "no champion, previous implausible: used linear_level; stale_data: last observation 45 min ago",
            "champion fehlt, previous ist unplausibel, stattdessen antwortet linear_level; "
            "die letzte Zählung ist 45 Minuten alt",
        ),
        (
            "champion implausible at 3 of 14 stations: used linear_level, 1 of 14 stations: cut to their history; "
            "missing_channel: rain, events",
            "champion ist unplausibel an 3 von 14 Stationen, dort antwortet linear_level, 1 von 14 Stationen, "
            "dort auf frühere Zählungen begrenzt; es fehlen Werte von rain, events",
        ),
        ("stale_data: nothing was observed; of a later release", "nichts wurde gezählt; of a later release"),
    ],
)
def test_why_a_forecast_is_degraded_is_said_in_the_language_of_the_page(
    publish: Publish, show: Show, reason: str, german: str
) -> None:
    page = show(publish(publication(3, degraded_reason=reason)) + "#lang=de")
    said = page.locator(".notice.bad").all_inner_texts()
    assert f"Die Prognose ist eingeschränkt: {german}." in " ".join(said).replace("\xa0", " ")


def test_alerts_come_first(publish: Publish, show: Show) -> None:
    limit = {"signal": "limit", "station_id": "9", "target": "entries", "state": "opened", "strength": 0.85}
    limit |= {
        "forecast": 310.0,
        "value": 300.0,
        "threshold": 0.5,
        "opened_at": f"{ORIGIN}:20Z",
        "sentence": "",
        "strong_at": "",
    }
    crowding = limit | {"signal": "crowding", "station_id": "2", "target": "exits", "state": "ongoing", "value": 220.0}
    closed = limit | {"station_id": "1", "state": "closed"}
    address = publish(publication(14, alerts=[limit, crowding, closed]))
    page = show(address + "#sort=surprise")
    assert names(page)[0] == "Garden Court"
    assert "may go above 300" in page.locator("tbody tr").first.inner_text()
    assert page.locator("tbody tr.alert").count() == 1
    assert page.locator(".notice.alarm").all_inner_texts() == [
        "!\nEntries at Garden Court may go above 300: 310 expected, probability 85%.",
        "!\nCrowding, Exits at Harbour Park: 220 people in the last minutes, 310 expected.",
    ]
    assert show(address + "#wall").locator(".card").first.inner_text().startswith("Garden Court")


def test_data_that_cannot_be_had_is_said(publish: Publish, show: Show, faults: list[str]) -> None:
    address = publish(publication(3))
    page = show(address + "?refresh=0.2")
    now = Path(unquote(urlsplit(address).path)).parent / "data" / "now.js"
    now.unlink()
    page.wait_for_selector("text=cannot be reached")
    assert len(names(page)) == 3
    page.close()
    assert {fault.split(": ", 1)[1] for fault in faults} == {"Failed to load resource: net::ERR_FILE_NOT_FOUND"}
    faults.clear()


@pytest.mark.parametrize(
    ("day", "bins", "skipped", "twice"),
    [("2026-03-08", 92, "02:30", None), ("2026-11-01", 100, None, "01:30"), ("2026-03-10", 96, None, None)],
)
def test_days_on_which_clocks_change_have_their_own_hours(
    publish: Publish, show: Show, day: str, bins: int, skipped: str | None, twice: str | None
) -> None:
    origin = np.datetime64(f"{day}T21:30", "m")
    page = show(publish(publication(3, origin=origin)) + "#station=1", at=f"{day}T21:31:00Z", timezone_id="Asia/Tokyo")
    page.wait_for_selector("#today-chart canvas")
    times = page.locator("#today-table tbody th").all_text_contents()
    assert len(times) == bins
    assert (times[0], times[-1]) == ("00:00", "23:45")
    assert skipped not in times
    assert twice is None or times.count(twice) == 2


def test_the_language_is_that_of_the_address_the_settings_or_the_browser(publish: Publish, show: Show) -> None:
    address = publish(publication(3), language="de")
    page = show(address)
    assert page.get_by_role("columnheader", name="Nächste Stunde", exact=True).count() == 1
    assert page.evaluate("document.documentElement.lang") == "de"
    assert show(address + "#lang=en").get_by_role("columnheader", name="Next hour", exact=True).count() == 1
    german = show(publish(publication(3, issued_at=f"{ORIGIN}:30Z")), locale="de-AT")
    assert german.get_by_role("columnheader", name="Nächste Stunde", exact=True).count() == 1
    german.select_option("#lang", "en")
    assert german.get_by_role("columnheader", name="Next hour", exact=True).count() == 1


def test_every_language_has_the_same_texts_and_holes(publish: Publish, show: Show) -> None:
    texts = show(publish(publication(3))).evaluate("nexthour.texts")
    assert texts["en"].keys() == texts["de"].keys()
    for key, text in texts["en"].items():
        other = texts["de"][key]
        if isinstance(text, dict):
            assert text.keys() == other.keys(), key
        else:
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", other)), key


def test_arrow_keys_go_from_point_to_point_of_the_map(publish: Publish, show: Show) -> None:
    page = show(publish(publication(24)) + "#map")
    points = page.locator(".map a")
    assert points.count() == 24
    assert page.locator(".map a[tabindex='0']").count() == 1
    points.first.focus()
    seen = set()
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
        seen.add(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert len(seen) > 1
    assert page.locator(".map a[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_selector("#today-chart canvas")
    page.keyboard.press("Escape")
    page.wait_for_selector(".map a:focus")


def test_a_network_of_which_only_ids_are_known_has_no_map_and_no_holes(publish: Publish, show: Show) -> None:
    address = publish(publication(3, bare=True, minutes_since_seen=None, next_issue_at=None))
    page = show(address)
    assert page.get_by_role("link", name="Map").count() == 0
    for view, ready in VIEWS.items():
        if view != "map":
            page.evaluate("hash => { location.hash = hash; }", view.replace("3", "2"))
            page.wait_for_selector(ready)
            assert not re.search(r"\b(false|null|undefined|NaN)\b|\{\w+\}", page.inner_text("body")), view


def test_why_a_person_scaled_a_forecast_is_on_its_page(publish: Publish, show: Show) -> None:
    page = show(publish(publication(14)) + "#station=5")
    page.wait_for_selector("#today-chart canvas")
    said = page.locator(".why .note").inner_text()
    assert said == "A person scales it ×1.30 until 21:00: concert at the harbour"
    page.evaluate("() => { location.hash = 'station=4'; }")
    page.wait_for_selector("h2:has-text('Market Gate')")
    assert page.locator(".why .note").count() == 0


def test_the_wall_turns_its_pages_and_can_be_paused(publish: Publish, show: Show) -> None:
    page = show(publish(publication(60)) + "#wall&seconds=0.3", size=(1920, 1080))
    first = page.locator(".card-name").first.inner_text()
    page.wait_for_function("name => document.querySelector('.card-name').textContent !== name", arg=first)
    page.keyboard.press("Space")
    assert page.get_by_role("button", name="Go on").count() == 1
    held = page.locator(".card-name").first.inner_text()
    page.wait_for_timeout(500)
    assert page.locator(".card-name").first.inner_text() == held
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    page.keyboard.press("Escape")
    page.wait_for_selector(".list")


def test_series_come_out_of_their_text_as_they_went_in(publish: Publish, show: Show) -> None:
    page = show(publish(publication(3)))
    values = np.array([[0.0, 1.0, np.nan, 1234.5, 77.7, 4000.0]])
    for digits, off in ((1, 4000 / 62 / 2), (2, 4000 / 4094 / 2)):
        (text,) = pack(values, np.array([4000.0]), digits)
        read = page.evaluate("([text, digits]) => nexthour.data.unpack(text, 4000, digits)", [text, digits])
        assert read[2] is None
        np.testing.assert_allclose(np.array(read, dtype=float), values[0], atol=off + 1e-9)


def test_a_web_server_is_asked_for_nothing_but_the_files_of_the_board(
    publish: Publish, served: Callable[[Path], str], show: Show
) -> None:
    page_file = Path(unquote(urlsplit(publish(publication(14))).path))
    page = show(served(page_file.parent) + "/index.html?refresh=0.2#station=3", runs=True)
    page.wait_for_selector("#today-chart canvas")
    hour = page.locator(".big strong").inner_text()
    page.locator("details summary").first.click()
    publish(publication(14, seed=9, issued_at=f"{ORIGIN}:40Z"))
    page.wait_for_function("hour => document.querySelector('.big strong').textContent !== hour", arg=hour)
    page.wait_for_selector("#today-chart canvas")
    assert page.locator("details").first.get_attribute("open") == ""


def test_a_great_network_is_shown_in_part_and_searched_whole(publish: Publish, show: Show) -> None:
    page = show(publish(publication(520)))
    assert page.locator("tbody tr").count() == 500
    assert "The first 500 are shown." in page.locator(".none").inner_text()
    page.fill("#query", "519")
    assert page.locator("tbody tr").count() == 1
