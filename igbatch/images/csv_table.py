"""CSV files that people write, as Arrow columns of text, with errors that name the file and the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from igbatch.errors import InputError
from igbatch.images.faults import MAX_NAMED, cite, shown
from igbatch.images.text_file import not_utf8, read_table_bytes

MAX_HEADER_BYTES = 64 * 1024
"""Length of the beginning of a file in which its header line is looked for."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""What may stand between cells; the header decides which one it is."""


@dataclass(frozen=True)
class CsvTable:
    """A CSV file with a header line, every cell as trimmed text.

    Attributes:
        rows: the requested columns, strings; cells of optional ones are null where they are empty,
            or the file lacks the column.
        data: the bytes of the file, from which line numbers are found when they are needed.
        source: its URI, for messages.
        separator: of its cells.
    """

    rows: pa.Table
    data: bytes
    source: str
    separator: str = ","

    def lines(self, rows: Sequence[int] | NDArray[np.int64]) -> list[int]:
        """Return the lines, counted from 1, on which some rows (counted from 0) end; one pass for all."""
        required = {int(row) for row in rows}
        if not required:
            return []
        text = io.StringIO(self.data.decode("utf-8", errors="replace"), newline="")
        reader = csv.reader(text, delimiter=self.separator)
        found: dict[int, int] = {}
        with suppress(csv.Error):  # of cells of more than 128 kB; below, as if no row before were long
            for row, _ in enumerate((record for record in reader if record), -1):  # -1 is the header
                if row in required:
                    found[row] = reader.line_num
                    if len(found) == len(required):
                        break
        return [found.get(int(row), int(row) + 2) for row in rows]

    def refuse_where(self, wrong: pa.ChunkedArray, column: str, problem: str) -> None:
        """Raise the `InputError` of the rows where `wrong` is true, if any, with their cells."""
        rows = np.flatnonzero(wrong.to_numpy())
        if len(rows):
            self.refuse_rows(
                rows, [f"{column} is {self.cell(row, column)}" for row in rows[:MAX_NAMED]], problem
            )

    def refuse_rows(
        self, rows: Sequence[int] | NDArray[np.int64], texts: Sequence[str], problem: str
    ) -> NoReturn:
        """Raise the `InputError` of some rows, whose first ones `texts` describe."""
        lines = self.lines(rows[:MAX_NAMED])
        if len(rows) == 1:
            raise InputError(f"{self.source}, line {lines[0]}: {texts[0]}: {problem}")
        places = (f"line {line}: {text}" for line, text in zip(lines, texts, strict=True))
        raise InputError(f"{self.source}: {len(rows):,} lines ({cite(places, len(rows))}): {problem}")

    def cell(self, row: int, column: str) -> str:
        """Return a cell as messages show it."""
        return shown(self.rows[column][int(row)].as_py())


def read_csv(
    uri: str, required: tuple[str, ...], optional: tuple[str, ...], data: bytes | None = None
) -> CsvTable:
    """Read a CSV file whose first line names its columns, in any order; other columns are left out.

    Cells are separated by commas, semicolons or tabs. Text is UTF-8, UTF-16 or UTF-32. `data` are the bytes
    of the file where they have been read (`read_table_bytes`).

    Raises:
        InputError: no such file, too large, another encoding, a column is missing or named twice, a line of
            another length, or no line besides the header.
    """
    data = read_table_bytes(uri) if data is None else data
    names, separator = _header(uri, data, required)
    if not any(names):
        raise InputError(
            f"{uri}, line 1: column {required[0]} is missing: the line is empty; it has to name "
            f"{', '.join(required)}"
        )
    for name in required:
        if name not in names:
            near = [shown(each)[1:-1] for each in names if each.lower() == name.lower()]
            if near:
                raise InputError(f"{uri}, line 1: column {near[0]} has to be written {name}; rename it")
            listed = ", ".join(shown(each)[1:-1] for each in names[:MAX_NAMED])
            more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
            raise InputError(
                f"{uri}, line 1: column {name} is missing among {listed}{more} (separated by "
                f"{SEPARATORS[separator]}); it has to name {', '.join(required)}"
            )
    for name in (*required, *optional):
        if names.count(name) > 1:
            raise InputError(f"{uri}, line 1: column {name} stands twice; remove one")
    rows = _parse(uri, data, names, (*required, *optional), separator)
    if len(rows) == 0:
        raise InputError(f"{uri}: no line besides the header; add one")
    cells = {name: pc.utf8_trim_whitespace(rows[name]) for name in rows.column_names}
    for name in optional:
        cells[name] = pc.if_else(pc.equal(cells[name], ""), None, cells[name])
    return CsvTable(pa.table(cells), data, uri, separator)


def _header(uri: str, data: bytes, required: tuple[str, ...]) -> tuple[list[str], str]:
    """Return the names of the columns, and the separator under which the most of them are required ones."""
    head = data[:MAX_HEADER_BYTES].split(b"\n", 1)[0].strip(b"\r")
    if (error := not_utf8(uri, head)) and len(head) < MAX_HEADER_BYTES:
        raise error
    lines = data[:MAX_HEADER_BYTES].decode("utf-8", errors="replace").splitlines()
    found = []
    for separator in SEPARATORS:
        try:
            header = next(csv.reader(lines, delimiter=separator), [])
        except csv.Error as error:
            raise InputError(f"{uri}, line 1: not the header of a CSV file ({error}); correct it") from error
        names = [name.strip() for name in header]
        found.append((sum(name in names for name in required), len(names), names, separator))
    *_, names, separator = max(found, key=lambda each: each[:2])  # of equal ones the first, the comma
    return names, separator


def _parse(uri: str, data: bytes, names: list[str], requested: tuple[str, ...], separator: str) -> pa.Table:
    malformed: list[arrow_csv.InvalidRow] = []

    def refuse(row: arrow_csv.InvalidRow) -> str:
        malformed.append(row)
        return "skip"

    # One thread, so that Arrow numbers the rows; placeholders, since the columns left out may be named twice.
    columns = [name if name in requested else f"\0{index}" for index, name in enumerate(names)]
    try:
        rows = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=columns, skip_rows_after_names=1
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=requested,
                include_missing_columns=True,
                column_types=dict.fromkeys(requested, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        raise not_utf8(uri, data) or InputError(f"{uri}: not a CSV file ({reason}); correct it") from error
    if malformed:
        places = (f"row {row.number}: {row.actual_columns} cells" for row in malformed)
        if len(malformed) == 1:
            where, what = f"{uri}, row {malformed[0].number}", f"{malformed[0].actual_columns} cells"
        else:
            where, what = f"{uri}: {len(malformed):,} rows", cite(places, len(malformed))
        raise InputError(
            f"{where}: {what} under {len(names)} names; cells are separated by {SEPARATORS[separator]} here, "
            "quote a cell that holds one"
        )
    return rows
