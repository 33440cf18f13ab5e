"""The error of this room: a call that cannot be carried out as given."""

from __future__ import annotations

__all__ = ["AttributionError"]


class AttributionError(ValueError):
    """A call to the attribution room is wrong; the message says what was found, where, and what to do."""
