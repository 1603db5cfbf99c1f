"""Differences between challenger and champion, and between nights: config, code, data, stations, figures. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.tracking.nights import Night

SHOWN = 20
"""Changes that are spelt out."""
MISSING = "not set"
EVERY_NIGHT = ("as_of", "split.", "data_fingerprint", "fit.")
"""Parameters that differ every night, by how they begin."""
NIGHTLY = (
    ("holdout/challenger.rmse_hour", "RMSE of the hour", "{:.1f}"),
    ("holdout/challenger.coverage_80", "within 80 %", "{:.1%}"),
    ("gate/champion.difference_percent", "loss against the champion", "{:+.1f} %"),
    ("gate/linear_level.difference_percent", "loss against linear_level", "{:+.1f} %"),
    ("gate/weekday_level.difference_percent", "loss against weekday_level", "{:+.1f} %"),
)
"""Metric, what it is called, and how it is written."""

Change = tuple[str, str, str]
"""What, how it was, how it is."""


def find_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Differences of two bundles' `meta`, see `register.bundle_meta`; what either does not say is left out."""
    found = [
        (what, str(before[key]), str(now[key]))
        for key, what in (("model", "architecture"), ("seed", "seed"), ("commit", "code"), ("fine_tuned", "fine-tuned"))
        if key in before and key in now and before[key] != now[key]
    ]
    found += [(what, was, is_) for what, was, is_ in _spans(before, now) if was != is_]
    found += _stations(before, now)
    if "config" in before and "config" in now:
        old, new = before["config"], now["config"]
        keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        found += [(f"`{key}`", str(old.get(key, MISSING)), str(new.get(key, MISSING))) for key in keys]
    return found


def changes_markdown(before: Mapping[str, Any], now: Mapping[str, Any], version: str) -> str:
    """The changes as a table under a heading; a sentence where there are none."""
    found = find_changes(before, now)
    head = f"**What changed since version {version}**\n\n"
    if not found:
        return f"{head}Nothing but the data's fingerprint.\n"
    rows = [f"| {what} | {was} | {is_} |" for what, was, is_ in found[:SHOWN]]
    more = f"\nand {len(found) - SHOWN} more\n" if len(found) > SHOWN else ""
    return head + "\n".join(["| | champion | challenger |", "|---|---|---|", *rows]) + "\n" + more


def last_night_markdown(before: Night, now: Night) -> str:
    """What changed since the night before, of the settings and of the figures, each on its own held-out days."""
    name = f"[{before.name}]({before.url})" if before.url else before.name
    figures = [
        f"{what} {form.format(before.metrics[key])} → {form.format(now.metrics[key])}"
        for key, what, form in NIGHTLY
        if key in before.metrics and key in now.metrics
    ]
    keys = sorted({*before.params, *now.params})
    settings = [
        f"`{key}` {before.params.get(key, MISSING)} → {now.params.get(key, MISSING)}"
        for key in keys
        if before.params.get(key) != now.params.get(key) and not key.startswith(EVERY_NIGHT)
    ]
    more = f" and {len(settings) - SHOWN} more" if len(settings) > SHOWN else ""
    changed = "; ".join(settings[:SHOWN]) + more if settings else "no setting"
    return f"**Since the night before**, {name}: {'; '.join(figures)}. Changed: {changed}.\n"


def _spans(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for key, what in (("as_of", "knowledge up to"), ("trained_on", "trained on"), ("holdout_days", "held-out days")):
        if before.get(key) and now.get(key):
            yield what, _span(before[key]), _span(now[key])


def _span(value: Any) -> str:
    return " to ".join(str(moment)[:10] for moment in value) if isinstance(value, list) else str(value)


def _stations(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """How many stations came and went."""
    old, new = set(before.get("stations", ())), set(now.get("stations", ()))
    if not old or old == new:
        return []
    return [("stations", str(len(old)), f"{len(new)} ({len(new - old)} new, {len(old - new)} gone)")]
