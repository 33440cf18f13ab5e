"""Writes study.schema.json: the JSON schema of `igbatch.report.page.viewer_data`, which types are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from igbatch.report.page.viewer_data import PageStudy

PATH = Path(__file__).with_name("study.schema.json")


class _Schema(GenerateJsonSchema):
    """Without titles of fields, which would become names of types in TypeScript."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> str:
    """Return the JSON schema of what the script reads, as text."""
    found = PageStudy.model_json_schema(mode="serialization", schema_generator=_Schema)
    return json.dumps(found, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema(), "utf-8")
