"""Where and when the challenger is better and worse than its best rival, as markdown."""

from __future__ import annotations

import numpy as np

from tasks.escapes import escape_markdown
from tasks.model.training.judge import CHALLENGER, CHAMPION
from tasks.model.training.train import Trained
from tasks.stations.table import StationTable

WORST = 3
"""Stations that are named where the challenger gains, and where it loses."""


def find_rival(trained: Trained) -> str | None:
    """The champion, else the best baseline; None without a challenger or a rival."""
    rivals = {name: s for name, s in trained.scores.items() if name != CHALLENGER and s.by_station}
    if not rivals or CHALLENGER not in trained.scores:
        return None
    return CHAMPION if CHAMPION in rivals else min(rivals, key=lambda n: rivals[n].overall["mae_hour"])


def where_markdown(trained: Trained, table: StationTable) -> str:
    """Stations where the challenger gained and lost most people's worth of error against the rival; may be empty."""
    name = find_rival(trained)
    ours = trained.scores[CHALLENGER].by_station if CHALLENGER in trained.scores else {}
    if name is None or len(ours) < 2:
        return ""
    rivals = trained.scores
    saved = {s: rivals[name].by_station[s]["mae_hour"] - row["mae_hour"] for s, row in ours.items()}
    order = sorted((s for s in saved if np.isfinite(saved[s])), key=lambda s: saved[s])
    worse = [s for s in order[:WORST] if saved[s] < 0]
    if not any(saved.values()):
        return ""
    lines = [
        f"**Where**, against {name}: {sum(saved[s] > 0 for s in order)} of {len(order)} stations are better. People an "
        "hour, MAE:",
        "",
        "| | station | challenger | " + name + " |",
        "|---|---|---:|---:|",
    ]
    for what, stations in (("better", reversed(order[-WORST:])), ("worse", worse)):
        shown = [s for s in stations if (saved[s] > 0) == (what == "better")]
        theirs = rivals[name].by_station
        lines += [
            f"| {what} | {escape_markdown(table.label(s))} | {ours[s]['mae_hour']:.2f} | {theirs[s]['mae_hour']:.2f} |"
            for s in shown
        ]
    return "\n".join(lines)


def when_markdown(trained: Trained) -> str:
    """On how many held-out days the challenger is better, and its best and worst hours of the day; may be empty."""
    rival = find_rival(trained)
    if rival is None:
        return ""
    ours, theirs, parts = trained.scores[CHALLENGER], trained.scores[rival], trained.features.grid.parts
    both = np.isfinite(ours.daily[:, parts]) & np.isfinite(theirs.daily[:, parts])
    own, other = (np.where(both, scores.daily[:, parts], 0).sum(axis=1) for scores in (ours, theirs))
    days = f"better on {int((own < other).sum())} of {int(both.any(axis=1).sum())} held-out days"
    change = {
        hour: mine["rmse_hour"] / his["rmse_hour"] - 1
        for hour, (mine, his) in enumerate(zip(ours.by_hour, theirs.by_hour, strict=True))
        if his["rmse_hour"] > 0
    }
    if not any(change.values()):
        return ""
    best, worst = min(change, key=lambda h: change[h]), max(change, key=lambda h: change[h])
    return (
        f"**When**, against {rival}: {days}; RMSE by the hour of the day from {change[best]:+.0%} ({best:02d}:00) to "
        f"{change[worst]:+.0%} ({worst:02d}:00)."
    )
