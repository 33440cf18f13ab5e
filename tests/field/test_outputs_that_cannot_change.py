"""Targets whose output cannot change: reported wherever their maps of 0 are met."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from igbatch import open_study
from igbatch.birds.facts import BUNDLED_ARCHITECTURE
from igbatch.errors import InputError
from igbatch.pipeline.resolve import resolve_study
from igbatch.store.output import Output
from igbatch.study_file import load_study


@pytest.fixture(scope="module")
def one_logit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Swin of one logit, as a detector of one bird is trained."""
    import json

    folder = tmp_path_factory.mktemp("one-logit")
    save_file(
        timm.create_model(BUNDLED_ARCHITECTURE, num_classes=1).state_dict(), folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps({"architecture": BUNDLED_ARCHITECTURE, "num_classes": 1}))
    return folder


@pytest.mark.parametrize("output", ["probability", "log-probability"])
def test_a_model_of_one_logit_is_refused_while_planning(
    output: str, one_logit: Path, write_study: Callable[..., Path]
) -> None:
    study = write_study(
        models={"bird": {"weights": f"local-dir:{one_logit}"}},
        targets={"bird": 0},
        attribution={"output": output, "steps": 4},
    )
    with pytest.raises(InputError, match=r"models\.bird has one logit, whose softmax is 1 .*`output: logit`"):
        resolve_study(load_study(study))
    assert resolve_study(load_study(study, ["attribution.output=logit"])).models["bird"].classes == 1


def test_an_image_as_gray_as_its_baseline_is_told_as_one_that_cannot_be_explained(
    write_study: Callable[..., Path], small_model: str, tmp_path: Path, compute_study: Callable[..., Output]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, shade in (("gray.png", 128), ("dark.png", 60)):
        Image.fromarray(np.full((224, 224, 3), shade, np.uint8)).save(folder / name)
    how = {"steps": 4, "baseline": [128, 128, 128]}
    study = write_study(
        images={"root": str(folder)},
        models={"small": {"weights": small_model}},
        variants=[{"kind": "trained"}],
        attribution=how,
    )
    output = compute_study(study, tmp_path / "out")
    results: Any = open_study(output.uri)
    stats = results.image_stats.set_index("image_id")
    assert (stats.loc["gray.png", "abs_sum"] == 0).all()
    assert (stats.loc["dark.png", "abs_sum"] > 0).all()

    from igbatch.job import write_report

    page = Path(write_report(results, output)).read_text()
    assert "2 maps are 0, most of them of trained for eagle (1): the output does not change" in page
