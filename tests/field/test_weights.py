"""Weights as people bring them: fine-tuned on classes of their own, wrapped, renamed, or out of reach."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from helpers import Command
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import nn

from igbatch.birds.facts import BUNDLED_ARCHITECTURE
from igbatch.errors import InputError
from igbatch.pipeline.resolve import ResolvedStudy, resolve_study
from igbatch.store.output import Output
from igbatch.study_file import load_study
from igbatch.variants.models import load_trained, weights_sha256

Write = Callable[..., Path]
MODEL = {"mine": {"architecture": BUNDLED_ARCHITECTURE, "weights": "mine.safetensors"}}
NAMED = {"mine": {**MODEL["mine"], "classes": {"hawk": 0, "owl": 2}}}


@pytest.fixture
def fine_tuned(tmp_path: Path) -> nn.Module:
    """A Swin of three classes, saved as `mine.safetensors` beside the study."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = timm.create_model(BUNDLED_ARCHITECTURE, num_classes=3).eval()
    save_file(dict(model.state_dict()), tmp_path / "mine.safetensors")
    return model


def resolved(study: Path, **how: Any) -> ResolvedStudy:
    return resolve_study(load_study(study), **how)


def refused(study: Path) -> str:
    with pytest.raises(InputError) as caught:
        resolved(study)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_swin_fine_tuned_on_three_classes_is_explained(
    tmp_path: Path, fine_tuned: nn.Module, write_study: Write, compute_study: Callable[..., Output]
) -> None:
    one = {"scenes": [{"kind": "double", "seeds": [1]}]}
    study = write_study(models=NAMED, targets=["hawk", "1", "predicted"], images=one)
    output = compute_study(study, tmp_path / "out", reduce=False)
    rows = {
        variant: output.read_table(info.path).to_pylist()
        for variant in ("trained", "random-3")
        for info in output.files("image_stats", variant)
    }
    assert {row["weights_sha256"] for row in rows["trained"]} == {weights_sha256(fine_tuned)}
    for found in rows.values():
        assert {row["target_index"] for row in found if row["target"] == "hawk"} == {0}
        assert {row["prediction"] for row in found} <= {"hawk", "1", "owl"}


def test_a_run_again_believes_what_was_found_before(fine_tuned: nn.Module, write_study: Write) -> None:
    study = write_study(models=MODEL, targets=["0", "2"])
    first = resolved(study)
    model = first.models["mine"]
    assert (model.classes, model.source.classes) == (3, 3)
    known = {
        "mine": {
            "architecture": model.source.architecture, "weights": model.weights_identity, "classes": 3,
            "class_names": model.own_names, "data_config": model.data_config,
        }
    }  # fmt: skip
    again = resolved(study, known_facts=known)
    assert again.fingerprint() == first.fingerprint()
    assert replace(again.models["mine"], layers={}) == replace(model, layers={})
    assert load_trained(again.models["mine"].source, "k").get_classifier().out_features == 3


def test_the_names_of_imagenet_are_not_given_to_three_classes(
    fine_tuned: nn.Module, write_study: Write
) -> None:
    line = refused(write_study(models=MODEL, targets=["bald eagle", "magpie"]))
    assert "targets: 'bald eagle' is not a class of model mine" in line
    assert "whose 3 classes have no names; name them in models.mine.classes, or use '0', '1', '2' in" in line
    assert "targets: 'eagle' is not a class of model mine" in refused(write_study(models=NAMED))
    assert resolved(write_study(models=NAMED, targets={"bird": 2})).models["mine"].targets == {"bird": 2}
    line = refused(write_study(models=MODEL, targets={"eagle": 22}))
    assert "targets.eagle: 22: swin_igbatch_patch4_window7_224 has 3 classes; use 0 to 2" in line


def test_weights_that_were_saved_from_a_wrapper_are_told_from_which(
    tmp_path: Path, fine_tuned: nn.Module, write_study: Write
) -> None:
    wrapped = nn.DataParallel(fine_tuned)
    save_file(dict(wrapped.state_dict()), tmp_path / "mine.safetensors")
    line = refused(write_study(models=MODEL, targets=["0"]))
    assert "begin with `module.`, as DataParallel or DistributedDataParallel leaves them" in line


def test_a_checkpoint_that_was_only_renamed_is_told_so(
    tmp_path: Path, fine_tuned: nn.Module, write_study: Write
) -> None:
    torch.save(fine_tuned.state_dict(), tmp_path / "mine.safetensors")
    line = refused(write_study(models=MODEL, targets=["0"]))
    assert "mine.safetensors: not a safetensors file but a pickle of torch.save" in line
    assert "save the model's state_dict() with safetensors.torch.save_file" in line


@pytest.mark.parametrize(
    ("offline", "why"), [(False, "http://127.0.0.1:9: "), (True, "HF_HUB_OFFLINE is set")]
)
def test_pretrained_weights_without_a_network_are_one_line(
    tmp_path: Path,
    call: Command,
    write_study: Write,
    monkeypatch: pytest.MonkeyPatch,
    offline: bool,
    why: str,
) -> None:
    swin = {"architecture": "swin_tiny_patch4_window7_224", "weights": "pretrained"}
    study = write_study(models={"tiny": swin}, targets=["magpie"])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    ended = call("run", study, "--out", tmp_path / "out")
    ended.refused("models.tiny.weights: weights of swin_tiny", why, "or give a .safetensors file")
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers_are_named_before_anything_is_computed(
    tmp_path: Path, fine_tuned: nn.Module, write_study: Write
) -> None:
    state = dict(fine_tuned.state_dict())
    state["norm.weight"] = torch.full_like(state["norm.weight"], torch.nan)
    save_file(state, tmp_path / "mine.safetensors")
    model = resolved(write_study(models=MODEL, targets=["0"])).models["mine"]
    with pytest.raises(InputError, match=r"mine\.safetensors: tensor norm\.weight holds NaN or infinity"):
        load_trained(model.source, "models.mine.weights")


def test_a_class_in_another_case_is_what_is_meant(write_study: Write) -> None:
    assert "did you mean 'eagle'? Or use" in refused(write_study(targets=["Eagle"]))
