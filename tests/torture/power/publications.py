"""Power cuts amid publications, and the table of forecasts after each one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from support.published_root import settings_of, with_day
from support.small_publications import publication

from tasks.contracts import Publication
from tasks.forecast.spool import add_to_table
from tasks.publish.steps import publish, remember_published
from tasks.storage.store import Store
from tasks.tables import schemas
from torture.power.tries import ROOT, Scene
from torture.verdict import Difference

TARGETS = ("latest_json", "board", "csv", "day", "tides")
LATEST, BOARD_DATA = "publications/latest.json", "publications/board/data/"


@dataclass(frozen=True)
class Published:
    """The newest forecast, other files of targets, and the rows of the forecasts table."""

    latest: str | None
    files: dict[str, bytes]
    rows: Counter[str]


class Publications(Scene[Published]):
    """Three issues, five minutes apart."""

    name, stages = "publication", 3

    def prepare(self, folder: Path) -> None:
        """Nothing was published yet."""
        (folder / ROOT).mkdir()

    def work(self, folder: Path, stage: int) -> int:
        """Publish to every target, then add to the table, as the forecast pipeline does."""
        settings, issue = settings_of(self.root(folder)), with_day(publication(5 * stage))
        for target in TARGETS:
            publish(settings, target, issue)
        remember_published(settings, issue.summary)
        add_to_table(Store(settings.data_root), _path(issue), issue.forecasts)
        return 0

    def held(self, folder: Path) -> Published:
        """What is published, and kept."""
        store = Store(self.root(folder))
        files = {path: store.read_bytes(path) or b"" for path in store.files("publications")}
        table = store.read_tables(store.files("forecasts", ".parquet"), schemas.FORECASTS)
        held = store.read_json(LATEST)
        return Published(held and held["issued_at"], files, Counter(map(repr, table.to_pylist())))

    def difference(self, wanted: Published, got: Published) -> Difference:
        """Rows lost and doubled; publications that are not those wanted."""
        lost, doubled = (wanted.rows - got.rows).total(), (got.rows - wanted.rows).total()
        names = wanted.files.keys() | got.files.keys()
        other = sorted(name for name in names if wanted.files.get(name) != got.files.get(name))
        return Difference(lost, doubled, [f"{name} is another" for name in other if not name.startswith(BOARD_DATA)])

    def check_cut(self, folder: Path, before: Published, after: Published) -> Difference:
        """The newest forecast is the last one or this one, and no row of an earlier one is lost."""
        now = self.held(folder)
        found = Difference((before.rows - now.rows).total(), (now.rows - after.rows).total())
        if now.latest not in (before.latest, after.latest):
            found.notes.append(f"{LATEST} is of {now.latest}, after {before.latest}")
        return found


def _path(issue: Publication) -> str:
    stamp = str(issue.summary["issued_at"]).replace("-", "").replace(":", "")
    return f"forecasts/service_date={issue.summary['origin_local'][:10]}/{stamp}-01234567.parquet"
