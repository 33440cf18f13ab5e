"""Read tables of text as bytes of UTF-8, whatever encoding they were saved in."""

from __future__ import annotations

import codecs
import re

from pyarrow import fs

from igbatch.errors import InputError
from igbatch.filesystem import read_bytes, resolve

MAX_TABLE_BYTES = 512 * 1024 * 1024
"""Size above which a CSV or JSON file is refused; a million images with three boxes take a third of it."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_ONE_EACH = "a file for each image; convert them to one file for all images, {}"
_FORMATS = (
    (rb"PK\x03\x04", "an Excel workbook or another zip archive; save its table as CSV, or unpack it"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook; save its table as CSV"),
    (rb"\x1f\x8b", "compressed with gzip; unpack it"),
    (rb"PAR1", "a Parquet file; save its table as CSV"),
    (rb"<", f"XML or HTML; Pascal VOC keeps {_ONE_EACH}"),
    (rb"\d+(\s+-?[\d.]+([eE]-?\d+)?){4,}\s*$", f"lines of numbers without names; YOLO keeps {_ONE_EACH}"),
)
"""Files that are no table of text, by how their first line begins, and what messages say of them."""


def read_table_bytes(uri: str, formats: str = "CSV") -> bytes:
    """Read a table of at most `MAX_TABLE_BYTES` as UTF-8 without a mark of byte order.

    UTF-16 and UTF-32 with that mark are read too. `formats` says in messages what would be right.

    Raises:
        InputError: no such file, a folder, too large, no text, or what begins as UTF-16 or UTF-32 and is not.
    """
    try:
        data = read_bytes(uri, MAX_TABLE_BYTES)
    except FileNotFoundError as error:
        filesystem, path = resolve(uri)
        if filesystem.get_file_info(path).type == fs.FileType.Directory:
            raise InputError(f"{uri}: a folder; give one file for all images, {formats}") from error
        raise InputError(f"{uri}: no such file; check the path") from error
    first = data[:4096].removeprefix(codecs.BOM_UTF8).lstrip().split(b"\n")[0]
    for pattern, words in _FORMATS:
        if re.match(pattern, first):
            raise InputError(f"{uri}: {words.format(formats)}")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                data = data.decode(encoding).encode()
            except UnicodeError as error:
                raise InputError(f"{uri}: begins as {encoding} and is not; save it as UTF-8") from error
            break
    place = data.find(b"\0")
    if place >= 0:
        line = data.count(b"\n", 0, place) + 1
        raise InputError(
            f"{uri}, line {line}: it holds NUL characters, as UTF-16 without a byte order mark does; "
            "save it as UTF-8"
        )
    return data.removeprefix(codecs.BOM_UTF8)


def not_utf8(uri: str, data: bytes) -> InputError | None:
    """Return the error of the first byte that is no UTF-8, None where all are."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return InputError(
            f"{uri}, line {line}: not UTF-8 text (byte 0x{data[error.start]:02x}; Latin-1 or Windows-1252?); "
            "save it as UTF-8"
        )
    return None
