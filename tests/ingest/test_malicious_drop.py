"""Files that mean harm: each is answered by its name and reason, in bounded memory, and the good file beside it lands."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_bench import NOW, Bench, at

from tasks.ingest.report import SourceReport

HEADER = b"station_id,minute_utc,entries,exits\n"
GOOD = HEADER + b"A,2024-05-10T10:00Z,1,2\n"
LANDED = {("A", at("2024-05-10T10:00")): (1, 2)}
MIB = 1 << 20


def drop(folder: Path, path: str | None = None, **files: bytes) -> Bench:
    """A feed of a good file and some others."""
    bench = Bench.counts(folder, max_bytes=64 * MIB)
    bench.source["path"] = path or bench.source["path"]
    for name, data in {"good.csv": GOOD, **{n.replace("_", "."): d for n, d in files.items()}}.items():
        file = folder / "feed" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
    return bench


INGESTS = """
import dataclasses, json, os, resource, signal, sys, time
import numpy as np
from tasks.ingest.steps import ingest_source
from tasks.settings.tree import Settings

def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def measure(settings, at, good):
    town, now = Settings(**settings), np.datetime64(at)
    ingest_source(town, "gates", now, paths=(good,))
    base, begun = used(), time.process_time()
    report = ingest_source(town, "gates", now)
    return dataclasses.asdict(report), used() - base, time.process_time() - begun

for line in sys.stdin:
    if os.fork() == 0:
        signal.alarm(120)
        print(json.dumps(measure(*json.loads(line))), flush=True)
        os._exit(0)
    if os.wait()[1]:
        print("null", flush=True)
"""
Peak = Callable[[Bench], tuple[SourceReport, float, float]]


@pytest.fixture(scope="module")
def peak() -> Iterator[Peak]:
    """Report, peak memory in MiB and processor seconds of an ingest in a process of its own, less those of one of a good file.

    Each process is forked from one that has imported what an ingest needs, which takes longer than most ingests.
    """
    with subprocess.Popen(
        [sys.executable, "-c", INGESTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        words, answers = process.stdin, process.stdout

        def measure(bench: Bench) -> tuple[SourceReport, float, float]:
            settings = {"data_root": bench.settings.data_root, "sources": [bench.source]}
            words.write(json.dumps([settings, str(NOW), str(bench.folder / "feed/good.csv")]) + "\n")
            words.flush()
            measured = json.loads(answers.readline())
            assert measured, "the ingest failed; its error is on standard error"
            report, memory, seconds = measured
            return SourceReport(**report), memory, seconds

        yield measure


def gzip_bomb(folder: Path) -> str:
    with gzip.open(folder / "bomb.csv.gz", "wb", compresslevel=1) as out:
        out.write(HEADER)
        for _ in range(1024):
            out.write((b"," * 1023 + b"\n") * 1024)
    assert (folder / "bomb.csv.gz").stat().st_size < 8 * MIB
    return "too_large"


def nested_gzip(folder: Path) -> str:
    (folder / "nest.csv.gz").write_bytes(gzip.compress(gzip.compress(GOOD)))
    return "unreadable_file"


def parquet_bomb(folder: Path) -> str:
    table = pa.table({"station_id": pa.nulls(5_000_000, pa.string()).fill_null("A"), "entries": [1] * 5_000_000})
    pq.write_table(table, folder / "bomb.parquet")
    assert (folder / "bomb.parquet").stat().st_size < MIB
    return "too_large"


def parquet_of_one_huge_name(folder: Path) -> str:
    name = pa.array(["x" * (8 * MIB)]).dictionary_encode().dictionary
    station = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, dtype=np.int32)), name)
    time = pa.array(["2024-05-10T10:00Z"] * 100_000)
    pq.write_table(pa.table({"station_id": station, "minute_utc": time, "entries": [1] * 100_000}), folder / "name.pq")
    return "unsafe_name"


def endless_line(folder: Path) -> str:
    with (folder / "endless.csv").open("wb") as out:
        out.truncate(60 * MIB)
    return "line_too_long"


def endless_zipped_line(folder: Path) -> str:
    (folder / "endless.csv.gz").write_bytes(gzip.compress(b"x" * (100 * MIB), 1))
    return "line_too_long"


def huge_cell(folder: Path) -> str:
    (folder / "cell.csv.gz").write_bytes(gzip.compress(GOOD + b"B," + b"x" * (50 * MIB) + b",1,1\n", 1))
    return "line_too_long"


def open_quote(folder: Path) -> str:
    (folder / "quote.csv.gz").write_bytes(gzip.compress(HEADER + b'"B,2024-05-10T10:00Z,1,2\n' + GOOD * 50_000, 1))
    return "line_too_long"


def many_columns(folder: Path) -> str:
    (folder / "wide.csv").write_bytes(b",".join(b"%d" % i for i in range(100_000)) + b"\n" + b"," * 99_999)
    return "too_many_columns"


def many_equal_columns(folder: Path) -> str:
    (folder / "same.csv").write_bytes(b",".join([b"exits"] * 10_000) + b"\n")
    return "too_many_columns"


def equal_columns(folder: Path) -> str:
    (folder / "same.csv").write_bytes(HEADER.strip() + b",exits" * 1_000 + b"\n")
    return "missing_column"


def short_rows(folder: Path) -> str:
    (folder / "short.csv").write_bytes(HEADER + b"\n;" * 2_000_000)
    return "wrong_number_of_fields"


def many_rows_too_short(folder: Path) -> str:
    (folder / "short.csv").write_bytes(HEADER + b"\n;" * 2_200_000)
    return "wrong_number_of_fields"


def utf_16_without_a_mark(folder: Path) -> str:
    (folder / "wide.csv").write_bytes(GOOD.decode().encode("utf-16-le"))
    return "not_utf8"


BOMBS: tuple[Callable[[Path], str], ...] = (
    gzip_bomb,
    nested_gzip,
    parquet_bomb,
    parquet_of_one_huge_name,
    endless_line,
    endless_zipped_line,
    huge_cell,
    open_quote,
    many_columns,
    many_equal_columns,
    equal_columns,
    short_rows,
    many_rows_too_short,
    utf_16_without_a_mark,
)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_answered_in_bounded_memory_and_time_and_the_good_file_lands(
    tmp_path: Path, peak: Peak, bomb: Callable[[Path], str]
) -> None:
    bench = drop(tmp_path)
    reason = bomb(tmp_path / "feed")
    report, memory, seconds = peak(bench)
    assert set(report.reasons) == {reason}
    assert bench.truth() == LANDED
    assert memory < 400
    assert seconds < 20
    assert all(line.startswith(f"{tmp_path}/feed/") and "\n" not in line for line in report.failures)
    assert len(report.failures) == (0 if report.files else 1)


def test_the_first_hundred_thousand_rejected_rows_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    bench = drop(tmp_path, bad_csv=HEADER + b"A,never,1,1\n" * 150_000 + b"A,never\n" * 10)
    report = bench.ingest()
    assert report.reasons == {"bad_time": 150_000, "wrong_number_of_fields": 10}
    assert [line for line, _, _ in bench.rejects()] == list(range(2, 100_002))
    assert report.rejected == 150_010
    assert (
        f"{tmp_path}/feed/bad.csv: kept the first 100,000 of 150,010 rejected rows; all are counted" in report.warnings
    )
    assert bench.ingest().skipped == 2


def test_one_bad_byte_rejects_its_row_alone(tmp_path: Path) -> None:
    rows = b"".join(b"S%d,2024-05-10T10:00Z,1,2\n" % i for i in range(50_000))
    torn = b"\xe4,2\nX,1\n"
    bench = drop(
        tmp_path, latin_csv=HEADER + b"K\xf6ln,2024-05-10T10:00Z,1,2\n" + rows + b"Z,2024-05-10T10:00Z,\xff,2\n" + torn
    )
    report = bench.ingest()
    assert report.rows == 50_001
    assert bench.rejects() == [
        (2, "not_utf8", "K\ufffdln,2024-05-10T10:00Z,1,2"),
        (50_003, "not_utf8", "Z,2024-05-10T10:00Z,\ufffd,2"),
        (50_004, "not_utf8", "\ufffd,2"),
        (50_005, "wrong_number_of_fields", "X,1"),
    ]


def test_a_replacement_character_in_sound_text_is_a_character(tmp_path: Path) -> None:
    bench = drop(tmp_path, odd_csv=HEADER + "\ufffd,2024-05-10T10:01Z,1,2\n\ufffd,1\n".encode())
    assert bench.ingest().reasons == {"wrong_number_of_fields": 1}
    assert ("\ufffd", at("2024-05-10T10:01")) in bench.truth()


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_any_line_end_and_a_mark_of_the_byte_order_are_read(tmp_path: Path, ends: bytes) -> None:
    bench = drop(tmp_path, other_csv=b"\xef\xbb\xbf" + GOOD.replace(b"\n", ends).replace(b"A", b"B"))
    bench.ingest()
    assert {station for station, _ in bench.truth()} == {"A", "B"}


def outside(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything beside the data root: sizes and times of change."""
    paths = [Path(a) / n for a, _, names in os.walk(folder) for n in names]
    return {str(p): (p.lstat().st_size, p.lstat().st_mtime_ns) for p in paths if "root" not in p.parts}


STRANGE_NAMES = (
    "-rf.csv",
    "=cmd|' C calc'!A0.csv",
    "line\nbreak.csv",
    "\x1b[2J.csv",
    "C:\\..\\..\\x.csv",
    "%2e%2e%2fx.csv",
    "\u202egnp.csv",
    "GOOD.csv",
    "[red]x[" + "/red].csv".replace("/", "\u2215"),
    "x" * 240 + ".csv",
)


def test_strange_file_names_land_and_nothing_is_written_outside_the_data_root(tmp_path: Path) -> None:
    files = {name: GOOD.replace(b"A,", b"S%d," % i) + b"S,never,1,1\n" for i, name in enumerate(STRANGE_NAMES)}
    bench = drop(tmp_path)
    for name, data in files.items():
        (tmp_path / "feed" / name).write_bytes(data)
    before = outside(tmp_path)
    report = bench.ingest()
    assert outside(tmp_path) == before
    assert (report.files, report.rows, report.rejected) == (11, 11, 10)
    assert all(path.replace("/", "").replace("=", "").isprintable() for path in bench.files())
    assert not [path for path in bench.files() if ".." in path or "cmd" in path or "x" * 9 in path]
    assert bench.ingest().skipped == 11


def test_a_name_that_is_no_text_fails_alone(tmp_path: Path) -> None:
    bench = drop(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/feed/\xff.csv")).write_bytes(GOOD)
    report = bench.ingest()
    assert report.files == 1
    assert report.failures == [
        f"{tmp_path}/feed/\\xff.csv cannot be read: No such file or directory; its name is not UTF-8: rename it"
    ]


def test_keys_of_an_object_store_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
        client.create_bucket(Bucket="evil")
        for name in ("drop/../../etc/a.csv", "drop/=a.csv", "drop/%2e%2e%2fb.csv"):
            client.put_object(Bucket="evil", Key=name, Body=GOOD)
        where = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        bench = drop(tmp_path, path=f"s3://key:secret@evil/drop?{where}")
        before = outside(tmp_path)
        report = bench.ingest()
        assert (report.files, len(report.failures)) in ((3, 0), (2, 1))  # a client may refuse to ask for ../ at all
        assert outside(tmp_path) == before
        assert not [path for path in bench.files() if ".." in path]
    finally:
        server.stop()


@pytest.mark.parametrize("glob", ["feed", "feed/*", "feed/**", "feed/**/*.csv"])
def test_links_are_followed_once_and_pipes_devices_and_folders_are_no_files(
    tmp_path: Path, peak: Peak, glob: str
) -> None:
    bench = drop(tmp_path)
    feed, beyond = tmp_path / "feed", tmp_path / "beyond"
    beyond.mkdir()
    (beyond / "far.csv").write_bytes(GOOD.replace(b"A,", b"B,"))
    (feed / "far.csv").symlink_to(beyond / "far.csv")
    for i in range(3):
        (feed / f"loop{i}").symlink_to(feed)
    (feed / "up").symlink_to(tmp_path / "feed" / "..")
    os.mkfifo(feed / "pipe.csv")
    (feed / "zero.csv").symlink_to("/dev/zero")
    (feed / "gone.csv").symlink_to(tmp_path / "gone.csv")
    (feed / "self.csv").symlink_to(feed / "self.csv")
    (feed / "folder.csv").mkdir()
    bench.source["path"] = str(tmp_path / glob)
    report, _, seconds = peak(bench)
    assert {station for station, _ in bench.truth()} == {"A", "B"}
    assert report.files + report.skipped <= 3  # far.csv, by the link to it and by the link to its folder's folder
    assert seconds < 10
