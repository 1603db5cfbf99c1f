"""What a run says first: where the challenger is better and worse, on which data, what changed since the champion."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from support import tiny_city

from tasks.model.promotion.decision import Decision
from tasks.model.review.description import describe_training, join, shorten
from tasks.model.review.register import bundle_meta, comparison_meta
from tasks.model.training.train import Trained, train

DECISION = Decision(True, "It was better.", 4, (), ())


def say(made: Trained, decision: Decision, meta: dict[str, Any]) -> str:
    return join(describe_training(made, decision, meta))


@cache
def trained() -> Trained:
    """A baseline as challenger, trained once."""
    return train(tiny_city.features(), tiny_city.settings(), tiny_city.AS_OF, "weekday_level")


def test_stations_that_gain_and_lose_are_named_with_their_errors() -> None:
    made = trained()
    theirs = made.scores["weekday_mean"].by_station
    share = {"central": 0.5, "harbour": 0.99, "museum": 1.5}
    lost = {name: {**row, "mae_hour": share[name] * row["mae_hour"]} for name, row in theirs.items()}
    scores = {
        "weekday_mean": made.scores["weekday_mean"],
        "challenger": replace(made.scores["challenger"], by_station=lost),
    }
    said = say(replace(made, scores=scores), DECISION, {"data": "abc"})
    assert "2 of 3 stations are better" in said
    worse = f"| worse | museum | {lost['museum']['mae_hour']:.2f} | {theirs['museum']['mae_hour']:.2f} |"
    assert worse in said
    assert said.count("| better |") == 2
    assert said.index("| better | central") < said.index("| worse |")


def test_a_description_that_mlflow_would_cut_ends_with_a_whole_section() -> None:
    made = trained()
    sections = [*describe_training(made, DECISION, {"data": "abc"}), "word " * 1000, "last"]
    said = shorten(sections)
    assert len(said) <= 5000
    assert "word" not in said
    assert said.endswith("More: `night.html` among the artifacts of the run.\n")
    assert shorten(["short"]) == "short\n"


def test_days_and_hours_are_said_on_which_the_challenger_is_better() -> None:
    said = say(trained(), DECISION, {"data": "abc"})
    assert re.search(r"\*\*When\*\*, against \w+: better on \d of 4 held-out days; RMSE by the hour of the day", said)


def test_models_that_are_level_everywhere_have_no_where_to_tell() -> None:
    made = trained()
    same = dict.fromkeys(("challenger", "weekday_level"), made.scores["weekday_level"])
    assert "Where" not in say(replace(made, scores=same), DECISION, {"data": "abc"})


def test_the_data_and_what_changed_since_the_champion_are_said() -> None:
    made, settings = trained(), tiny_city.settings()
    meta = bundle_meta(made) | comparison_meta(settings, made)
    seen = np.isfinite(made.features.grid.values).mean()
    said = say(made, DECISION, meta)
    assert f"`{meta['data']}`: 3 stations, {seen:.1%} of the minutes observed" in said
    assert "held out 2024-02-07 to 2024-02-11" in said
    assert "What changed" not in said
    retrain = settings.retrain.model_copy(update={"train_days": 20})
    before = comparison_meta(settings.model_copy(update={"retrain": retrain}), made) | {"version": "12", "seed": 6}
    said = say(replace(made, champion=before), DECISION, meta)
    assert "What changed since version 12" in said
    assert "| `retrain.train_days` | 20 | 21 |" in said
    assert "| seed | 6 | 7 |" in said
