"""Keep Pillow's messages about an image off the terminal while it is decoded.

They come as Python's warnings, log records, and lines that libtiff writes to standard error. The
`ImageError` of an image that cannot be used has what matters of them. Only Pillow is silenced, and only
while some thread decodes.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from PIL import _imaging

_lock = threading.Lock()
_decoding = 0
_undo = ExitStack()
# Until 3.14 Python's warnings have one list of filters for all threads, which `warnings.catch_warnings` in
# several threads leaves as whoever ends last found it. So the first to decode adds a filter, and the last
# removes it.


@contextmanager
def off_the_terminal() -> Iterator[None]:
    """Keep Pillow's messages off the terminal; any number of threads may do so at once."""
    global _decoding
    with _lock:
        _decoding += 1
        if _decoding == 1:
            _silence()
    try:
        yield
    finally:
        with _lock:
            _decoding -= 1
            if not _decoding:
                _undo.close()


def _silence() -> None:
    warnings.filterwarnings("ignore", module=r"PIL\.")
    _undo.callback(_forget, warnings.filters[0])
    logger = logging.getLogger("PIL")
    _undo.callback(logger.setLevel, logger.level)
    logger.setLevel(logging.CRITICAL + 1)
    if _set_libtiff_handler is not None:
        _undo.callback(_set_libtiff_handler, _set_libtiff_handler(None))


def _forget(added: Any) -> None:
    filters: Any = warnings.filters
    if added in filters:
        filters.remove(added)


def _libtiff_setter() -> Any:
    """Return `TIFFSetErrorHandler` of the libtiff that Pillow is linked with; None where it cannot be had."""
    try:
        setter = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError, TypeError):  # linked statically, another system, another build of Pillow
        return None
    setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    return setter


_set_libtiff_handler = _libtiff_setter()
"""Gives libtiff another handler of errors, None for none, and returns the one before."""
