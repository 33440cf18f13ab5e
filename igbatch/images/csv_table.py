"""CSV files that people write, as Arrow columns of text, with errors that name the file and the line."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import dataclass
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from igbatch.errors import InputError
from igbatch.filesystem import read_bytes

MAX_TABLE_BYTES = 512 * 1024 * 1024
"""Size above which a CSV or JSON file is refused; a million images with three boxes take a third of it."""

MAX_HEADER_BYTES = 64 * 1024
"""Length of the beginning of a file in which its header line is looked for."""


@dataclass(frozen=True)
class CsvTable:
    """A CSV file with a header line, every cell as trimmed text.

    Attributes:
        rows: the columns that were asked for and are there, strings without nulls.
        data: the bytes of the file, from which line numbers are found when they are needed.
        source: its URI, for messages.
    """

    rows: pa.Table
    data: bytes
    source: str

    def has(self, column: str) -> bool:
        """Tell whether the file has an optional column."""
        return column in self.rows.column_names

    def line(self, row: int) -> int:
        """Return the line, counted from 1, on which a row (counted from 0) ends."""
        reader = csv.reader(io.StringIO(_text(self.data), newline=""))
        filled = (reader.line_num for record in reader if record)
        return next(itertools.islice(filled, row + 1, None))

    def refuse(self, row: int, problem: str) -> NoReturn:
        """Raise the `InputError` of a row."""
        raise InputError(f"{self.source}, line {self.line(row)}: {problem}")

    def refuse_where(self, wrong: pa.ChunkedArray, column: str, problem: str) -> None:
        """Raise the `InputError` of the first row where `wrong` is true, if any, and its cell."""
        row = pc.index(wrong, True).as_py()
        if row >= 0:
            self.refuse(row, f"{column} is {self.rows[column][row].as_py()!r}: {problem}")


def read_csv(uri: str, required: tuple[str, ...], optional: tuple[str, ...]) -> CsvTable:
    """Read a CSV file in UTF-8 whose first line names its columns, in any order; other columns are left out.

    Raises:
        InputError: no such file, too large, not UTF-8, a column is missing or named twice, a line of another
            length, or no line besides the header.
    """
    data = read_table_bytes(uri)
    try:
        header = next(csv.reader(_text(data[:MAX_HEADER_BYTES]).splitlines()), [])
    except csv.Error as error:
        raise InputError(f"{uri}, line 1: not the header of a CSV file ({error}); correct it") from error
    names = [name.strip() for name in header]
    for name in required:
        if name not in names:
            raise InputError(f"{uri}, line 1: column {name} is missing among {', '.join(names)}; add it")
    wanted = [name for name in (*required, *optional) if name in names]
    for name in wanted:
        if names.count(name) > 1:
            raise InputError(f"{uri}, line 1: column {name} stands twice; remove one")
    rows = _parse(uri, data, names, wanted)
    if len(rows) == 0:
        raise InputError(f"{uri}: no line besides the header; add one")
    trimmed = {name: pc.utf8_trim_whitespace(rows[name]) for name in wanted}
    return CsvTable(pa.table(trimmed), data, uri)


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace")


def read_table_bytes(uri: str) -> bytes:
    """Read the bytes of a table of at most `MAX_TABLE_BYTES`.

    Raises:
        InputError: no such file, or too large.
    """
    try:
        return read_bytes(uri, MAX_TABLE_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"{uri}: no such file; check the path") from error


def _parse(uri: str, data: bytes, names: list[str], wanted: list[str]) -> pa.Table:
    malformed: list[arrow_csv.InvalidRow] = []

    def refuse(row: arrow_csv.InvalidRow) -> str:
        malformed.append(row)
        return "skip"

    # One thread, so that Arrow numbers the rows; placeholders, since the columns left out may be named twice.
    columns = [name if name in wanted else f"\0{index}" for index, name in enumerate(names)]
    try:
        rows = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=columns, skip_rows_after_names=1
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{uri}: not a CSV file in UTF-8 ({reason}); correct it") from error
    if malformed:
        first = malformed[0]
        raise InputError(
            f"{uri}, row {first.number}: {first.actual_columns} cells under {first.expected_columns} names; "
            "quote cells that hold a comma"
        )
    return rows
