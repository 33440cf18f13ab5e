"""Encodings of what people bring, and what is no text at all."""

from pathlib import Path

import pytest

from igbatch.errors import InputError
from igbatch.images.text_file import not_utf8, read_table_bytes

TEXT = "uri,label\nHäher.png,鹰\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_encoding_with_a_mark_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert read_table_bytes(str(path)) == TEXT.encode()


@pytest.mark.parametrize(
    ("mark", "encoding"), [(b"\xfe\xff", "utf-16-be"), (b"\x00\x00\xfe\xff", "utf-32-be")]
)
def test_the_other_order_of_bytes_is_read_too(tmp_path: Path, mark: bytes, encoding: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(mark + TEXT.encode(encoding))
    assert read_table_bytes(str(path)) == TEXT.encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            TEXT.encode("utf-16-le"),
            "line 1: it holds NUL characters, as UTF-16 without a byte order mark does",
        ),
        (b"a\nb\nc\0d\n", "line 3: it holds NUL characters"),
        (b"\xff\xfea", "begins as UTF-16 and is not; save it as UTF-8"),
        (b"\xff\xfe\x00\x00a", "begins as UTF-32 and is not"),
        (b"PK\x03\x04 and more", "an Excel workbook or another zip archive; save its table as CSV"),
        (b"\xd0\xcf\x11\xe0 and more", "an old Excel workbook; save its table as CSV"),
        (b"\x1f\x8b\x08 and more", "compressed with gzip; unpack it"),
        (b"PAR1 and more", "a Parquet file; save its table as CSV"),
        (b"\xef\xbb\xbf <?xml version='1.0'?><annotation/>", "XML or HTML; Pascal VOC keeps a file for each"),
        (
            b"0 0.5 0.5 0.25 1e-1\n1 0.5 0.5 0.2 0.3\n",
            "lines of numbers without names; YOLO keeps a file for each",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_fix(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_table_bytes(str(path), "CSV or COCO JSON")
    assert str(caught.value).isprintable()
    assert str(path) in str(caught.value)


def test_a_folder_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a folder; give one file for all images, CSV$"):
        read_table_bytes(str(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        read_table_bytes(str(tmp_path / "none.csv"))


def test_the_first_line_that_is_no_utf8_is_named() -> None:
    error = not_utf8("list.csv", "uri\na.png\nHäher.png\n".encode("latin-1"))
    assert str(error).startswith("list.csv, line 3: not UTF-8 text (byte 0xe4; Latin-1")
    assert not_utf8("list.csv", TEXT.encode()) is None
