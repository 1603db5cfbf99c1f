"""How the pictures look: palette, headings, labels at the end of lines, clocks. Everyone can tell the colours apart.

The palette is that of M. Okabe and K. Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Times = npt.NDArray[np.datetime64]

INK, QUIET, FAINT = "#1a1a1a", "#6b6b6b", "#e4e4e4"
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
LONGEST_NAME = 32
PART_COLOURS = {"training": GREEN, "validation": ORANGE, "hold-out": BLUE}
ROLE_STYLES = {"challenger": (BLUE, 2.4, "-"), "champion": (RED, 2.0, "-")}
BASELINE_STYLES = ((PURPLE, 1.5, "--"), (QUIET, 1.5, "-."), (SKY, 1.5, ":"), (ORANGE, 1.5, "--"), (GREEN, 1.5, "-."))


def new_figure(
    title: str,
    subtitle: str,
    *,
    panels: int = 1,
    size: tuple[float, float] = (9, 4.6),
    ends: float = 0.82,
    legend: bool = False,
) -> tuple[Figure, list[Axes]]:
    """An empty figure with its heading; room at the right for labels where there is one panel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, facecolor="white")
    grid = figure.subplots(1, panels, sharey=True, squeeze=False)
    right = ends if panels == 1 else 0.985
    top = 1 - (0.8 + 0.3 * legend + 0.15 * (panels > 1)) / size[1]
    figure.subplots_adjust(left=0.75 / size[0], right=right, top=top, bottom=0.6 / size[1], wspace=0.06)
    left = 0.12 / size[0]
    # A name in them may hold dollar signs, which are not mathematics.
    figure.text(left, 1 - 0.13 / size[1], title, fontsize=14, fontweight="bold", color=INK, va="top", parse_math=False)
    figure.text(left, 1 - 0.42 / size[1], subtitle, fontsize=9.5, color=QUIET, va="top", parse_math=False)
    for axes in grid[0]:
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(QUIET)
        axes.tick_params(colors=QUIET, labelsize=9, length=0)
        axes.xaxis.label.set_color(QUIET)
        axes.yaxis.label.set_color(QUIET)
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.set_axisbelow(True)
    return figure, list(grid[0])


def station_title(name: str | None, station_id: str) -> str:
    """A station in a title: its name, cut to `LONGEST_NAME` characters, and its id; the id where the font lacks one."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties(weight="bold"))).get_charmap()
    if name is None or name == station_id or not all(ord(character) in known for character in name):
        return station_id
    return f"{name if len(name) <= LONGEST_NAME else f'{name[: LONGEST_NAME - 1]}…'} ({station_id})"


def model_styles(names: Iterable[str]) -> dict[str, tuple[str, float, str]]:
    """Colour, width and dash of every model: the roles have theirs, baselines take the others in order."""
    others = cycle(BASELINE_STYLES)
    return {name: ROLE_STYLES.get(name) or next(others) for name in names}


def darker(colour: str) -> str:
    """The colour as text: dark enough to read on white."""
    from matplotlib.colors import to_hex, to_rgb

    return str(to_hex([0.78 * part for part in to_rgb(colour)]))


def label_ends(axes: Axes, lines: Sequence[tuple[str, float, str]], gap: float = 0.065) -> None:
    """Names at the right end of the lines, pushed apart where they would overlap, within the height of the axes."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    wanted = sorted(((y - low) / (high - low), name, colour) for name, y, colour in lines if np.isfinite(y))
    heights = [place for place, _, _ in wanted]
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + gap)
    for i in reversed(range(len(heights))):
        heights[i] = min(heights[i], 1 - gap * (len(heights) - 1 - i))
    for height, (_, name, colour) in zip(heights, wanted, strict=True):
        axes.text(1.015, height, name, transform=axes.transAxes, color=darker(colour), fontsize=9.5, va="center")


def add_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend for all panels, under the heading, outside the data."""
    seen = {}
    for axes in panels:
        seen.update({label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)})
    figure.legend(
        list(seen.values()),
        list(seen),
        loc="upper left",
        ncols=len(seen),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        borderaxespad=0,
        markerscale=1.6,
        borderpad=0,
        bbox_to_anchor=(0.14 / figure.get_figwidth(), 1 - 0.72 / figure.get_figheight()),
    )


def clock_axis(axes: Axes, times: Times) -> None:
    """Hours and minutes on the time axis, every half hour of a few hours and every four hours of a day."""
    from matplotlib.dates import DateFormatter, HourLocator, MinuteLocator

    short = not len(times) or times[-1] - times[0] <= np.timedelta64(6 * 60, "m")
    axes.xaxis.set_major_locator(MinuteLocator(byminute=(0, 30)) if short else HourLocator(byhour=range(0, 24, 4)))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))
    axes.margins(x=0)


def people(interval: int) -> str:
    """Unit of a count axis."""
    return "people per minute" if interval == 1 else f"people in {interval} minutes"


def date(times: Times) -> str:
    """Weekday and date of the first of some times."""
    return "" if not len(times) else f"{times[0].astype('datetime64[s]').item():%a %d %b %Y}"


def minute(moment: np.datetime64) -> str:
    """Weekday, date and time."""
    return f"{moment.astype('datetime64[s]').item():%a %d %b %Y %H:%M}"
