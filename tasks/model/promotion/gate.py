"""The promotion gate: whether a challenger may publish. Pure: figures in, decision out.

Losses are paired by service day. A day counts by its relative difference, so that a quiet Sunday weighs as much as a
busy Friday; a one-sided paired t-test over the days gives the confidence that the challenger is better. It is
calibrated at few days, where bootstraps over days promote too much: benchmarks/gate.py. Of one or two days the quarters
are compared in the same way, and a first champion must then be better outright.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tasks.model.promotion.decision import TOTAL, Decision, RivalRow, TierRow
from tasks.settings.tree import GateSettings
from tasks.tiers import TIERS, station_tiers

Losses = npt.NDArray[np.float64]


def decide(
    challenger: Losses,
    champion: Losses | None,
    baselines: Mapping[str, Losses],
    volume: Losses,
    settings: GateSettings,
    *,
    champion_name: str = "champion",
    total: bool = False,
    parts: int = 1,
) -> Decision:
    """Judge a challenger on held-out days.

    Args:
        challenger: float64 [day, station], loss on days that it never saw; NaN where there was no truth. Or
            [part of a day, station].
        champion: the same of the present champion on the same days; None while there is none.
        baselines: the same of every baseline, by name.
        volume: float64 [station], people per day, by which the tiers are cut.
        settings: confidence, margin, minimum of days.
        champion_name: what to call the champion.
        total: the last station is the sum of the others: a tier of its own, and no part of anything else.
        parts: rows of the losses per day.

    Returns:
        With a champion, promoted if better than it and every baseline with `confidence` and no tier is worse by more
        than `margin`, with `confidence`. Without one, promoted unless worse than a baseline, or in a tier, likewise;
        by parts of days only if it is better than every baseline outright.

    Raises:
        ValueError: if there is nothing to compare with.
    """
    rivals = {**({champion_name: champion} if champion is not None else {}), **baselines}
    if not rivals:
        raise ValueError("the gate needs a champion or a baseline to compare with")
    seen = np.logical_and.reduce([np.isfinite(loss) for loss in rivals.values()])
    among = slice(0, challenger.shape[1] - total)
    rows = np.flatnonzero(seen[:, among].any(axis=1))
    days = -(-len(rows) // parts)
    if not days:
        return Decision(False, "No held-out day could be compared: there is no truth for any.", 0, (), ())
    if not np.isfinite(challenger[seen]).all():
        return Decision(False, "The challenger's forecasts are not finite everywhere.", days, (), ())
    ours = np.where(seen, challenger, np.nan)[rows]
    theirs = {name: np.where(seen, loss, np.nan)[rows] for name, loss in rivals.items()}
    sure = settings.confidence
    table = tuple(
        _row(name, "baseline" if champion is None or i else "champion", ours[:, among], loss[:, among], sure)
        for i, (name, loss) in enumerate(theirs.items())
    )
    reference = table[0] if champion is not None else min(table, key=lambda row: row.loss)
    tiers = _tiers(reference.rival, ours, theirs[reference.rival], volume, settings, among)
    promoted, reason = _verdict(table, tiers, reference, days, settings, outright=parts > 1)
    return Decision(promoted, reason, days, table, tiers)


def better_confidence(challenger: Losses, rival: Losses) -> float:
    """One-sided paired t-test over days: probability that the challenger's loss is the lower one.

    The difference of a day is relative: (rival - challenger) / mean of both, 0 where both are 0 (Student 1908).

    Args:
        challenger: float64 [day], losses >= 0.
        rival: float64 [day], the same days.
    """
    middle = (challenger + rival) / 2
    gain = np.divide(rival - challenger, middle, out=np.zeros_like(middle), where=middle > 0)
    if len(gain) < 2 or not gain.any():
        return 0.5
    mean, spread = float(gain.mean()), float(gain.std(ddof=1))
    if spread <= 1e-12 * abs(mean):
        return 1.0 if mean > 0 else 0.0
    from scipy.stats import t

    return float(t.cdf(mean / (spread / math.sqrt(len(gain))), len(gain) - 1))


def _row(name: str, role: str, challenger: Losses, loss: Losses, confidence: float) -> RivalRow:
    ours, theirs = np.nanmean(challenger, axis=1), np.nanmean(loss, axis=1)
    sure = better_confidence(ours, theirs)
    mean, other = float(ours.mean()), float(theirs.mean())
    verdict = "not told apart"
    if sure >= confidence and mean < other:
        verdict = "better"
    elif sure <= 1 - confidence:
        verdict = "worse"
    return RivalRow(name, role, mean, other, _percent(mean, other), sure, verdict)


def _tiers(
    rival: str, challenger: Losses, loss: Losses, volume: Losses, settings: GateSettings, among: slice
) -> tuple[TierRow, ...]:
    """A tier is hurt where it is worse by more than the margin and its days bear that out: one burst is no proof."""
    rows, groups = [], [*zip(TIERS, station_tiers(volume[among]), strict=False)]
    if among.stop < len(volume):
        groups.append((TOTAL, np.array([among.stop])))
    for name, group in groups:
        if np.isnan(loss[:, group]).all():
            continue
        days = np.isfinite(loss[:, group]).any(axis=1)
        mine, other = np.nanmean(challenger[days][:, group], axis=1), np.nanmean(loss[days][:, group], axis=1)
        ours, theirs = float(np.nanmean(challenger[:, group])), float(np.nanmean(loss[:, group]))
        verdict = "within margin"
        if ours > theirs * (1 + settings.margin):
            verdict = "worse" if better_confidence(mine, other) <= 1 - settings.confidence else "not told apart"
        rows.append(TierRow(name, len(group), rival, ours, theirs, _percent(ours, theirs), verdict))
    return tuple(rows)


def _verdict(
    table: Sequence[RivalRow],
    tiers: Sequence[TierRow],
    reference: RivalRow,
    days: int,
    settings: GateSettings,
    *,
    outright: bool,
) -> tuple[bool, str]:
    """Whether to promote, and why."""
    if days < settings.minimum_days:
        return False, f"Only {days} held-out days could be compared; the gate asks for {settings.minimum_days}."
    first = reference.role == "baseline"
    failed = [r for r in table if (r.verdict == "worse" if first else r.verdict != "better")]
    if failed:
        row = min(failed, key=lambda r: r.confidence)
        asked = f"below {1 - settings.confidence:.2f}" if first else f"{settings.confidence:.2f} asked for"
        sure = f"confidence {row.confidence:.2f} of being better over {_days(days)}, {asked}"
        return False, f"The challenger is {_comparison(row)} ({sure})."
    if first and outright and not reference.challenger < reference.loss:
        return False, f"The challenger is {_comparison(reference)} over {_days(days)}, too few to give it the doubt."
    hurt = [t for t in tiers if t.verdict == "worse"]
    if hurt:
        return False, (
            f"The {_tier_name(hurt[0])} would get {hurt[0].difference:.1f} % worse than with {hurt[0].rival}; "
            f"the margin is {100 * settings.margin:.1f} %."
        )
    if first:
        best = f"{_comparison(reference)}, the best baseline, over {_days(days)}"
        return True, f"There was no champion to compare with; the challenger is {best}."
    return True, (
        f"The challenger is {_comparison(reference)} with confidence {reference.confidence:.2f} over {_days(days)}, "
        "and better than every baseline."
    )


def _days(number: int) -> str:
    return f"{number} day{'s' * (number != 1)}"


def _tier_name(tier: TierRow) -> str:
    return tier.tier if tier.tier == TOTAL else f"{tier.tier} of the stations"


def _comparison(row: RivalRow) -> str:
    if row.difference == 0 or math.isnan(row.difference):
        return f"level with {row.rival}"
    return f"{abs(row.difference):.1f} % {'better' if row.difference < 0 else 'worse'} than {row.rival}"


def _percent(ours: float, theirs: float) -> float:
    return 100 * (ours / theirs - 1) if theirs else 0.0 if ours == 0 else math.inf
