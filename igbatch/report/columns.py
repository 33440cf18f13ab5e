"""Declares tables: each column's header, and the function that formats its cell from a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from igbatch.text import number, percent, plain

Row = Mapping[str, Any]
Cell = Callable[[Row], str]
TableColumns = Mapping[str, Cell]
"""How cells are written, by the heads of their columns."""

Rows = pd.DataFrame | Sequence[Row]

NONE = "–"


@dataclass(frozen=True)
class Table:
    """A small table to read: names of the columns, and rows whose first cell names them.

    `note` says what it leaves out; empty where that is nothing.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def number_or_dash(value: Any, digits: int = 3) -> str:
    """Write a number as `number` does, and a dash where there is none."""
    return NONE if pd.isna(value) else number(float(value), digits)


def percent_or_dash(value: Any) -> str:
    """Write a share as `percent` does, and a dash where there is none."""
    return NONE if pd.isna(value) else percent(float(value))


def read(rows: Rows, columns: TableColumns, note: str = "") -> Table | None:
    """Return a table of some rows; None where there is none."""
    records: Sequence[Any] = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows
    cells = tuple(tuple(write(row) for write in columns.values()) for row in records)
    return Table(tuple(columns), cells, note) if cells else None


def in_order(rows: pd.DataFrame, orders: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Sort rows by columns in turn, each in the order of its names; other names come last."""

    def places(column: pd.Series) -> pd.Series:
        return column.map({name: at for at, name in enumerate(dict.fromkeys(orders[str(column.name)]))})

    return rows.sort_values([*orders], key=places, kind="stable")


def name(column: str, otherwise: str = "all") -> Cell:
    """Write a name from the data; `otherwise` where there is none."""
    return lambda row: otherwise if pd.isna(row[column]) else plain(str(row[column]))


def value(column: str, write: Callable[[Any], str] = number_or_dash) -> Cell:
    """Write a number, with three significant digits or as `write` does."""
    return lambda row: write(row[column])


def whole(column: str) -> Cell:
    """Write a count: 1,024; a dash where there is none."""
    return lambda row: NONE if pd.isna(row[column]) else f"{row[column]:,}"


def share(column: str) -> Cell:
    """Write a share in percent; a dash where there is none."""
    return lambda row: NONE if pd.isna(row[column]) else percent(float(row[column]))


def sign_mark(agreement: Any) -> str:
    """Return what marks a sum whose sign depends on the baseline, by its `sign_agreement`; else nothing.

    What it means is said by `sign_depends.j2`.
    """
    return f"(sign {percent(float(agreement))})" if agreement is not None and agreement < 1 else ""


def yes(column: str) -> Cell:
    """Write whether something is so: yes or no."""
    return lambda row: "yes" if row[column] else "no"


def interval_cell(low: str, high: str) -> Cell:
    """Write an interval of two columns: "−0.100 to 0.100"; a dash where an end is missing."""

    def write(row: Row) -> str:
        ends = row[low], row[high]
        return NONE if any(map(pd.isna, ends)) else f"{number(ends[0])} to {number(ends[1])}"

    return write
