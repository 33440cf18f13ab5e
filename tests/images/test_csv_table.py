"""CSV as spreadsheets write it: separators, line numbers, and faults reported all at once."""

import csv
import io
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.images.csv_table import SEPARATORS, CsvTable, read_csv


def write(folder: Path, text: str, encoding: str = "utf-8") -> str:
    path = folder / "table.csv"
    path.write_text(text, encoding)
    return str(path)


def refusal(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        read_csv(uri, ("image", "x"), ("note",))
    assert str(caught.value).isprintable()
    return str(caught.value).removeprefix(uri)


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_header_tells_the_separator(tmp_path: Path, separator: str, encoding: str) -> None:
    lines = [["note", "x", "image"], ["a, b; c", "1", "Häher.png"], ["", "2", "b.png"]]
    sink = io.StringIO()
    csv.writer(sink, delimiter=separator).writerows(lines)
    table = read_csv(write(tmp_path, sink.getvalue(), encoding), ("image", "x"), ("note",))
    assert table.separator == separator
    assert table.rows.to_pylist() == [
        {"image": "Häher.png", "x": "1", "note": "a, b; c"}, {"image": "b.png", "x": "2", "note": None},
    ]  # fmt: skip


def test_a_missing_column_is_told_with_the_separator_and_what_is_needed(tmp_path: Path) -> None:
    message = "column image is missing among bild, x, y (separated by semicolons); it has to name image, x"
    assert refusal(write(tmp_path, "bild;x;y\na;1;2\n")) == f", line 1: {message}"
    assert "among a, 1 (separated by commas)" in refusal(write(tmp_path, "a,1\nb,2\n"))
    wide = ",".join(f"c{number}" for number in range(500))
    assert "c9 and 490 more (separated by commas)" in refusal(write(tmp_path, wide))


def test_lines_of_another_length_are_counted(tmp_path: Path) -> None:
    one = refusal(write(tmp_path, "image;x\na;1\nb;2;3\n"))
    assert one == (
        ", row 3: 3 cells under 2 names; cells are separated by semicolons here, quote a cell that holds one"
    )
    many = refusal(write(tmp_path, "image,x\n" + "a,1,5\n" * 30))
    assert many.startswith(": 30 rows: row 2: 3 cells; row 3: 3 cells; ")
    assert "row 11: 3 cells; and 20 more under 2 names" in many


def test_latin_1_is_named_with_its_line(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "image,x\na,1\nHäher,2\n", "latin-1")).startswith(
        ", line 3: not UTF-8 text"
    )
    assert refusal(write(tmp_path, "image,x,Länge\na,1,2\n", "latin-1")).startswith(
        ", line 1: not UTF-8 text"
    )
    # In a column that is left out it does no harm.
    table = read_csv(write(tmp_path, "image,x,y\na,1,Häher\n", "latin-1"), ("image", "x"), ())
    assert table.rows.to_pylist() == [{"image": "a", "x": "1"}]


def test_all_faulty_cells_are_counted_and_ten_are_named(tmp_path: Path) -> None:
    text = "image,x\n" + "".join(f"a,{'?' if row % 2 else 1}\n" for row in range(40))
    table = read_csv(write(tmp_path, text), ("image", "x"), ())
    wrong = pa.chunked_array([[row % 2 == 1 for row in range(40)]])
    with pytest.raises(InputError) as caught:
        table.refuse_where(wrong, "x", "give a number")
    message = str(caught.value)
    assert "20 lines (line 3: x is '?'; line 5: x is '?'; " in message
    assert message.endswith("line 21: x is '?'; and 10 more): give a number")
    table.refuse_where(pa.chunked_array([[False] * 40]), "x", "give a number")


@given(st.lists(st.sampled_from(["a", "b\nc", "", "d\r\ne"]), min_size=1, max_size=12), st.data())
def test_lines_are_those_of_an_editor(cells: list[str], data: st.DataObject) -> None:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["image", "x"])
    ends = []
    for number, cell in enumerate(cells):
        if data.draw(st.booleans()):
            sink.write("\n")
        writer.writerow([cell, number])
        ends.append(sink.getvalue().count("\n"))
    table = CsvTable(pa.table({}), sink.getvalue().encode(), "t.csv")
    rows = data.draw(st.lists(st.integers(0, len(cells) - 1)))
    assert table.lines(rows) == [ends[row] for row in rows]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: column image is missing: the line is empty; it has to name image"),
        ("\n\n", "line 1: column image is missing: the line is empty; it has to name image"),
        ("Image,label\na,b\n", "line 1: column Image has to be written image; rename it"),
    ],
    ids=["empty", "blank-lines", "another-case"],
)
def test_a_header_that_says_nothing_or_says_it_otherwise(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_csv(str(path), ("image",), ())
