"""What passes between workers and the driver: plain values that need neither torch nor Ray to be read."""

import json
import pickle
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import igbatch
from igbatch.pipeline.messages import Calibration, Fault, Hardware, ShardReport, Times

VALUES = [
    Hardware("node-1", "cuda:NVIDIA H100", "a processor x 16", 2),
    ShardReport("s", 4, 6, 2, 2.0, Times(2.0, 0.5), 80, 16),
    Fault("store", "it is away"),
    Calibration("float32", 0.0, 4, reasons=("because",)),
]
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "timm", "ray"):
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
sys.path[:0] = [sys.argv[1]]
import pickle
print(pickle.loads(bytes.fromhex(sys.argv[2])))
"""


@pytest.mark.slow
def test_what_workers_tell_is_read_where_torch_and_ray_are_not() -> None:
    package = str(Path(igbatch.__file__).parents[1])
    command = [sys.executable, "-c", WITHOUT, package, pickle.dumps(VALUES).hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{VALUES}\n", done.stderr


@pytest.mark.slow
def test_the_driver_loads_no_torch() -> None:
    """Only workers do, so that a driver on a small head node starts at once."""
    package = str(Path(igbatch.__file__).parents[1])
    code = "import sys; sys.path[:0] = [sys.argv[1]]; import igbatch.pipeline.driver, igbatch.pipeline.run; "
    code += "print(sorted({'torch', 'timm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, package], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# What workers run with: kept as JSON, read back as it was

calibration = st.builds(
    Calibration,
    precision=st.sampled_from(["float32", "bfloat16"]),
    arithmetic_error=st.floats(0, 1),
    micro_batch=st.integers(1, 4096),
    reasons=st.lists(st.text(), max_size=3).map(tuple),
)


@given(calibration, st.dictionaries(st.sampled_from(["threads", "a later igbatch's"]), st.integers()))
def test_any_record_comes_back_from_json_whatever_stands_beside_it(
    value: Calibration, others: dict[str, Any]
) -> None:
    record = json.loads(json.dumps({**others, **asdict(value)}))
    found = Calibration.from_record(record)
    assert found == value
    assert hash(found) == hash(value)


@given(st.dictionaries(st.sampled_from(["threads", "micro_batch", "mixed", "reasons"]), st.integers()))
def test_a_record_without_a_precision_is_no_calibration(record: dict[str, Any]) -> None:
    assert Calibration.from_record(record) is None


def test_passes_are_as_was_chosen_until_the_study_says_something_else() -> None:
    refused = Calibration("float32", 0.0, 8, passes="eager", passes_requested="compiled")
    assert refused.passes_for("compiled") == "eager"
    assert refused.passes_for("auto") == "eager"
    assert refused.passes_for("captured") == "captured"
    chosen = Calibration("float32", 0.0, 8, passes="compiled")
    assert [chosen.passes_for(name) for name in ("auto", "eager")] == ["compiled", "eager"]
    assert Calibration.from_record({**vars(refused)}) == refused
