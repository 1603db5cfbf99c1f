"""Streams of gzip that are small, and a GiB when unpacked."""

from __future__ import annotations

import gzip
import struct
import zlib
from functools import cache


@cache
def gzip_of_zeros(mebibytes: int = 1024) -> bytes:
    """So many MiB of zeros; one is packed, and stands in the stream as often: packing all of them takes seconds."""
    part = bytes(1 << 20)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mebibytes):
        checksum = zlib.crc32(part, checksum)
    header, end = gzip.compress(b"", mtime=0)[:10], packer.flush()
    return header + block * mebibytes + end + struct.pack("<2I", checksum, mebibytes << 20)
