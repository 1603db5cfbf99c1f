"""Power cuts amid promotions: bundles, and the pointer to the one that publishes."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np

from tasks.model.architectures import initial_forecaster
from tasks.model.promotion import champion
from tasks.model.promotion.champion import promote, rollback, store_bundle
from tasks.model.serving.bundle import save_bundle
from tasks.model.steps import load_version
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking.runs import TrackingError
from torture.power.tries import ROOT, Scene
from torture.verdict import Difference

Versions = tuple[str | None, str | None]
"""Champion and previous champion, each loaded."""
NOW = np.datetime64("2024-05-10T03:30", "s")
ROLLED_BACK = 3


class Promotions(Scene[Versions]):
    """Three versions are promoted, then the last one is rolled back."""

    name, stages = "promotion", 4

    def prepare(self, folder: Path) -> None:
        """Three bundles that were trained, outside the data root."""
        (folder / ROOT).mkdir()
        for version in (1, 2, 3):
            bundle = folder / f"trained-{version}"
            (bundle / "member").mkdir(parents=True)
            for name in ("weights.npz", "member/weights.npz"):
                (bundle / name).write_bytes(f"{name} of {version}".encode() * 100)
            save_bundle(bundle, initial_forecaster("weekday_level"), {"note": str(version)})

    def work(self, folder: Path, stage: int) -> int:
        """Store a bundle and promote it, or roll back."""
        settings, store = Settings(data_root=self.root(folder)), Store(self.root(folder))
        with patch.object(champion, "connect", side_effect=TrackingError("no registry here")):
            if stage == ROLLED_BACK:
                if self.held(folder) == ("3", "2"):
                    rollback(settings, NOW)
                return 0
            version = str(stage + 1)
            store_bundle(store, version, folder / f"trained-{version}")
            if self.held(folder)[0] != version:
                promote(settings, version, NOW)
        return 0

    def held(self, folder: Path) -> Versions:
        """Versions that load, of the pointer's."""
        settings = Settings(data_root=self.root(folder))
        pointer = Store(settings.data_root).read_json(champion.POINTER) or {}
        names = [name for name, key in (("champion", "version"), ("previous", "previous")) if pointer.get(key)]
        loaded = {name: load_version(settings, name) for name in names}
        assert all(one.meta["note"] == one.version for one in loaded.values())
        first, second = (loaded[name].version if name in loaded else None for name in ("champion", "previous"))
        return first, second

    def difference(self, wanted: Versions, got: Versions) -> Difference:
        """Whether another version publishes."""
        return Difference() if wanted == got else Difference(1, 0, [f"{got} in place of {wanted}"])

    def check_cut(self, folder: Path, before: Versions, after: Versions) -> Difference:
        """The champion is the old or the new one, and loads."""
        got = self.held(folder)
        return Difference() if got in (before, after) else Difference(1, 0, [f"{got}, neither {before} nor {after}"])
