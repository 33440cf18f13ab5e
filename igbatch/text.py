"""Numbers and names as people read them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def several(names: str | Iterable[str]) -> list[str]:
    """Return names, of which one may be given by itself."""
    return [names] if isinstance(names, str) else list(names)


def number(value: float, digits: int = 3) -> str:
    """Write a number with `digits` significant digits: 0.0213, −1,240, 3.1×10⁻⁸."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    sign = "−" if value < 0 else ""
    power = int(exponent)
    if -4 < power < 6:
        return f"{sign}{float(f'{mantissa}e{exponent}'):,.{max(digits - 1 - power, 0)}f}"
    return f"{sign}{mantissa}×10{str(power).translate(_SUPERSCRIPT)}"


def decimals(value: float, places: int = 2) -> str:
    """Write a number with a fixed number of decimals, as measures from -1 to 1 are written: −0.31."""
    text = f"{value:.{places}f}"
    return text.replace("-", "−" if float(text) else "")


def percent(share: float) -> str:
    """Write a share or a probability in percent: 97.3 %, 0.42 %, < 0.01 %, > 99.99 %."""
    hundred = 100 * share
    if 0 < share < 1e-4:
        text = "< 0.01"
    elif 0.9999 < share < 1:
        text = "> 99.99"
    elif share in (0, 1):
        text = f"{hundred:.0f}"
    else:
        text = f"{hundred:.{2 if hundred < 1 or 99 < hundred < 100 else 1}f}"
    return f"{text}\u00a0%"


def whole_percent(share: float) -> str:
    """Write a share in whole percent: 97 %."""
    return f"{100 * share:.0f}\u00a0%"


def count(n: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: 1 map, 12 maps, 1,024 maps."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def ordinal(n: int) -> str:
    """Write a place: 1st, 2nd, 12th."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def listing(names: Sequence[str], max_names: int = 6) -> str:
    """Join names as a sentence does: a, b and c; of more than `max_names`, the first and how many others."""
    shown = list(names)
    if len(shown) > max_names:
        shown = [*shown[:max_names], f"{len(names) - max_names} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def plain(name: str) -> str:
    """Return a name from the data as one visible line: control and direction characters become �."""
    return "".join("�" if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in name)


def shorten(text: str, max_length: int) -> str:
    """Cut a long text in its middle, where names differ least, to `max_length` characters."""
    if len(text) <= max_length:
        return text
    head = max_length // 2
    return text[:head] + "…" + text[len(text) - (max_length - head - 1) :]


def file_stem(*names: str) -> str:
    """Return a file name, without its ending, for names from the data: readable, and never a path.

    A digest of the names keeps those apart that look alike once only letters and digits are left.
    """
    readable = "-".join(re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:28] for name in names)
    digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable.strip('-') or 'figure'}-{digest}"
