"""The head of a figure, beside the picture: what it shows, its numbers, and how to read colours."""

from __future__ import annotations

from igbatch.report.figures.canvas import FAINT, INK, Canvas, fit, text_width, wrap
from igbatch.report.figures.sheets import Sheet

BODY, SMALL = 11.5, 10.5
LINE = 15
MOST_ROWS = 10
_CELL = 66  # least width of a column of numbers


class Header:
    """The head of one sheet, measured for a width in pixels before there is a canvas to draw it on."""

    def __init__(self, sheet: Sheet, x: int, width: int) -> None:
        self.sheet, self.x, self.width = sheet, x, width
        self._facts = [line for fact in sheet.facts for line in wrap(fact, width, BODY)]
        said = (sheet.look.guide, sheet.look.choices)
        self._guide = [line for text in said for line in wrap(text, width, SMALL)]
        self._rows = () if sheet.table is None else sheet.table.rows[:MOST_ROWS]
        self._left_out = 0 if sheet.table is None else len(sheet.table.rows) - len(self._rows)

    @property
    def height(self) -> int:
        """Pixels that the head takes."""
        rows = len(self._rows) + 2 if self._rows else 0
        lines = len(self._facts) + rows + bool(self._left_out) + len(self._guide)
        return 22 + (20 if self.sheet.subtitle else 0) + LINE * lines + 8

    def draw(self, canvas: Canvas, y: int) -> None:
        """Draw the head from height `y` downwards."""
        canvas.text(self.x, y, fit(self.sheet.title, self.width, 15, bold=True), 15, bold=True)
        y += 22
        if self.sheet.subtitle:
            subtitle = fit(self.sheet.subtitle, self.width, 13, bold=True)
            canvas.text(self.x, y, subtitle, 13, bold=True, color=FAINT)
            y += 20
        y = self._lines(canvas, self._facts, y, BODY, INK)
        if self._rows:
            y = self._table(canvas, y + 5) + 10
        self._lines(canvas, self._guide, y + 6, SMALL, FAINT)

    def _lines(self, canvas: Canvas, lines: list[str], y: int, size: float, color: str) -> int:
        for text in lines:
            canvas.text(self.x, y, text, size, color=color)
            y += LINE
        return y

    def _table(self, canvas: Canvas, y: int) -> int:
        assert self.sheet.table is not None
        cells = [self.sheet.table.head, *self._rows]
        columns = len(self.sheet.table.head) - 1
        longest = max(text_width(cell, BODY) for row in cells for cell in row[1:]) + 14
        width = min(max(longest, _CELL), 0.62 * self.width / columns)
        first = min(max(text_width(row[0], BODY) for row in cells) + 14, self.width - columns * width)
        for index, row in enumerate(cells):
            color = FAINT if index == 0 else INK
            canvas.text(self.x, y, fit(row[0], first - 8, BODY), BODY, color=color)
            for column, cell in enumerate(row[1:], start=1):
                right = self.x + first + column * width
                canvas.text(right, y, fit(cell, width - 8, BODY), BODY, color=color, align="right")
            if index == 0:
                canvas.line(self.x, y + LINE - 3, self.x + first + columns * width, y + LINE - 3, "#c8c8c8")
                y += 2
            y += LINE
        if self._left_out:
            canvas.text(self.x, y, f"{self._left_out} more in the tables", SMALL, color=FAINT)
            y += LINE
        return y
