"""Kinds of files recognised by their first bytes, so that what cannot be read is called by its name."""

from __future__ import annotations

import io
import zipfile

from tasks.ingest.rejects import FileProblem

PARQUET, GZIP, ZIP, XZ = b"PAR1", b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\x00"
_BZIP2, _BLOCKS = b"BZh", (b"1AY&SY", b"\x17rE8P\x90")
_LONGEST_BEGIN = 10
_CSV = "save it as CSV or Parquet"
_PACKED = "unpack it, or pack it with gzip, bzip2, xz, zip or tar"
_KINDS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of Excel before 2007 (.xls), or one with a password", "xlsx"),
    (b"%PDF", "a PDF", _CSV),
    (b"SQLite format 3\x00", "a SQLite database", 'read it by a source of kind "sql"'),
    (b"PARE", "an encrypted Parquet file", "decrypt it"),
    (b"Obj\x01", "an Avro file", _CSV),
    (b"ORC", "an ORC file", _CSV),
    (b"ARROW1\x00\x00", "an Arrow (Feather) file", _CSV),
    (b"FEA1", "a Feather file", _CSV),
    (b"\x89HDF", "an HDF5 file", _CSV),
    (b"\x93NUMPY", "a NumPy array", _CSV),
    (b"\x28\xb5\x2f\xfd", "packed with Zstandard", _PACKED),
    (b"\x04\x22\x4d\x18", "packed with LZ4", _PACKED),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _PACKED),
    (b"Rar!\x1a\x07", "a RAR archive", _PACKED),
    (b"PK\x05\x06", "an empty zip archive", "give one with files"),
)
_MARKUP = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<table", "an HTML page"),
    (b"<?xml", "XML"),
)
_BEGIN = 4096
_NO_TEXT = (PARQUET, GZIP, ZIP, *(start for start, _, _ in _KINDS))


def is_binary(content: bytes) -> bool:
    """Whether a file that begins so is of a kind that has no lines."""
    return content.startswith(_NO_TEXT) or packing_of(content) is not None or _is_tar(content)


def packing_of(content: bytes) -> str | None:
    """What a file that begins so is packed with, of what is unpacked: gzip, bzip2 or xz; None for none of them."""
    if content.startswith(_BZIP2) and content[4:_LONGEST_BEGIN] in _BLOCKS:
        return "bzip2"
    return "gzip" if content.startswith(GZIP) else "xz" if content.startswith(XZ) else None


def is_json(content: bytes) -> bool:
    """Whether a file is JSON: an array of objects or lists, an object, or an object per line. A header may be [so]."""
    begin = content[:_BEGIN].removeprefix(b"\xef\xbb\xbf").lstrip()
    after = begin[1:].lstrip()[:1]
    return (begin[:1] == b"{" and after in (b'"', b"}")) or (begin[:1] == b"[" and after in (b"{", b"]", b"["))


def is_whole_json(content: bytes) -> bool:
    """Whether a file is JSON that ends as it begins, so that nothing more is to come."""
    return is_json(content) and content[-_BEGIN:].rstrip()[-1:] in (b"}", b"]")


def check_kind(origin: str, content: bytes) -> None:
    """Whether a file may be text.

    Raises:
        FileProblem: if it is of a kind that is not read; names the kind and what to do.
    """
    if packing := packing_of(content):
        raise _problem(origin, f"{packing} within what was unpacked", "unpack it once")
    if content.startswith(ZIP):
        raise _problem(origin, *_describe_zip(content))
    for start, kind, remedy in _KINDS:
        if content.startswith(start):
            raise _problem(origin, kind, "save it as xlsx or CSV" if remedy == "xlsx" else remedy)
    if _is_tar(content):
        raise _problem(
            origin, "a tar archive that is damaged, or not called .tar, .tgz or .tar.gz", "rename it, or make it again"
        )
    begin = content[:100].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, kind in _MARKUP:
        if begin.startswith(start):
            raise _problem(origin, f"{kind}, not a table", "it may be an error page, or a report to save as CSV")


def is_workbook(names: list[str]) -> bool:
    """Whether the members of a zip are those of an Excel workbook."""
    return "xl/workbook.xml" in names


def is_document(names: list[str]) -> bool:
    """Whether the members of a zip are those of a document of an office program."""
    return "[Content_Types].xml" in names or "mimetype" in names


def _describe_zip(content: bytes) -> tuple[str, str]:
    """What a zip is that is read neither as a workbook nor as an archive, and the remedy."""
    try:
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return "a damaged zip archive or workbook", "give it whole"
    if "xl/workbook.bin" in names:
        return "a binary workbook of Excel (.xlsb)", "save it as xlsx or CSV"
    if is_document(names):
        return "a document of an office program (.ods, .docx or alike)", "save it as xlsx or CSV"
    return "a zip archive that is not called .zip", "rename it"


def _is_tar(content: bytes) -> bool:
    return content[257:262] == b"ustar"


def _problem(origin: str, kind: str, remedy: str) -> FileProblem:
    return FileProblem("unreadable_file", f"{origin} is {kind}: {remedy}")
