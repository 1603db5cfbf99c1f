"""Zip and tar archives: each member is a file of its own, nothing counts twice, and what means harm is named."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench, at
from support.repair_bench import edited, replayed, written

TEN = at("2024-05-10T10:00")
LATER = [NOW + np.timedelta64(n, "s") for n in range(0, 600, 60)]
HEADER = "station_id,minute_utc,entries,exits\n"
TRIPS = "id,started_at,from,ended_at,to\n"


def zipped(method: Any = zipfile.ZIP_DEFLATED, **members: Any) -> bytes:
    """A zip; the last _ of a name without a dot stands for one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name if "." in name or "/" in name else ".".join(name.rsplit("_", 1)), content)
    return out.getvalue()


def tarred(mode: Any = "w", change: Any = id, **members: Any) -> bytes:
    """A tar of names as `zipped` takes them; `change` may alter what it says of each member."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name if "." in name or "/" in name else ".".join(name.rsplit("_", 1)))
            info.size = len(data)
            change(info)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def put(bench: Bench, content: bytes, changed: int = 0, name: str = "f.zip") -> None:
    """The archive, as it was left `changed` seconds after midnight of a day before."""
    moment = int(NOW.astype("int64")) - 86_400 + changed
    os.utime(bench.put(name, content), (moment, moment))


def row(station: str, entries: int = 1) -> str:
    return f"{HEADER}{station},2024-05-10T10:00Z,{entries},2\n"


def trip(station: str, number: int = 1) -> str:
    return f"{TRIPS}{number},2024-05-10T10:00Z,{station},2024-05-10T10:00Z,{station}\n"


def entries(bench: Bench) -> dict[str, int | None]:
    return {station: counts[0] for (station, minute), counts in bench.truth().items() if minute == TEN and counts[0]}


def test_each_data_file_of_an_archive_is_read_and_the_rest_passed_over(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    junk: dict[str, Any] = {"README.md": "about", "__MACOSX/a.csv": "x", "deep/": "", ".hidden.csv": "x"}
    put(bench, zipped(a_csv=row("A"), **{"deep/b.csv": row("B")}, **junk))
    report = bench.ingest()
    assert (report.files, report.rejected, sorted(entries(bench))) == (2, 0, ["A", "B"])
    assert bench.ingest().skipped == 1


def test_a_member_without_a_suffix_is_read_where_it_is_the_only_one(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, zipped(data=row("A")), 1)
    bench.ingest()
    assert sorted(entries(bench)) == ["A"]


def test_of_an_archive_that_changes_only_changed_members_are_read_and_nothing_counts_twice(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path)
    put(bench, zipped(a_csv=trip("A"), b_csv=trip("B")), 2)
    bench.ingest(LATER[0])
    put(bench, zipped(a_csv=trip("A"), b_csv=trip("C")), 3)
    report = bench.ingest(LATER[1])
    assert (report.files, report.skipped) == (1, 1)
    assert entries(bench) == {"A": 1, "C": 1}


@pytest.mark.parametrize("ids", [{}, {"id": "id"}])
def test_a_member_that_is_renamed_or_gone_counts_once_or_no_more(tmp_path: Path, ids: dict[str, Any]) -> None:
    bench = Bench.events(tmp_path, **ids)
    put(bench, zipped(a_csv=trip("A", 1), b_csv=trip("B", 2)), 4)
    bench.ingest(LATER[0])
    put(bench, zipped(c_csv=trip("A", 1)), 5)
    bench.ingest(LATER[1])
    assert entries(bench) == {"A": 1}
    assert bench.ingest(LATER[2]).skipped == 1
    put(bench, zipped(b_csv=trip("B", 2), c_csv=trip("A", 1)), 6)
    bench.ingest(LATER[3])
    assert entries(bench) == {"A": 1, "B": 1}


def test_an_archive_of_which_a_run_read_half_is_read_again(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, zipped(a_csv=row("A")), 7)
    bench.ingest(LATER[0])
    put(bench, zipped(a_csv=row("A"), b_csv="station_id\n"), 8)
    assert len(bench.ingest(LATER[1]).failures) == 1
    assert len(bench.ingest(LATER[2]).failures) == 1
    put(bench, zipped(a_csv=row("A"), b_csv=row("B")), 9)
    assert bench.ingest(LATER[3]).failures == []
    assert bench.ingest(LATER[4]).skipped == 1


def test_a_row_of_a_member_is_repaired_like_others(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, zipped(a_csv=row("A"), b_csv=row("B", -3)), 10)
    bench.ingest(LATER[0])
    replayed(bench, edited(written(bench), lambda cells: cells.update(entries="3")))
    assert entries(bench) == {"A": 1, "B": 3}
    assert bench.ingest(LATER[5]).skipped == 1


KINDS = {"f.tar": "w", "f.tar.gz": "w", "f.tgz": "w:gz", "f.tar.bz2": "w:bz2", "f.txz": "w:xz"}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_members_of_a_tar_are_files_of_their_own_however_it_is_packed(tmp_path: Path, name: str) -> None:
    bench = Bench.events(tmp_path)
    junk: dict[str, Any] = {"./._a.csv": "x", "README.md": "about"}
    put(bench, tarred(KINDS[name], **{"./b.csv": trip("B"), "deep/a.csv": trip("A")}, **junk), 11, name)
    report = bench.ingest(LATER[0])
    assert (report.files, report.rejected, entries(bench)) == (2, 0, {"A": 1, "B": 1})
    assert bench.ingest(LATER[1]).skipped == 1
    put(bench, tarred(KINDS[name], **{"./b.csv": trip("B"), "deep/a.csv": trip("C")}), 12, name)
    report = bench.ingest(LATER[2])
    assert (report.files, report.skipped, entries(bench)) == (1, 1, {"B": 1, "C": 1})


@pytest.mark.parametrize("inner", ["zip", "tar.gz"])
def test_archives_within_an_archive_are_read_member_by_member(tmp_path: Path, inner: str) -> None:
    bench = Bench.events(tmp_path)
    pack: Any = zipped if inner == "zip" else partial(tarred, "w:gz")
    months = {f"{month}.{inner}": pack(a_csv=trip(month), b_csv=trip(month)) for month in ("may", "june")}
    put(bench, zipped(c_csv=trip("C"), notes_zip=zipped(a_md="x", b_md="y"), **months), 13)
    report = bench.ingest(LATER[0])
    assert (report.files, report.rejected) == (5, 0)
    assert entries(bench) == {"may": 2, "june": 2, "C": 1}
    assert bench.ingest(LATER[1]).skipped == 1


def test_a_row_of_an_archive_within_an_archive_is_repaired(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    put(bench, zipped(may_zip=zipped(a_csv=row("A", -3)), june_zip=zipped(b_csv=row("B"))), 14)
    bench.ingest(LATER[0])
    replayed(bench, edited(written(bench), lambda cells: cells.update(entries="3")))
    assert entries(bench) == {"A": 3, "B": 1}


def link(info: tarfile.TarInfo) -> None:
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0


def pipe(info: tarfile.TarInfo) -> None:
    info.type, info.size = tarfile.FIFOTYPE, 0


def zip_with_link() -> bytes:
    out, info = io.BytesIO(), zipfile.ZipInfo("a.csv")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def tar_with_a_bad_header() -> bytes:
    data = bytearray(tarred(a_csv=row("A"), b_csv=row("B")))
    data[1024 + 148] ^= 1
    return bytes(data)


HARMFUL_TARS: dict[str, tuple[Any, str]] = {
    "link": (tarred("w", link, **{"a.csv": ""}), "a.csv is a link: pack the file itself"),
    "pipe": (tarred("w", pipe, **{"a.csv": ""}), "a.csv is no plain file"),
    "path that leads up": (tarred(**{"../../etc/a.csv": row("A")}), "member called '../../etc/a.csv'"),
    "path from the root": (tarred(**{"/etc/a.csv": row("A")}), "member called '/etc/a.csv'"),
    "cut off": (tarred(a_csv=row("A"), b_csv=row("B"))[:1100], "is a damaged archive"),
    "cut off between members": (tarred(a_csv=row("A"), b_csv=row("B"))[:1024], "is a damaged archive: it ends early"),
    "header that cannot be read": (tar_with_a_bad_header, "is a damaged archive: it ends early, or a header"),
    "gzip cut off": (tarred("w:gz", a_csv=row("A"))[:-20], "is a damaged archive"),
    "bomb": (lambda: tarred("w:gz", a_csv=HEADER + "," * (80 << 20)), "holds 80 MiB in"),
    "bomb of headers": (lambda: tarred("w:xz", **{f"{i}.csv": "" for i in range(10_001)}), "10,000 members"),
    "large member": (tarred(a_csv="x" * (2 << 20)), "holds more than 1 MiB"),
    "nothing": (tarred(a_md="x", b_md="y"), "holds no data file"),
}


@pytest.mark.parametrize("case", sorted(HARMFUL_TARS))
def test_a_tar_that_means_harm_is_named_and_the_good_file_lands(tmp_path: Path, case: str) -> None:
    content, line = HARMFUL_TARS[case]
    bench = Bench.counts(tmp_path, max_bytes=100 << 20 if case == "bomb" else 1 << 20)
    bench.put("f.tar", content() if callable(content) else content)
    bench.put("good.csv", row("G"))
    report = bench.ingest()
    assert len(report.failures) == 1
    assert line in report.failures[0]
    assert sorted(entries(bench)) == ["G"]


def test_a_file_that_is_called_tar_and_is_none_is_read_as_what_it_is(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put("f.tar.gz", row("A"))
    bench.put("g.csv", tarred(a_csv=row("B")))
    assert "a tar archive that is damaged, or not called .tar" in bench.ingest().failures[0]
    assert sorted(entries(bench)) == ["A"]


def encrypted() -> bytes:
    data = bytearray(zipped(a_csv=row("A")))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        here = data.index(mark) + place
        data[here : here + 2] = struct.pack("<H", 1)
    return bytes(data)


def two_alike() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", row("A"))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.csv", row("B"))
    return out.getvalue()


def damaged() -> bytes:
    data = bytearray(zipped(zipfile.ZIP_STORED, a_csv=row("A")))
    data[data.index(b"2024")] ^= 1
    return bytes(data)


HARMFUL: dict[str, tuple[Any, str]] = {
    "path that leads up": (zipped(**{"../../etc/a.csv": row("A")}), "member called '../../etc/a.csv'"),
    "path of Windows": (zipped(**{"C:/a.csv": row("A")}), "member called"),
    "nested": (
        zipped(a_zip=zipped(b_zip=zipped(c_csv=row("A")))),
        "f.zip/a.zip/b.zip is an archive within two others: unpack it once",
    ),
    "nested and damaged": (zipped(a_zip=zipped(a_csv=row("A"))[:-9]), "f.zip/a.zip is a damaged archive"),
    "nested bomb": (lambda: zipped(a_zip=zipped(a_csv=HEADER + "," * (80 << 20))), "holds 80 MiB in"),
    "nested path that leads up": (zipped(a_zip=zipped(**{"../a.csv": row("A")})), "member called '../a.csv'"),
    "link": (zip_with_link, "a.csv is a link: pack the file itself"),
    "password": (encrypted(), "a.csv has a password: unpack it"),
    "packed with LZMA": (zipped(zipfile.ZIP_LZMA, a_csv=row("A")), "packed in a way that is not read"),
    "two alike": (two_alike, "two members called 'a.csv'"),
    "damaged": (damaged, "a.csv is a damaged member"),
    "cut off": (zipped(a_csv=row("A"))[:-9], "is a damaged archive"),
    "bomb": (lambda: zipped(a_csv=HEADER + "," * (80 << 20)), "holds 80 MiB in"),
    "large member": (zipped(zipfile.ZIP_STORED, a_csv="x" * (2 << 20)), "holds more than 1 MiB"),
    "too many members": (lambda: zipped(**{f"{i}.csv": "" for i in range(10_001)}), "10,001 members"),
    "nothing": (zipped(a_md="x", b_md="y"), "holds no data file"),
}


@pytest.mark.parametrize("case", sorted(HARMFUL))
def test_an_archive_that_means_harm_is_named_and_the_good_file_lands(tmp_path: Path, case: str) -> None:
    content, line = HARMFUL[case]
    bench = Bench.counts(tmp_path, max_bytes=100 << 20 if "bomb" in case else 1 << 20)
    bench.put("f.zip", content() if callable(content) else content)
    bench.put("good.csv", row("G"))
    report = bench.ingest()
    assert len(report.failures) == 1
    assert line in report.failures[0]
    assert sorted(entries(bench)) == ["G"]
    assert not list(tmp_path.rglob("a.csv"))


def test_a_zip_that_is_not_called_so_is_named(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put("f.csv", zipped(a_csv=row("A")))
    bench.put("good.csv", row("G"))
    assert "a zip archive that is not called .zip" in bench.ingest().failures[0]
