"""Digests of everything that a result depends on: a variant's maps, a part of a comparison, a table."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

DIGITS = 16
"""Hexadecimal digits that are kept of the SHA-256 that identifies something."""


def bytes_digest(data: bytes | memoryview | pa.Buffer) -> str:
    """Return `DIGITS` hexadecimal digits of the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def digest(content: Any) -> str:
    """Return the digest of the canonical JSON of some content.

    Content is what JSON holds: texts, numbers, null, lists and mappings of them. Tuples are lists.

    Raises:
        TypeError: it holds anything else.
    """
    return bytes_digest(json.dumps(content, sort_keys=True).encode())


def texts_digest(column: pa.Array) -> str:
    """Return the digest of a column of texts and their order, for lists that are too long for JSON."""
    ends = pa.array([0, len(column)], pa.int64())
    every = pa.LargeListArray.from_arrays(ends, column.cast(pa.large_string()))
    return bytes_digest(pc.binary_join(every, pa.scalar("\0", pa.large_string()))[0].as_buffer())
