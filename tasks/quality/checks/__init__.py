"""The checks: every module here is one, of its own name, and its `check` looks at what there is to see."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable
from dataclasses import replace

from tasks.errors import nearest_key
from tasks.quality.context import Seen
from tasks.quality.results import NotRun, QualityResult, Verdict, results_of
from tasks.stations.load import station_table

log = logging.getLogger(__name__)


def known_checks() -> tuple[str, ...]:
    """Names that `[quality] checks` may hold: the modules of this package."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def run_check(name: str, seen: Seen) -> list[QualityResult]:
    """Results of one check; of one that cannot be made or fails, the reason. Never raises."""
    network = seen.settings.network.name
    try:
        results = results_of(name, network, _load_check(name)(seen), seen.config.worst)
        return [_add_station_name(result, seen) for result in results]
    except NotRun as reason:
        return [QualityResult(name, "not_run", "network", network, str(reason))]
    # Whatever a check runs into, the ingest that it watches has already written and must not fail for it.
    except Exception as error:
        log.exception("the quality check %s failed", name)
        return [failed_check(name, network, error)]


def _add_station_name(result: QualityResult, seen: Seen) -> QualityResult:
    """A result whose sentence names its station beside the id, where the station table knows it."""
    if result.kind != "station" or (name := station_table(seen.settings).find(result.subject).name) is None:
        return result
    who = f"station {result.subject!r}"
    return replace(result, sentence=result.sentence.replace(who, f"{who} ({name})", 1))


def failed_check(name: str, network: str, error: Exception) -> QualityResult:
    """The result of a check that failed."""
    why = f"the check itself failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return QualityResult(name, "not_run", "network", network, why, broken=True)


def _load_check(name: str) -> Callable[[Seen], Verdict]:
    known = known_checks()
    if name not in known:
        raise NotRun(f"[quality] checks: {name!r} is unknown{nearest_key(name, known)}")
    check: Callable[[Seen], Verdict] = importlib.import_module(f"{__name__}.{name}").check
    return check
