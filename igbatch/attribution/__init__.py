"""Integrated Gradients with torch alone: quadrature rules, outputs, the engine, and captum's call on it."""

from .captum_api import IntegratedGradients
from .engine import (
    Attributed,
    AttributionResult,
    Example,
    Settings,
    attribute,
    default_micro_batch,
    integrated_gradients,
)
from .errors import AttributionError
from .outputs import OUTPUTS
from .precision import PRECISIONS
from .rules import RULES, Quadrature, rule_nodes

__all__ = [
    "OUTPUTS",
    "PRECISIONS",
    "RULES",
    "Attributed",
    "AttributionError",
    "AttributionResult",
    "Example",
    "IntegratedGradients",
    "Quadrature",
    "Settings",
    "attribute",
    "default_micro_batch",
    "integrated_gradients",
    "rule_nodes",
]
