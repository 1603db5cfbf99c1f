"""Tables of error figures: which are shown, under which heading, with how many digits."""

from __future__ import annotations

from collections.abc import Mapping

from flows.reports.document import MarkdownOnly, Table

HEADINGS = {
    "rmse_hour": "RMSE/h",
    "mae_hour": "MAE/h",
    "wape": "WAPE",
    "bias": "bias",
    "peak_wape": "peak WAPE",
    "poisson_deviance": "deviance/min",
    "crps": "CRPS/min",
    "coverage_50": "in 50 %",
    "coverage_80": "in 80 %",
    "coverage_90": "in 90 %",
    "peak_precision": "peaks right",
    "peak_recall": "peaks found",
    "skill": "skill",
    "headroom_taken": "headroom",
}
SHARES = ("wape", "bias", "peak_wape", "coverage_50", "coverage_80", "coverage_90", "peak_precision", "peak_recall",
          "skill", "headroom_taken")  # fmt: skip
PER_MINUTE = ("poisson_deviance", "crps")
MOST_COLUMNS = 6
"""Of names in a table."""
MEANINGS = (
    (("rmse_hour", "mae_hour"), "RMSE/h, MAE/h: error of a station's hour, in people."),
    (("wape", "bias"), "WAPE, bias: shares of the people counted."),
    (("peak_wape",), "peak WAPE: the same share with every hour weighted by the people it counted."),
    (("poisson_deviance",), "deviance/min: Poisson deviance per minute."),
    (("crps",), "CRPS/min: score of the whole distribution, in people per minute."),
    (("coverage_50", "coverage_80", "coverage_90"), "in 50, 80, 90 %: share of minutes inside that interval."),
    (
        ("peak_precision", "peak_recall"),
        "peaks: hours above 90 % of the station's hours of the four weeks before; share of those forecast that came, "
        "and share of those that came that were forecast.",
    ),
    (("skill",), "skill: share by which the absolute error of the hour is below that of repeating last week."),
    (
        ("headroom_taken",),
        "headroom: share of the squared error between the best baseline and pure chance (Poisson) that is saved.",
    ),
)


def legend(*tables: Mapping[str, Mapping[str, float]]) -> MarkdownOnly:
    """What the headings of these tables mean; see `figures_table`."""
    present = {figure for figures in tables for of in figures.values() for figure in of}
    return MarkdownOnly(" ".join(text for names, text in MEANINGS if present & set(names)))


def figures_table(names: str, figures: Mapping[str, Mapping[str, float]], title: str = "") -> Table:
    """A table of error figures, without those that no name has.

    The few names are columns, so that the table fits a page and a terminal; more than `MOST_COLUMNS` are rows.

    Args:
        names: what the names are.
        figures: name -> figure -> value, as `tasks.metrics.figures` returns them.
        title: above the table.
    """
    shown = [name for name in HEADINGS if any(name in of for of in figures.values())]
    rows = [[label, *(_format(name, of.get(name)) for name in shown)] for label, of in figures.items()]
    columns = [names, *(HEADINGS[name] for name in shown)]
    if len(rows) > MOST_COLUMNS:
        return Table(columns, rows, title=title)
    head, *turned = zip(columns, *rows, strict=True)
    return Table(head, turned, title=title)


def _format(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name in SHARES:
        return f"{value:.1%}"
    return f"{value:,.3f}" if name in PER_MINUTE else f"{value:,.2f}"
