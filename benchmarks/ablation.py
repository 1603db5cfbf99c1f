"""What each ingredient of the default model is worth: one off at a time, by `nexthour backtest`.

    python benchmarks/ablation.py [--sets chicago-total-october,beijing] [--without refit,trail] [--retrain-every 7d]
                                  [--seeds 7,8,9] [--out FOLDER]

Each line is the RMSE of the hour's entries (mean and range over the seeds) and its change beside the model as it is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import SETS, Set, backtest, configure
from common import save

FIGURES = ("rmse_hour", "mae_hour", "poisson_deviance", "pinball", "coverage_80", "coverage_90")
MODEL = "next_hour_lstm"
DEFAULT_SETS = "chicago-total-october,chicago-zones-october,chicago-total-42-days,beijing"
"""Two with long histories, two with short ones."""


@dataclass(frozen=True)
class Variant:
    """The model without an ingredient: TOML that takes it away, and the architecture if it is another."""

    what: str
    toml: str
    model: str = MODEL


def _model(line: str) -> str:
    return f"[models.{MODEL}]\n{line}\n"


VARIANTS = {
    "whole": Variant("as it is", ""),
    "start": Variant(
        "starts from profile times level, not from ridge or trees", _model('base = "profile_times_level"')
    ),
    "trees": Variant("starts from the ridge, however short the history", _model('base = "linear_level"')),
    "blend": Variant("the network alone, not blended with its start", _model("blend = false")),
    "days": Variant("profile of same weekdays alone", "[features]\nother_days = 0\n"),
    "weeks": Variant("4 weeks in place of 14", "[features]\nweeks = 4\n"),
    "smoothing": Variant("profile of single minutes, not smoothed over 11", "[features]\nsmooth_minutes = 1\n"),
    "recency": Variant("all weeks weigh alike in the profile", "[features]\nrecency = 1.0\n"),
    "trail": Variant(
        "no levels over windows, no last day by the hour",
        "[features]\ntrail_hours = 0\n" + _model("inputs = { windows = [] }"),
    ),
    "augment": Variant(
        "nothing masked or perturbed in training",
        _model("augment = { late_minutes = 0, silent = 0, weeks = 0, size = 0, drift = 0, shift = 0, unknown = 0 }"),
    ),
    "refit": Variant("not fitted again with the newest days", _model("refit = false")),
    "age": Variant("old training rows weigh as much as new ones", _model("half_life_days = 0")),
    "fairness": Variant("stations weigh by their people", _model("fairness = 0")),
    "quantiles": Variant(
        "no loss of the quantiles beside the mean's", _model("quantile_weight = 0\ncalibrate = false")
    ),
    "calibration": Variant("quantiles not calibrated", _model("calibrate = false")),
    "likelihood": Variant("negative binomial in place of Poisson", _model('likelihood = "negative_binomial"')),
    "units": Variant("64 units in place of 32", _model("units = 64")),
    "attention": Variant("attention over the weeks in place of the last state", "", "attention_lstm"),
}


def replay(root: Path, chosen: Set, variant: str, retrain_every: str, seeds: str) -> dict[str, list[float]]:
    """Figures of `entries` of a variant, one a seed."""
    kind, config = VARIANTS[variant], root / f"{variant}.toml"
    config.write_text((root / "nexthour.toml").read_text() + kind.toml)
    tree = backtest(config, chosen, kind.model, retrain_every, seeds, root / "ablation" / variant)[kind.model]
    runs = tree["by_seed"].values() if "by_seed" in tree else [tree]
    overall = [run["stations"]["entries"]["overall"] for run in runs]
    return {figure: [one[figure] for one in overall] for figure in FIGURES}


def line(name: str, found: dict[str, list[float]], whole: dict[str, list[float]]) -> str:
    """A row of the table: means, the range of the first, its change beside the whole."""
    rmse, means = found["rmse_hour"], {figure: float(np.mean(runs)) for figure, runs in found.items()}
    change = means["rmse_hour"] / float(np.mean(whole["rmse_hour"])) - 1
    shown = "".join(f"{means[figure]:>18.3f}" for figure in FIGURES)
    return f"{VARIANTS[name].what:56}{shown}{change:>+9.1%}   {min(rmse):.2f} to {max(rmse):.2f}"


def main() -> None:
    """Replay every variant, print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=DEFAULT_SETS)
    parser.add_argument("--without", default=",".join(list(VARIANTS)[1:]))
    parser.add_argument("--retrain-every", default="7d")
    parser.add_argument("--seeds", default="7,8,9")
    parser.add_argument("--out", type=Path, help="folder that keeps what is done, to be taken up again")
    asked = parser.parse_args()
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name in asked.sets.split(","):
        chosen, rows = SETS[name], found.setdefault(name, {})
        print(f"{name:56}" + "".join(f"{figure:>18}" for figure in FIGURES))
        with tempfile.TemporaryDirectory() as temporary:
            root = (asked.out or Path(temporary)) / name
            if not (root / "nexthour.toml").exists():
                root.mkdir(parents=True, exist_ok=True)
                configure(root, chosen)
            for variant in ["whole", *asked.without.split(",")]:
                rows[variant] = replay(root, chosen, variant, asked.retrain_every, asked.seeds)
                print(line(variant, rows[variant], rows["whole"]), flush=True)
    print(json.dumps(found))
    save(found)


if __name__ == "__main__":
    main()
