"""Integrated Gradients with torch alone: quadrature rules, outputs, the engine, and captum's call on it."""

from .api import AttributionResult, integrated_gradients
from .captum_api import IntegratedGradients
from .engine import attribute, default_micro_batch
from .errors import AttributionError
from .outputs import OUTPUTS
from .precision import PRECISIONS
from .rules import RULES, Quadrature, rule_nodes
from .settings import Attributed, Example, Settings

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
