"""The record of what workers run with: kept as JSON, read back as it was. Its use is in test_settle.py."""

import json
from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from igbatch.pipeline.settled import Settled

settled = st.builds(
    Settled,
    precision=st.sampled_from(["float32", "bfloat16"]),
    arithmetic_error=st.floats(0, 1),
    micro_batch=st.integers(1, 4096),
    reasons=st.lists(st.text(), max_size=3).map(tuple),
)


@given(settled, st.dictionaries(st.sampled_from(["threads", "a later igbatch's"]), st.integers()))
def test_any_record_comes_back_from_json_whatever_stands_beside_it(
    value: Settled, others: dict[str, Any]
) -> None:
    record = json.loads(json.dumps({**others, **asdict(value)}))
    found = Settled.from_record(record)
    assert found == value
    assert hash(found) == hash(value)


@given(st.dictionaries(st.sampled_from(["threads", "micro_batch", "mixed", "reasons"]), st.integers()))
def test_a_record_without_a_precision_settles_nothing(record: dict[str, Any]) -> None:
    assert Settled.from_record(record) is None


def test_passes_are_as_was_chosen_until_the_study_says_something_else() -> None:
    refused = Settled("float32", 0.0, 8, passes="eager", passes_requested="compiled")
    assert refused.passes_for("compiled") == "eager"
    assert refused.passes_for("auto") == "eager"
    assert refused.passes_for("captured") == "captured"
    chosen = Settled("float32", 0.0, 8, passes="compiled")
    assert [chosen.passes_for(name) for name in ("auto", "eager")] == ["compiled", "eager"]
    assert Settled.from_record({**vars(refused)}) == refused
