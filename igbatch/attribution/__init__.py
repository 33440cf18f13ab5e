"""Integrated Gradients with torch alone: quadrature rules, outputs, the engine, and captum's call on it."""

from .captum_api import IntegratedGradients
from .engine import AttributionResult, integrated_gradients
from .errors import AttributionError
from .outputs import OUTPUTS
from .precision import PRECISIONS
from .rules import RULES, Quadrature, rule_nodes
from .schedule import default_micro_batch

__all__ = [
    "OUTPUTS",
    "PRECISIONS",
    "RULES",
    "AttributionError",
    "AttributionResult",
    "IntegratedGradients",
    "Quadrature",
    "default_micro_batch",
    "integrated_gradients",
    "rule_nodes",
]
