"""Fonts of figures: DejaVu Sans, and for letters that it lacks whichever fonts of this machine have them.

A figure names several families, and matplotlib takes each letter from the first that has it. It does not
search for families that have a letter, nor report once which letters none has: this module does both.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fontTools.ttLib import TTFont
from matplotlib import font_manager
from matplotlib.font_manager import FontEntry, FontProperties, fontManager

FONT = "DejaVu Sans"
UNKNOWN = "�"
_BOXES = ("Last Resort", "LastResort", "Blank")
"""Fonts that have a picture of a box, or nothing, for every letter."""

_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "FULLWIDTH", "IDEOGRAPHIC")
_PLAIN = ("Sans", "Gothic", "Hei")
_NAMED = 12
"""So many letters, and so many files, are named in a line."""


@dataclass(frozen=True)
class _Face:
    """A font of the machine: its family, the letters that it has, and whether its outlines are CFF."""

    family: str
    letters: frozenset[int]
    cff: bool


class Fallbacks:
    """The fonts that letters were found in so far; where one is in none of them, others are looked for."""

    def __init__(self, entries: Callable[[], Iterable[FontEntry]]) -> None:
        self._entries = entries
        self._own = frozenset(_charmap(font_manager.findfont(FontProperties(family=FONT))))
        self._faces: list[_Face] = []
        self._nowhere: set[int] = set()

    def families(self, text: str) -> list[str]:
        """Return the families that a text is to be drawn with, `FONT` first."""
        lacking = self._lacking(text)
        return [FONT, *(face.family for face in self._faces if face.letters & lacking)]

    def drawable(self, text: str) -> str:
        """Return a text with � for what no font has; the page shows names whole."""
        return text.translate(dict.fromkeys(self._lacking(text) & self._nowhere, UNKNOWN))

    def missing(self, text: str) -> set[str]:
        """Return the letters of a text that no font has, control characters left out."""
        lost = map(chr, self._lacking(text) & self._nowhere)
        return {letter for letter in lost if unicodedata.category(letter)[0] != "C"}

    @property
    def truetype(self) -> bool:
        """Whether all fonts in use can be embedded in a PDF as TrueType (type 42)."""
        return not any(face.cff for face in self._faces)

    def _lacking(self, text: str) -> set[int]:
        """Return what `FONT` lacks of a text, once fonts for it have been looked for."""
        lacking = set(map(ord, text)) - self._own
        if sought := lacking.difference(self._nowhere, *(face.letters for face in self._faces)):
            self._find(sought)
        return lacking

    def _find(self, sought: set[int]) -> None:
        """Take fonts until each letter is in one or in none: always the font with most of what is lacking."""
        having = [(entry, sought & _charmap(entry.fname).keys()) for entry in self._entries()]
        while sought:
            entry, found = max(having, key=lambda each: len(sought & each[1]), default=(None, set()))
            if entry is None or not sought & found:
                break
            _serve_weights(entry)
            with TTFont(entry.fname, fontNumber=0, lazy=True) as font:
                self._faces.append(_Face(entry.name, frozenset(_charmap(entry.fname)), "CFF " in font))
            sought = sought - found
        self._nowhere |= sought


def installed() -> list[FontEntry]:
    """List the fonts of this machine, upright ones of plain shape and common weight first.

    matplotlib keeps a list from the day it first ran: fonts that were installed since are added to it.
    """
    known = {entry.fname for entry in fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:
            try:
                fontManager.addfont(path)
            except Exception:  # a font that cannot be read or scaled, with exceptions of many classes
                continue
    first = {entry.fname: entry for entry in reversed(fontManager.ttflist)}  # of a collection its first face
    usable = [entry for entry in first.values() if not any(name in entry.name for name in _BOXES)]
    return sorted(usable, key=_rank)


def _rank(entry: FontEntry) -> tuple[bool, bool, int, str]:
    weight = entry.weight if isinstance(entry.weight, int) else 400
    plain = any(part in entry.name for part in _PLAIN)
    return entry.style != "normal", not plain, abs(weight - 400), entry.name


def _charmap(path: Any) -> Mapping[int, int]:
    try:
        return font_manager.get_font(path).get_charmap()
    except (OSError, RuntimeError, ValueError):  # gone since it was listed, or damaged
        return {}


def _serve_weights(entry: FontEntry) -> None:
    """Let a font serve as regular and bold where its family lacks these: matplotlib would warn each time."""
    of_family = [each for each in fontManager.ttflist if each.name == entry.name and each.style == "normal"]
    for weight in (400, 700):
        if not any(each.weight == weight for each in of_family):
            fontManager.ttflist.append(replace(entry, weight=weight, style="normal"))


def missing_line(files: Mapping[str, set[str]]) -> str:
    """Say in one line which letters no font has, by file; empty where none is missing."""
    letters = sorted(set().union(*files.values()))
    if not letters:
        return ""
    lacking = [file for file, lost in files.items() if lost]
    packages = " ".join(dict.fromkeys(map(_package, letters)))
    return (
        f"fonts: none on this machine has {_some(letters)}, drawn as {UNKNOWN} in {_some(lacking)}; install "
        f"one that has (Debian: apt-get install {packages}) and draw the figures again"
    )


def on_stderr(line: str) -> None:
    """Print a line on standard error."""
    print(line, file=sys.stderr)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _package(letter: str) -> str:
    """Return Debian's package of fonts that have letters like this one."""
    if unicodedata.name(letter, "").startswith(_EAST_ASIAN):
        return "fonts-noto-cjk"
    return "fonts-symbola" if unicodedata.category(letter).startswith("S") else "fonts-noto-core"
