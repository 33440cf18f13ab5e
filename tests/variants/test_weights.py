"""Where weights lie, what identifies them, and that a pickle is never one."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from igbatch.birds.facts import BUNDLED_ARCHITECTURE, BUNDLED_WEIGHTS
from igbatch.errors import InputError
from igbatch.variants.weights import WeightsSource, file_sha256, locate_weights

KEY = "models.m.weights"


def refusal(weights: str, architecture: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        locate_weights(weights, architecture, KEY)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(KEY)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder, as on timm's hub, whose weights are not read here."""
    path = tmp_path / "model"
    path.mkdir()
    (path / "model.safetensors").write_bytes(b"weights")
    configure(path, architecture="swin_tiny", num_classes=3)
    return path


def configure(folder: Path, **config: Any) -> None:
    (folder / "config.json").write_text(json.dumps(config))


def located(folder: Path) -> WeightsSource:
    return locate_weights(f"local-dir:{folder}", None, KEY)


def test_the_bundled_weights_are_package_data() -> None:
    source = locate_weights("bundled", None, KEY)
    assert source == WeightsSource(BUNDLED_ARCHITECTURE, str(BUNDLED_WEIGHTS))
    assert source.identity() == f"sha256:{file_sha256(BUNDLED_WEIGHTS)}"


def test_pretrained_weights_are_the_hubs() -> None:
    source = locate_weights("pretrained", "swin_tiny_patch4_window7_224", KEY)
    assert (source.architecture, source.file) == ("swin_tiny_patch4_window7_224", None)
    assert source.identity() == "timm:swin_tiny_patch4_window7_224"


def test_a_file_is_identified_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"one")
    source = locate_weights(str(path), "swin_tiny", KEY)
    assert source == WeightsSource("swin_tiny", str(path))
    identity = source.identity()
    assert identity == f"sha256:{hashlib.sha256(b'one').hexdigest()}"
    copy = tmp_path / "b.safetensors"
    copy.write_bytes(b"one")
    assert locate_weights(str(copy), "swin_tiny", KEY).identity() == identity
    path.write_bytes(b"two")
    assert locate_weights(str(path), "swin_tiny", KEY).identity() != identity


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/no.safetensors: there is no such file" in refusal(
        f"{tmp_path}/no.safetensors", "swin_tiny"
    )


def test_a_folder_brings_its_architecture_and_its_data_config(folder: Path) -> None:
    config = {"mean": [0.1, 0.2, 0.3], "interpolation": "bilinear"}
    configure(
        folder, architecture="swin_tiny", num_classes=3, label_names=["a", "b", "c"], pretrained_cfg=config
    )
    source = located(folder)
    assert source.architecture == "swin_tiny"
    assert source.file == str(folder / "model.safetensors")
    assert source.data_config == {**config, "num_classes": 3, "label_names": ["a", "b", "c"]}


def test_what_stands_beside_the_pretrained_config_has_precedence(folder: Path) -> None:
    """As timm reads it: the classes of a fine-tuned model, not of the one that it began as."""
    configure(folder, architecture="swin_tiny", num_classes=3, pretrained_cfg={"num_classes": 1000})
    assert located(folder).data_config == {"num_classes": 3}


def test_the_old_flat_config_is_read_too(folder: Path) -> None:
    configure(folder, architecture="swin_tiny", num_classes=3, crop_pct=0.9, url="")
    assert located(folder).data_config == {"num_classes": 3, "crop_pct": 0.9}


def test_the_identity_of_a_folder_covers_the_config_that_matters(folder: Path) -> None:
    before = located(folder).identity()
    configure(folder, architecture="swin_tiny", num_classes=3, license="mit")
    assert located(folder).identity() == before
    configure(folder, architecture="swin_tiny", num_classes=3, pretrained_cfg={"mean": [0.4, 0.4, 0.4]})
    other = located(folder).identity()
    assert other != before
    (folder / "model.safetensors").write_bytes(b"others")
    assert located(folder).identity() not in (before, other)


def test_the_study_may_name_the_architecture_of_a_folder(folder: Path) -> None:
    weights = f"local-dir:{folder}"
    assert locate_weights(weights, "swin_tiny", KEY).architecture == "swin_tiny"
    assert locate_weights(weights, "swin_tiny.ms_in1k", KEY).architecture == "swin_tiny.ms_in1k"
    assert "holds swin_tiny, the study says swin_base" in refusal(weights, "swin_base")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_a_part_is_refused(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    line = refusal(f"local-dir:{folder}")
    assert f"{missing} is missing" in line
    assert "pickled weights are never opened" in line


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pth", "model.pt"])
def test_a_folder_of_pickled_weights_is_refused_unopened(
    folder: Path, name: str, write_pickle: Callable[[Path], None]
) -> None:
    (folder / "model.safetensors").unlink()
    write_pickle(folder / name)
    assert "pickled weights are never opened" in refusal(f"local-dir:{folder}")


@pytest.mark.parametrize(
    "config", ["", "{", "[]", "3", "null", "{}", '{"architecture": "a", "pretrained_cfg": 3}', "\udcff"]
)
def test_a_config_that_is_none_of_timms_is_refused(folder: Path, config: str) -> None:
    (folder / "config.json").write_bytes(config.encode("utf-8", "surrogateescape"))
    assert "config.json: not a model config of timm's; it needs an `architecture`" in refusal(
        f"local-dir:{folder}"
    )


@pytest.mark.parametrize("classes", [0, -1, "5", 2.5, True, [5]])
def test_a_number_of_classes_that_is_none_is_refused(folder: Path, classes: Any) -> None:
    configure(folder, architecture="swin_tiny", num_classes=classes)
    assert f"num_classes is {classes!r}" in refusal(f"local-dir:{folder}")
