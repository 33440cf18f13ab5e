"""Writes the JSON schemas that types are made of: of what the scripts of page, gallery and quiz read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from igbatch.report.gallery.model import GalleryStudy
from igbatch.report.page.knob_data import PageModel
from igbatch.report.page.viewer_data import PageStudy
from igbatch.report.quiz.model import Answers, QuizPage


class QuizFiles(PageModel):
    """What the script of a quiz reads, and what it writes."""

    page: QuizPage
    answers: Answers


MODELS: dict[str, type[PageModel]] = {"study": PageStudy, "gallery": GalleryStudy, "quiz": QuizFiles}
"""By the names of their files."""


class _Schema(GenerateJsonSchema):
    """Without titles of fields, which would become names of types in TypeScript."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema(model: type[BaseModel]) -> str:
    """Return the JSON schema of what a script reads, as text."""
    found = model.model_json_schema(mode="serialization", schema_generator=_Schema)
    return json.dumps(found, indent=1) + "\n"


if __name__ == "__main__":
    for name, model in MODELS.items():
        Path(__file__).with_name(f"{name}.schema.json").write_text(schema(model), "utf-8")
