"""The gate promotes what is better, keeps what is not, and says why."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.model.promotion.decision import Decision
from tasks.model.promotion.gate import better_confidence, decide
from tasks.settings.tree import GateSettings
from tasks.tiers import station_tiers

DAYS, STATIONS = 7, 9
VOLUME = np.arange(STATIONS, 0, -1).astype(np.float64) * 100
GATE = GateSettings(confidence=0.8, margin=0.03, minimum_days=3)


def losses(factor: float = 1.0, seed: int = 0, noise: float = 0.01, days: int = DAYS) -> np.ndarray:
    """Daily losses by station around `factor`; weekends differ from weekdays by far more than models do."""
    rng = np.random.default_rng(seed)
    day = np.where(np.arange(days) % 7 < 5, 1.0, 0.3)[:, None]
    own = np.exp(noise * rng.normal(size=(days, STATIONS)))
    return np.asarray(factor * day * own * (VOLUME / VOLUME.mean()))


def judged(challenger: np.ndarray, champion: np.ndarray | None, baseline: np.ndarray) -> Decision:
    return decide(challenger, champion, {"weekday_level": baseline}, VOLUME, GATE, champion_name="version 4")


def test_a_challenger_better_on_every_day_is_promoted() -> None:
    decision = judged(losses(0.9, 1), losses(1.0, 2), losses(1.1, 3))
    assert decision.promoted
    assert "better than version 4" in decision.reason
    assert [row.verdict for row in decision.table] == ["better", "better"]


def test_a_challenger_that_cannot_be_told_from_the_champion_is_not_promoted() -> None:
    champion = losses(1.0, 2)
    decision = judged(champion.copy(), champion, losses(1.5, 3))
    assert not decision.promoted
    assert "0.80 asked for" in decision.reason
    assert [row.verdict for row in decision.table] == ["not told apart", "better"]


def test_a_challenger_that_beats_the_champion_but_not_a_baseline_is_not_promoted() -> None:
    decision = judged(losses(0.9, 1), losses(1.0, 2), losses(0.8, 3))
    assert not decision.promoted
    assert "weekday_level" in decision.reason


def test_a_station_tier_that_gets_worse_beyond_the_margin_stops_a_promotion() -> None:
    challenger = losses(0.9, 1)
    challenger[:, -3:] = losses(1.1, 2)[:, -3:]
    decision = judged(challenger, losses(1.0, 2), losses(1.2, 3))
    assert not decision.promoted
    assert "quietest third" in decision.reason
    assert [tier.verdict for tier in decision.tiers] == ["within margin", "within margin", "worse"]


def test_too_few_days_promote_nothing() -> None:
    decision = judged(losses(0.5, 1, days=2), losses(1.0, 2, days=2), losses(1.0, 3, days=2))
    assert not decision.promoted
    assert "Only 2 held-out days" in decision.reason


def quarters(challenger: np.ndarray, champion: np.ndarray | None, baseline: np.ndarray) -> Decision:
    """Rows are quarters of days."""
    settings = GATE.model_copy(update={"minimum_days": 1})
    return decide(
        challenger, champion, {"weekday_level": baseline}, VOLUME, settings, champion_name="version 4", parts=4
    )


def test_quarters_of_one_day_make_a_first_champion_that_is_better_outright() -> None:
    baseline = losses(1.0, 2, days=4)
    decision = quarters(0.99 * baseline, None, baseline)
    assert decision.promoted
    assert decision.days == 1
    assert decision.reason.endswith("the best baseline, over 1 day.")
    level = quarters(baseline.copy(), None, baseline)
    assert not level.promoted
    assert "level with weekday_level over 1 day" in level.reason


def test_a_present_champion_yields_to_one_day_only_where_its_quarters_agree() -> None:
    champion = losses(1.0, 2, days=4)
    agree, differ = 0.95 * champion, champion * np.array([0.5, 1.2, 1.2, 1.0])[:, None]
    assert quarters(agree, champion, 2 * champion).promoted
    assert not quarters(differ, champion, 2 * champion).promoted


def test_days_without_truth_count_for_nothing() -> None:
    gap = [losses(0.5, 1), losses(1.0, 2), losses(1.0, 3)]
    for table in gap:
        table[:5] = np.nan
    assert judged(*gap).days == 2
    assert not judged(*gap).promoted


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_challenger_that_is_not_finite_is_never_promoted(bad: float) -> None:
    challenger = losses(0.5, 1)
    challenger[3, 4] = bad
    assert not judged(challenger, losses(1.0, 2), losses(1.0, 3)).promoted


def test_no_truth_at_all_promotes_nothing() -> None:
    nothing = np.full((DAYS, STATIONS), np.nan)
    assert not judged(nothing, nothing, nothing).promoted


def test_the_first_champion_may_tie_with_the_best_baseline() -> None:
    baseline = losses(1.0, 2)
    decision = judged(baseline.copy(), None, baseline)
    assert decision.promoted
    assert "level with weekday_level, the best baseline" in decision.reason


def test_a_first_champion_worse_than_a_baseline_leaves_the_baseline_publishing() -> None:
    decision = judged(losses(1.1, 1), None, losses(1.0, 2))
    assert not decision.promoted
    assert "worse than weekday_level" in decision.reason


def test_a_gate_without_rivals_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="champion or a baseline"):
        decide(losses(), None, {}, VOLUME, GATE)


@given(seed=st.integers(0, 10_000), worse=st.floats(1.02, 3.0), noise=st.floats(0.0, 0.02), first=st.booleans())
def test_a_clearly_worse_challenger_is_never_promoted(seed: int, worse: float, noise: float, first: bool) -> None:
    champion = losses(1.0, seed, noise)
    rng = np.random.default_rng(seed + 1)
    challenger = champion * worse * np.exp(noise / 10 * rng.normal(size=champion.shape))
    assert not judged(challenger, None if first else champion, champion if first else 2 * champion).promoted


def test_noise_alone_is_promoted_no_more_often_than_confidence_allows() -> None:
    beaten = losses(3.0, 0, 0.0)
    trials = [judged(losses(1.0, a, 0.2), losses(1.0, a + 1, 0.2), beaten).promoted for a in range(0, 800, 2)]
    assert sum(trials) / len(trials) <= 1 - GATE.confidence + 0.04


@given(seed=st.integers(0, 10_000), scale=st.floats(0.001, 1000))
def test_the_unit_of_the_loss_does_not_matter(seed: int, scale: float) -> None:
    mine, champion, baseline = losses(0.98, seed, 0.05), losses(1.0, seed + 1, 0.05), losses(1.05, seed + 2, 0.05)
    assert (
        judged(mine, champion, baseline).promoted == judged(scale * mine, scale * champion, scale * baseline).promoted
    )


@given(seed=st.integers(0, 10_000), days=st.integers(2, 30))
def test_confidence_is_the_paired_t_test_of_relative_differences(seed: int, days: int) -> None:
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(seed)
    mine, theirs = rng.uniform(0.5, 1.5, days), rng.uniform(0.5, 1.5, days)
    gain = [2 * (b - a) / (a + b) for a, b in zip(mine, theirs, strict=True)]
    assert better_confidence(mine, theirs) == pytest.approx(1 - ttest_1samp(gain, 0, alternative="greater").pvalue)


def test_confidence_of_equal_losses_is_a_half_and_of_a_steady_gain_one() -> None:
    steady = np.linspace(1, 2, 5)
    assert better_confidence(steady, steady) == 0.5
    assert better_confidence(0.9 * steady, steady) == 1.0
    assert better_confidence(1.1 * steady, steady) == 0.0
    assert better_confidence(np.zeros(4), np.zeros(4)) == 0.5


@given(st.integers(1, 40))
def test_tiers_hold_every_station_once_busiest_first(stations: int) -> None:
    volume = np.random.default_rng(stations).permutation(stations).astype(float)
    tiers = station_tiers(volume)
    assert sorted(np.concatenate(tiers)) == list(range(stations))
    means = [volume[tier].mean() for tier in tiers]
    assert means == sorted(means, reverse=True)


def test_a_decision_can_be_read_as_markdown_and_stored_as_json() -> None:
    decision = judged(losses(0.9, 1), losses(1.0, 2), losses(1.1, 3))
    text = decision.to_markdown()
    assert text.startswith("Promoted. The challenger")
    assert "| version 4 | champion |" in text
    assert "| weekday_level | baseline |" in text
    assert "| busiest third | 3 |" in text
    assert json.loads(json.dumps(decision.to_dict()))["promoted"] is True
