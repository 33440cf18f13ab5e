import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from igbatch.report.gallery.model import GalleryStudy
from igbatch.report.page.knob_data import PageModel, Sentences, finite
from igbatch.report.page.viewer_data import PageStudy, StoredBox, json_in_html

VIEWER = Path(__file__).parents[3] / "igbatch/report/viewer"
SCHEMA = runpy.run_path(str(VIEWER / "schema.py"))
NAMES = st.text(st.characters(codec=None), max_size=8) | st.just("</script><!--<script>&\u2028\u2029\ud800")


@given(name=NAMES)
def test_json_is_safe_in_a_script_element_and_reads_back(name: str) -> None:
    others = {each: "" for each in Sentences.model_fields if each != "missing"}
    text = json_in_html(Sentences(missing=name, **others))
    assert json.loads(text) == {"missing": name, **others}
    assert text.isascii()
    assert not re.search("[<>&]", text)


def test_json_has_no_number_that_is_not_finite() -> None:
    assert [finite(value) for value in (None, np.nan, np.inf, np.float32(0.5), 2)] == [
        None,
        None,
        None,
        0.5,
        2,
    ]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_the_page_refuses_what_no_browser_reads(number: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        StoredBox(box=0, pixels=1, sum=number, share=None)


@pytest.mark.parametrize(("model", "name"), [(PageStudy, "study"), (GalleryStudy, "gallery")])
def test_the_schemas_that_the_types_of_the_scripts_are_generated_from_are_current(
    model: type[PageModel], name: str
) -> None:
    schema = SCHEMA["schema"](model)
    committed = (VIEWER / f"{name}.schema.json").read_text("utf-8")
    assert committed == schema, "run `python igbatch/report/viewer/schema.py`"
    types = (VIEWER / f"src/{name}_types.ts").read_text("utf-8")
    names = set(json.loads(schema)["$defs"]) | {model.__name__}
    assert set(re.findall(r"export interface (\w+)", types)) == names
