"""A simulated city for `nexthour up --simulate`: settings of its own in a data root, small enough to train in a minute.

The history is ingested by the first run, the minutes after it as they pass, so that everything that a feed does later
happens from the start.
"""

from __future__ import annotations

from typing import Any

import tomli_w

from tasks.errors import ConfigError
from tasks.settings.toml_file import load_settings
from tasks.storage.roots import local_folder
from tasks.storage.store import Store

CITY: dict[str, Any] = {
    "network": {"name": "Simulated city", "timezone": "America/Chicago", "country": "US", "subdivision": "IL"},
    "sources": [{"name": "city", "kind": "simulate", "stations": 12, "weeks": 16, "seed": 7}],
    "publish": {"targets": ["latest_json", "board"]},
    "retrain": {"train_days": 42, "origin_minutes": 30},
    "models": {"next_hour_lstm": {"max_samples": 20_000, "max_validation": 2000, "epochs": 8, "refit": False}},
}
"""As deployments/demo.toml: a test holds the two together."""


def simulated_city(data_root: str) -> tuple[str, str]:
    """Write `nexthour.toml` of the city into a data root that has none; returns absolute paths of both.

    Raises:
        ConfigError: if the data root holds another network, or is no folder of this machine.
    """
    root = local_folder(data_root)
    if root is None:
        raise ConfigError(f"--simulate needs a folder of this machine as data root, not {data_root}")
    path = root.absolute() / "nexthour.toml"
    if not path.exists():
        Store(str(root)).write_bytes(path.name, tomli_w.dumps({"data_root": ".", **CITY}).encode())
    settings = load_settings(path, str(root.absolute()))
    if any(source.kind != "simulate" for source in settings.sources):
        raise ConfigError(f"{path} describes a network of your own: leave out --simulate, or give another --data-root")
    return str(path), str(path.parent)
