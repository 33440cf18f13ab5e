"""Writes the JSON schemas that types are made of: of what the page's script reads, and the gallery's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from igbatch.report.gallery.model import GalleryStudy
from igbatch.report.page.knob_data import PageModel
from igbatch.report.page.viewer_data import PageStudy

PATH = Path(__file__).with_name("study.schema.json")
GALLERY_PATH = Path(__file__).with_name("gallery.schema.json")


class _Schema(GenerateJsonSchema):
    """Without titles of fields, which would become names of types in TypeScript."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema(model: type[PageModel] = PageStudy) -> str:
    """Return the JSON schema of what a script reads, as text."""
    found = model.model_json_schema(mode="serialization", schema_generator=_Schema)
    return json.dumps(found, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema(), "utf-8")
    GALLERY_PATH.write_text(schema(GalleryStudy), "utf-8")
