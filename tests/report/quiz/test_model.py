import json
from pathlib import Path
from typing import Any

import pytest

from igbatch.report.quiz.model import canonical, digest_of

CASES = json.loads(Path(__file__).with_name("digest_cases.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_a_digest_is_that_of_the_pages_script(case: dict[str, Any]) -> None:
    assert canonical(case["content"]) == case["canonical"]
    assert digest_of(case["content"]) == case["digest"]
