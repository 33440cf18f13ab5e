"""The study file: what to explain, with which models, how, and what to keep.

A study is one YAML file. Every key is declared here and in the modules of its sections, with its default;
`docs/study.md` explains them. Relative paths are relative to the study file. `igbatch.study_file` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from igbatch.study.attribution import AttributionSection, DrawnBaselines, Smoothing
from igbatch.study.audit import AuditSection, Curves, Faithfulness, Retain, Thresholds, Webhook
from igbatch.study.images import Boxes, Images, SceneGroup
from igbatch.study.report import Randomization, Report
from igbatch.study.run import QuarantineSection, Run, Store, WorkerRange
from igbatch.study.section import DYNAMIC_TARGETS, Name, Section, SeededSample
from igbatch.study.variants import Model, Variant, VariantSpec

__all__ = [
    "DYNAMIC_TARGETS", "AttributionSection", "AuditSection", "Boxes", "Curves", "DrawnBaselines",
    "Faithfulness", "Images", "Model", "QuarantineSection", "Randomization", "Report", "Retain", "Run",
    "SceneGroup", "Section", "SeededSample", "Smoothing", "Store", "Study", "Thresholds", "Variant",
    "VariantSpec", "Webhook", "WorkerRange",
]  # fmt: skip


class Study(Section):
    """A whole study. `load_study` makes one from a file."""

    name: Name
    title: str = ""
    images: Images
    models: Annotated[Mapping[Name, Model], Field(min_length=1)]
    targets: Mapping[str, Annotated[int, Field(ge=0)]] | tuple[str, ...]
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)] = (Variant(kind="trained"),)
    attribution: AttributionSection = AttributionSection()
    store: Store = Store()
    run: Run = Run()
    quarantine: QuarantineSection = QuarantineSection()
    randomization: Randomization | None = None
    report: Report = Report()
    audit: AuditSection = AuditSection()

    @field_validator("targets", mode="before")
    @classmethod
    def _one_form(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and any(isinstance(each, Mapping) for each in value):
            raise ValueError("a list holds names alone; give a list of names, or one mapping `name: index`")
        return value

    @field_validator("targets")
    @classmethod
    def _some_targets(cls, value: Any) -> Any:
        if not value:
            raise ValueError("name at least one target")
        if len(set(value)) != len(value):
            raise ValueError("a target is listed twice")
        if isinstance(value, Mapping) and any(DYNAMIC_TARGETS.fullmatch(target) for target in value):
            raise ValueError(
                "`predicted`, `label` and `top-<k>` have no index of their own; list them without one"
            )
        return value

    def target_names(self) -> list[str]:
        """List the values of the `target` column that the study asks for; `top-<k>` stands for k of them."""
        names: list[str] = []
        for target in self.targets:
            if target.startswith("top-") and DYNAMIC_TARGETS.fullmatch(target):
                names += [f"top-{rank}" for rank in range(1, int(target[4:]) + 1)]
            else:
                names.append(target)
        return list(dict.fromkeys(names))
