"""The syncs of the product, by what they make durable, and the work that would lose or tear it without them."""

from __future__ import annotations

from torture.power.tries import Sync

DAY = r"service_date=[0-9-]+"
INGEST, PIECES = "ingest of counts", "ingest of counts with a ledger in pieces"


def _of(what: str, scene: str, folder: str, below: str = "") -> list[tuple[str, Sync]]:
    """Three syncs each: of the content of files, of their names, and of the name of their folder where it is new.

    Args:
        what: for people.
        scene: the work.
        folder: pattern of the folder that is made, below the data root.
        below: pattern of the folders in it that hold the files, where that is another one.
    """
    parent = folder.rpartition("/")[0]
    return [
        (scene, Sync(f"{what}: content", False, f"{folder}{below}/[^/]+")),
        (scene, Sync(f"{what}: name", True, f"{folder}{below}")),
        (scene, Sync(f"{what}: new folder", True, parent)),
    ]


SYNCS: list[tuple[str, Sync]] = [
    *_of("observations", INGEST, f"observations/{DAY}"),
    (INGEST, Sync("tables: new folder", True, "")),
    *_of("minutes", INGEST, f"minutes/{DAY}"),
    *_of("rejects", INGEST, r"rejects/received_date=[0-9-]+"),
    *_of("ledger", INGEST, "ledger/gates"),
    *_of("pending days", PIECES, "ledger/gates/owed"),
    *_of("claims of events", "ingest of events with ids", f"claims/trips/{DAY}"),
    *_of("readings", "ingest of readings", r"readings/gates/date=[0-9-]+"),
    *_of("repairs", "ingest of repairs", "repairs/gates/[0-9a-f]+"),
    *_of("compacted observations", "upkeep", f"observations/{DAY}")[:2],
    *_of("checksums", "upkeep", "integrity/observations")[:1],
    ("upkeep", Sync("removed batches: names", True, f"observations/{DAY}")),
    ("upkeep", Sync("removed checksums: names", True, "integrity/.*")),
    *_of("newest forecast", "publication", "publications"),
    *_of("state of a target", "publication", "publications/state")[:1],
    *_of("board", "publication", "publications/board", "(/data)?"),
    *_of("forecasts", "publication", f"forecasts/{DAY}"),
    *_of("bundle", "promotion", r"bundles/\d", "(/member)?"),
    *_of("champion's pointer", "promotion", "bundles")[:2],
    *_of("scores", "scoring", f"scores/{DAY}"),
    *_of("signals of alerts", "scoring", f"alert_signals/{DAY}"),
]
