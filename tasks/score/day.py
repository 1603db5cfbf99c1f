"""Scores of one service day, clock hour by clock hour of its origins: only those are computed that are new.

What an hour's issues add up to is kept in `scored_hours/service_date=D/`, under a key that is the digest of all that it
was computed from: the files of the forecasts, the counts of the hour and of the week before, the limits of busy hours,
and the settings. The footer of `scores/service_date=D/part.parquet` has the keys of the hours whose rows it holds. An
hour counts as scored where both have the key that it has now; what a crash left half done, or what late data changed,
therefore is computed again, and nothing counts twice.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from tasks import metrics
from tasks.clock import day_bounds
from tasks.score.busy_days import BusyDays
from tasks.score.issue_files import CLOCK_HOUR, IssueFiles
from tasks.score.kept_sums import Sums, read_sums, write_sums
from tasks.score.scoring import HOUR, Scored, hours, score
from tasks.score.signal_rows import SignalDay
from tasks.score.tally import Tally
from tasks.score.truth import Truth
from tasks.settings.tree import Settings
from tasks.storage.footers import read_footer
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.issues import Issues

FOLDER = "scored_hours"
HOURS = "nexthour.hours"
"""Footer key of a file of scores: the key of every hour whose rows it holds, a JSON object."""
FORMAT = 1
"""To be raised where a change of the code changes scores, so that what is kept of them is computed again."""
PUBLISHED = "published"
"""What was published at the origins of shadows, among their figures."""


@dataclass(frozen=True)
class DayScore:
    """A service day, scored.

    Attributes:
        sums: of all of its issues.
        hours: how many clock hours of origins were computed for it.
    """

    sums: Sums
    hours: int


class DayScorer:
    """Scores one service day.

    Args:
        settings: the network, its bands, its data root.
        day: the service day, YYYY-MM-DD.
        as_of: now, UTC; truth at or after it is not read.
        spans: bands, the whole hour last.
        busy: limits of busy hours.

    Attributes:
        truth: the counts of the day.
    """

    def __init__(
        self, settings: Settings, day: str, as_of: np.datetime64, spans: Sequence[metrics.Span], busy: BusyDays
    ) -> None:
        self._settings, self._day, self._store = settings, day, Store(settings.data_root)
        self._spans, self._busy = spans, busy
        stop = day_bounds(np.datetime64(day, "D"), settings.network.timezone)[1]
        self._edge = min(as_of.astype("datetime64[m]"), stop + HOUR)
        self._over = self._edge >= stop + HOUR
        self.truth = Truth(settings, np.datetime64(day, "D"), as_of)
        self._folder = schemas.day_folder(FOLDER, day)
        self._whole = f"{self._folder}/day.npz"
        self._file = f"{schemas.day_folder('scores', day)}/part.parquet"
        self._files = IssueFiles(self._store, day, f"{self._folder}/files.json")

    def score(self) -> DayScore:
        """Bring the files of the day up to date; a day whose hours are all to come has none.

        Raises:
            StoreError: if a table cannot be read or written.
        """
        held, sums = self._keys_of_hours(), self._blank()
        if self._over and read_sums(self._store, self._whole, self._day_key(held), sums):
            return DayScore(sums, 0)
        keys, fresh = dict[str, str](), dict[str, pa.Table]()
        for hour in self._files.hours():
            if hour + HOUR > self._edge:
                sums.tally.pending += self._files.count(hour, "forecasts")
                continue
            name, of_hour = str(hour), self._blank()
            path, keys[name] = f"{self._folder}/{hour}.npz", self._hour_key(hour)
            if held.get(name) != keys[name] or not read_sums(self._store, path, keys[name], of_hour):
                fresh[name] = self._score_hour(hour, of_hour)
                write_sums(self._store, path, keys[name], of_hour)
            sums.include(of_hour)
        if fresh or (keys and held.keys() - keys.keys()):
            sums.signals.save(self._store, self._day)
            self._write_rows(keys, fresh)
        if self._over:
            write_sums(self._store, self._whole, self._day_key(keys), sums)
        return DayScore(sums, len(fresh))

    def _score_hour(self, hour: np.datetime64, into: Sums) -> pa.Table:
        """Add the issues of a clock hour of origins to its sums; returns their rows."""
        beside = set[np.datetime64]()
        for issues in self._issues_over(hour, "shadows"):
            self._add(issues, into.shadows)
            beside.update(issues.origins)
        rows = [schemas.SCORES.empty_table()]
        for issues in self._issues_over(hour, "forecasts", into.tally):
            scored = self._add(issues, into.tally)
            into.signals.add(issues, scored.truth, scored.parts)
            rows.append(scored.rows)
            same = np.isin(issues.origins, np.array(list(beside), dtype="datetime64[m]"))
            if same.any():
                published = replace(issues, model_versions=np.full(len(same), PUBLISHED, dtype=object))
                self._add(published.take(same), into.shadows)
        return pa.concat_tables(rows)

    def _issues_over(self, hour: np.datetime64, table: str, tally: Tally | None = None) -> Iterator[Issues]:
        """Issues of a clock hour whose own hour is over; the others are counted as pending."""
        network = self._settings.network
        for issues in self._files.issues(hour, table, network.targets, network.interval_minutes):
            over = issues.origins + HOUR <= self._edge
            if tally is not None:
                tally.pending += int((~over).sum())
            if over.any():
                yield issues.take(over)

    def _add(self, issues: Issues, tally: Tally) -> Scored:
        """Add some issues to a tally; returns their errors."""
        grids = (self.truth.actual, self.truth.baseline)
        actual, week = (hours(grid, issues.origins, issues.stations) for grid in grids)
        scored = score(issues, actual, week, self._spans, self._settings.network.total)
        tally.add(issues, scored, self._busy.limits(np.datetime64(self._day, "D"), issues.stations))
        return scored

    def _write_rows(self, keys: Mapping[str, str], fresh: Mapping[str, pa.Table]) -> None:
        """Replace the file of scores: rows of the fresh hours, and those that it held of the others."""
        kept = self._rows_of_hours() if keys.keys() - fresh.keys() else {}
        rows = pa.concat_tables([fresh[hour] if hour in fresh else kept[hour] for hour in sorted(keys)])
        footer = {HOURS: json.dumps(keys)}
        self._store.write_table(self._file, rows.unify_dictionaries().replace_schema_metadata(footer))

    def _rows_of_hours(self) -> dict[str, pa.Table]:
        """Rows of the file of scores by the clock hour of their origins, by which it is sorted."""
        rows = self._store.read_tables([self._file], schemas.SCORES)
        hour = schemas.numpy_times(rows["origin_utc"]).astype("datetime64[h]")
        starts = np.flatnonzero(np.r_[np.ones(min(len(hour), 1), bool), hour[1:] != hour[:-1]])
        ends = np.r_[starts[1:], len(hour)]
        held = {str(hour[a]): rows.slice(a, b - a) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)}
        return defaultdict(schemas.SCORES.empty_table, held)

    def _keys_of_hours(self) -> dict[str, str]:
        """Keys of the hours whose rows the file of scores holds; none of a file of an earlier release."""
        if not self._store.exists(self._file):
            return {}
        keys: dict[str, str] = json.loads(read_footer(self._store, self._file).get(HOURS, "{}"))
        return keys

    def _hour_key(self, hour: np.datetime64) -> str:
        """Digest of all that the scores of a clock hour of origins are computed from."""
        files = {file.path: file.size for file in self._files.of_hour(hour)}
        counts = self.truth.digest(hour, hour + CLOCK_HOUR + HOUR)
        last = min(self._edge, hour + CLOCK_HOUR + HOUR)  # of what is not over nothing is computed
        return self._digest(files, counts, str(last))

    def _day_key(self, keys: Mapping[str, str]) -> str:
        """Digest of all that the scores of the day are computed from, and of the keys of its hours."""
        return self._digest({file.path: file.size for file in self._files.all}, self.truth.digests, keys)

    def _digest(self, *parts: object) -> str:
        network, alerts = self._settings.network, self._settings.alerts
        what = (network.targets, network.interval_minutes, network.timezone, network.total, self._settings.score.bands)
        busy = self._busy.digest(np.datetime64(self._day, "D"))
        text = json.dumps([FORMAT, what, alerts.model_dump(mode="json"), busy, *parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _blank(self) -> Sums:
        network, bands = self._settings.network, [span.name for span in self._spans]
        baselines = self._settings.gate.baselines
        tally, shadows = (Tally(network.targets, bands, baselines) for _ in range(2))
        return Sums(tally, shadows, SignalDay(self._settings))
