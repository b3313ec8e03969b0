"""Compressed files: gzip is read, other formats are named."""

from __future__ import annotations

import gzip
import io
import zlib

from lakebatch.errors import LegacyError
from lakebatch.legacy.frames.columns import brief

GZIP = b"\x1f\x8b"
OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of compressed files, and the names of their formats."""


WORKBOOKS = (b"[Content_Types].xml", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""What the first bytes of a workbook of a spreadsheet hold, of its newer and its older format."""


def refuse_workbook(data: bytes) -> None:
    """Raise `LegacyError` if a file is the workbook of a spreadsheet, whatever its name says."""
    if any(mark in data[:100] for mark in WORKBOOKS):
        raise LegacyError("it is the workbook of a spreadsheet. Save its sheet as CSV")


def unpacked(data: bytes, max_bytes: int) -> bytes:
    """Return the content of a gzip file, and other content as it is.

    Raises
    ------
    LegacyError
        If it is damaged, has more than `max_bytes`, or is compressed in another format.
    """
    refuse_workbook(data)
    if other := next((name for mark, name in OTHERS.items() if data.startswith(mark)), None):
        raise LegacyError(f"it is compressed with {other}, which is not read. Decompress it first")
    if not data.startswith(GZIP):
        return data
    try:
        content = gzip.GzipFile(fileobj=io.BytesIO(data)).read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LegacyError(f"it is a damaged gzip file ({brief(error)})") from error
    if len(content) > max_bytes:
        raise LegacyError(f"it has more than {max_bytes / 1e9:.1f} GB once decompressed, which are not read")
    return content
