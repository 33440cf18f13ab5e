"""What passes between workers and the driver: plain values that need neither torch nor Ray to be read."""

import pickle
import subprocess
import sys
from pathlib import Path

import igbatch
from igbatch.pipeline.reports import Fault, Hardware, ShardReport, Times
from igbatch.pipeline.settled import Settled

VALUES = [
    Hardware("node-1", "cuda:NVIDIA H100", "a processor x 16", 2),
    ShardReport("s", 4, 6, 2, 2.0, Times(2.0, 0.5), 80, 16),
    Fault("store", "it is away"),
    Settled("float32", 0.0, 4, reasons=("because",)),
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


def test_what_workers_tell_is_read_where_torch_and_ray_are_not() -> None:
    package = str(Path(igbatch.__file__).parents[1])
    command = [sys.executable, "-c", WITHOUT, package, pickle.dumps(VALUES).hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{VALUES}\n", done.stderr


def test_the_driver_loads_no_torch() -> None:
    """Only workers do, so that a driver on a small head node starts at once."""
    package = str(Path(igbatch.__file__).parents[1])
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]; import igbatch.pipeline.attribute, igbatch.pipeline.run; "
    )
    code += "print(sorted({'torch', 'timm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, package], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
