"""Bytes a row of the minute table on Chicago's zones, beside the same rows as pandas writes them by default."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from common import NEXTHOUR, measure, real_data, report


def main() -> None:
    """Ingest into a temporary root, measure, print."""
    source = real_data() / "chicago" / "zones_2013.parquet"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "nexthour.toml").write_text(
            'data_root = "."\n[network]\ntimezone = "America/Chicago"\n'
            f'[[sources]]\nname = "zones"\nkind = "counts"\npath = "{source}"\n'
        )
        cost = measure([NEXTHOUR, "backfill", "--data-root", folder])
        files = sorted((root / "minutes").rglob("*.parquet"))
        rows = sum(pq.ParquetFile(f).metadata.num_rows for f in files)
        observed = sorted((root / "observations").rglob("*.parquet"))
        frame = pd.concat([pd.read_parquet(f) for f in files]).astype({"station_id": str})
        began = time.perf_counter()
        frame.to_parquet(root / "naive.parquet")
        report(
            "minute table, Chicago zones",
            {
                "rows": rows,
                "bytes a row: minutes": sum(f.stat().st_size for f in files) / rows,
                "bytes a row: observations": sum(f.stat().st_size for f in observed) / rows,
                "bytes a row: pandas default": (root / "naive.parquet").stat().st_size / rows,
                "pandas write s": time.perf_counter() - began,
                "backfill, whole process: wall s": cost.wall,
                "backfill, whole process: peak MiB": cost.peak_mib,
                "backfill: rows a second": rows / cost.wall,
            },
        )


if __name__ == "__main__":
    main()
