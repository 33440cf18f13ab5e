"""The digest that stands for what decides the numbers of a variant's maps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(fingerprint: Mapping[str, Any]) -> str:
    """Return a fingerprint as 16 hexadecimal digits of the SHA-256 of its canonical JSON."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]
