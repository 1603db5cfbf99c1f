"""What changed since the champion: said where both bundles say it, and nothing else."""

from __future__ import annotations

from typing import Any

from tasks.model.review.changes import SHOWN, changes_markdown, find_changes, last_night_markdown
from tasks.tracking.nights import Night

THEN: dict[str, Any] = {
    "model": "next_hour_lstm",
    "as_of": "2024-03-01T09:00:00Z",
    "seed": 7,
    "trained_on": ["2024-01-01T00:00Z", "2024-02-14T00:00Z"],
    "stations": ["a", "b", "c"],
    "commit": "0e8e771",
    "config": {"retrain.train_days": "70", "models.next_hour_lstm.units": "64", "gate.margin": "0.03"},
}


def test_config_code_data_and_stations_are_held_side_by_side() -> None:
    now = {
        **THEN,
        "as_of": "2024-03-02T09:00:00Z",
        "stations": ["a", "c", "d", "e"],
        "commit": "91fd781",
        "config": {"retrain.train_days": "90", "gate.margin": "0.03", "models.next_hour_lstm.batch": "128"},
    }
    assert find_changes(THEN, now) == [
        ("code", "0e8e771", "91fd781"),
        ("knowledge up to", "2024-03-01T09:00:00Z", "2024-03-02T09:00:00Z"),
        ("stations", "3", "4 (2 new, 1 gone)"),
        ("`models.next_hour_lstm.batch`", "not set", "128"),
        ("`models.next_hour_lstm.units`", "64", "not set"),
        ("`retrain.train_days`", "70", "90"),
    ]
    text = changes_markdown(THEN, now, "3")
    assert text.startswith("**What changed since version 3**")
    assert "| `retrain.train_days` | 70 | 90 |" in text


def test_what_an_older_bundle_does_not_say_is_left_out() -> None:
    assert find_changes({"model": "weekday_level"}, THEN) == [("architecture", "weekday_level", "next_hour_lstm")]
    assert find_changes(THEN, {**THEN}) == []
    assert "Nothing but" in changes_markdown(THEN, THEN, "3")


def test_of_many_changes_the_first_are_spelt_out() -> None:
    now = {**THEN, "config": {f"key{i:02d}": "1" for i in range(40)}}
    text = changes_markdown(THEN, now, "3")
    assert text.count("\n| ") == SHOWN + 1
    assert f"and {43 - SHOWN} more" in text


def test_settings_and_figures_are_held_against_those_of_the_night_before() -> None:
    gain, rmse = "gate/linear_level.difference_percent", "holdout/challenger.rmse_hour"
    params = {"retrain.seed": "7", "as_of": "2024-03-01", "split.train": "then", "gate.margin": "0.03"}
    before = Night("1 March", "http://127.0.0.1/1", params, {rmse: 12.34, gain: -1.0})
    now = Night("2 March", None, {**params, "as_of": "2024-03-02", "retrain.seed": "8"}, {rmse: 11.0, gain: 2.5})
    assert last_night_markdown(before, now) == (
        "**Since the night before**, [1 March](http://127.0.0.1/1): RMSE of the hour 12.3 → 11.0; "
        "loss against linear_level -1.0 % → +2.5 %. Changed: `retrain.seed` 7 → 8.\n"
    )
    assert "Changed: no setting." in last_night_markdown(before, Night("2 March", None, params, {rmse: 11.0}))
