"""Building models: whatever was saved is loaded bit for bit, and what does not fit is one line."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import timm.data
import torch
from safetensors.torch import save_file
from timm.models import build_model_with_cfg, register_model, save_for_hf, swin_transformer_v2
from timm.models.swin_transformer_v2 import SwinTransformerV2
from torch import nn

from igbatch.birds.facts import BUNDLED_ARCHITECTURE
from igbatch.errors import InputError
from igbatch.variants.models import class_name, create_untrained, describe_model, load_trained, weights_sha256
from igbatch.variants.weights import WeightsSource, locate_weights

pytestmark = pytest.mark.slow

KEY = "models.m.weights"
TINY = "swin_tiny_patch4_window7_224"
SMALL_V2 = "swinv2_igbatch_test"

default_cfgs = {SMALL_V2: {"input_size": (3, 64, 64), "num_classes": 3, "classifier": "head.fc"}}


@register_model
def swinv2_igbatch_test(pretrained: bool = False, **kwargs: Any) -> SwinTransformerV2:
    """A Swin of the second version that costs nothing; timm's start at 28 million parameters."""
    size = {"img_size": 64, "window_size": 4, "embed_dim": 16, "depths": (1, 2), "num_heads": (1, 2)}
    how = {
        "pretrained_filter_fn": swin_transformer_v2.checkpoint_filter_fn,
        "num_classes": 3,
        **size,
        **kwargs,
    }
    return build_model_with_cfg(SwinTransformerV2, SMALL_V2, pretrained, **how)


def save(model: nn.Module, path: Path, dtype: torch.dtype = torch.float32) -> WeightsSource:
    save_file({name: tensor.to(dtype) for name, tensor in model.state_dict().items()}, path)
    return WeightsSource(BUNDLED_ARCHITECTURE, str(path))


def build(**how: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(BUNDLED_ARCHITECTURE, **how)


def assert_same(one: nn.Module, other: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    """Parameters are equal bit for bit, after the second's went through `dtype`."""
    expected = other.state_dict()
    assert one.state_dict().keys() == expected.keys()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, expected[name].to(dtype).float()), name


def refusal(action: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(InputError) as caught:
        action(*args)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{KEY}: ")
    assert len(line) < 700
    return line


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_file_is_loaded_bit_for_bit(tmp_path: Path, some_model: nn.Module, dtype: torch.dtype) -> None:
    source = save(some_model, tmp_path / "w.safetensors", dtype)
    describe_model(source, KEY)
    model = load_trained(source, KEY)
    assert_same(model, some_model, dtype)
    assert not any(module.training for module in model.modules())
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


def test_a_folder_that_timm_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    model = build(num_classes=3)
    config = {"mean": [0.1, 0.2, 0.3], "crop_pct": 0.9, "label_names": ["hawk", "jay", "rook"]}
    save_for_hf(model, tmp_path, model_config=config, safe_serialization=True)
    content = json.loads((tmp_path / "config.json").read_text())
    content["pretrained_cfg"] |= {key: config[key] for key in ("mean", "crop_pct")}
    (tmp_path / "config.json").write_text(json.dumps(content))
    source = locate_weights(f"local-dir:{tmp_path}", None, KEY)
    facts = describe_model(source, KEY)
    assert (facts.classes, facts.class_names) == (3, {"hawk": 0, "jay": 1, "rook": 2})
    assert facts.data_config["mean"] == config["mean"]
    assert facts.data_config["crop_pct"] == config["crop_pct"]
    loaded = load_trained(source, KEY)
    assert_same(loaded, model)
    assert create_untrained(source, KEY).get_classifier().out_features == 3


def test_a_checkpoint_of_the_papers_authors_is_loaded(tmp_path: Path, some_model: nn.Module) -> None:
    tensors = {}
    for name, tensor in some_model.state_dict().items():
        name = re.sub(
            r"layers\.(\d)\.downsample", lambda found: f"layers.{int(found[1]) - 1}.downsample", name
        )
        tensors[name.replace("head.fc.", "head.")] = tensor
    tensors["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.int64)
    tensors["layers.2.blocks.1.attn_mask"] = torch.zeros(4, 49, 49)
    save_file(tensors, tmp_path / "w.safetensors")
    source = WeightsSource(BUNDLED_ARCHITECTURE, str(tmp_path / "w.safetensors"))
    describe_model(source, KEY)
    assert_same(load_trained(source, KEY), some_model)


def test_a_swin_of_the_second_version_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    model = create_untrained(WeightsSource(SMALL_V2, None), KEY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_()
    tensors = dict(model.state_dict())
    tensors["layers.0.blocks.0.attn.relative_coords_table"] = torch.zeros(1, 7, 7, 2)  # of older checkpoints
    save_file(tensors, tmp_path / "w.safetensors")
    source = WeightsSource(SMALL_V2, str(tmp_path / "w.safetensors"))
    facts = describe_model(source, KEY)
    assert facts.classes == 3
    assert list(facts.layers) == ["patch_embed", "layers.0", "layers.1", "norm", "head"]
    assert_same(load_trained(source, KEY), model)
    del tensors["layers.1.blocks.1.attn.logit_scale"]
    save_file(tensors, tmp_path / "w.safetensors")
    assert "has no layers.1.blocks.1.attn.logit_scale" in refusal(describe_model, source, KEY)


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        (
            {"depths": (1, 1, 6, 2)},
            ["has layers.2.blocks.4", "has none, and 25 more tensors differ", "hold more than its model"],
        ),
        ({"depths": (1, 1, 2, 2)}, ["has no layers.2.blocks.2"]),
        ({"embed_dim": 16}, ["patch_embed.proj.weight as [16, 3, 4, 4]", "needs [32, 3, 4, 4]"]),
        (
            {"window_size": 8, "img_size": 256},
            ["relative_position_bias_table as [225, 1]", "needs [169, 1]", "of windows of 8 x 8, not 7 x 7"],
        ),
        ({"patch_size": 8}, ["patch_embed.proj.weight as [32, 3, 8, 8]", "needs [32, 3, 4, 4]"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_weights_of_another_model_are_refused_before_anything_is_loaded(
    tmp_path: Path, how: dict[str, Any], parts: list[str]
) -> None:
    source = save(build(**how), tmp_path / "w.safetensors")
    line = refusal(describe_model, source, KEY)
    for part in [
        source.file,
        BUNDLED_ARCHITECTURE,
        "these weights belong to another architecture",
        *parts,
    ]:
        assert str(part) in line


def test_the_bundled_weights_fit_no_other_architecture() -> None:
    bundled = locate_weights("bundled", None, KEY)
    assert TINY in refusal(describe_model, WeightsSource(TINY, bundled.file), KEY)


def test_an_authors_checkpoint_of_another_window_is_refused(tmp_path: Path) -> None:
    """timm would interpolate its position biases without a word."""
    state = build(window_size=8, img_size=256).state_dict()
    tensors = {
        name.replace("head.fc.", "head.").replace("layers.1.down", "layers.0.down"): t
        for name, t in state.items()
    }
    save_file(tensors, tmp_path / "w.safetensors")
    source = WeightsSource(BUNDLED_ARCHITECTURE, str(tmp_path / "w.safetensors"))
    assert "belong to another architecture" in refusal(describe_model, source, KEY)


def test_what_is_not_safetensors_is_refused_unopened(
    tmp_path: Path, write_pickle: Callable[[Path], None], some_model: nn.Module
) -> None:
    path = tmp_path / "w.safetensors"
    source = WeightsSource(BUNDLED_ARCHITECTURE, str(path))
    for damage in ("pickle", "empty", "cut", "text"):
        save(some_model, path)
        whole = path.read_bytes()
        if damage == "pickle":
            write_pickle(path)
        else:
            path.write_bytes(
                {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"weights\n" * 50}[damage]
            )
        message = "not a whole safetensors file" if damage == "cut" else "not a safetensors file"
        assert message in refusal(describe_model, source, KEY)
        assert message in refusal(load_trained, source, KEY)


def test_a_file_that_vanished_is_refused(tmp_path: Path) -> None:
    refusal(load_trained, WeightsSource(BUNDLED_ARCHITECTURE, str(tmp_path / "gone.safetensors")), KEY)


@pytest.mark.parametrize(
    ("architecture", "part"),
    [
        ("swin_enormous", "timm has no model 'swin_enormous'; Swin Transformers are swin_"),
        ("", "timm has no model ''"),
        ("hf-hub:timm/" + TINY, "timm has no model"),
        ("local-dir:/tmp", "timm has no model"),
        (f"{TINY}.nobody", "Invalid pretrained tag"),
        ("resnet18", "resnet18 is a ResNet; igbatch explains Swin Transformers"),
        ("swin_s3", "timm has no model 'swin_s3'"),
    ],
)
def test_an_architecture_that_is_no_swin_of_timms_is_refused(architecture: str, part: str) -> None:
    assert part in refusal(describe_model, WeightsSource(architecture, None), KEY)
    assert part in refusal(create_untrained, WeightsSource(architecture, None), KEY)


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"interpolation": "random"}, "interpolation: 'random'"),
        ({"mean": "gray"}, "mean: 'gray'"),
        ({"crop_pct": "all"}, "crop_pct: 'all'"),
        ({"input_size": [1, 224, 224]}, "input_size: [1, 224, 224]"),
        ({"input_size": [3, 224]}, "cannot be built"),
        ({"num_classes": "many"}, "cannot be built"),
    ],
)
def test_a_data_config_that_cannot_be_followed_is_refused(config: dict[str, Any], part: str) -> None:
    assert part in refusal(describe_model, WeightsSource(BUNDLED_ARCHITECTURE, None, config), KEY)


def test_facts_are_plain_and_those_of_the_real_model(trained: nn.Module) -> None:
    facts = describe_model(locate_weights("bundled", None, KEY), KEY)
    assert facts.classes == trained.get_classifier().out_features
    assert list(facts.class_names.values()) == list(range(facts.classes))
    expected = timm.data.resolve_data_config(model=trained)
    assert facts.data_config == json.loads(json.dumps(facts.data_config)) == json.loads(json.dumps(expected))


def test_classes_of_imagenet_have_their_names() -> None:
    facts = describe_model(WeightsSource(TINY, None), KEY)
    assert facts.classes == 1000
    assert facts.class_names["bald eagle"] == 22
    assert facts.class_names["magpie"] == 18
    assert facts.data_config["input_size"] == [3, 224, 224]


@pytest.mark.parametrize("names", [None, ["a", "b"], ["a", "b", "c", "d", "e", "f"]])
def test_classes_without_as_many_names_are_numbered(names: list[str] | None) -> None:
    config = {"num_classes": 3, "label_names": names}
    facts = describe_model(WeightsSource(TINY, None, config), KEY)
    assert facts.class_names == {"0": 0, "1": 1, "2": 2}


def test_a_file_has_the_classes_of_its_head_and_so_have_random_models(tmp_path: Path) -> None:
    """timm would leave the head of another number of classes random, without a word."""
    model = build(num_classes=3)
    with torch.no_grad():
        model.get_classifier().bias.fill_(0.25)
    source = save(model, tmp_path / "w.safetensors")
    facts = describe_model(source, KEY)
    assert (facts.classes, facts.class_names) == (3, {"0": 0, "1": 1, "2": 2})
    known = replace(source, classes=facts.classes)
    assert_same(load_trained(known, KEY), model)
    assert create_untrained(known, KEY).get_classifier().out_features == 3
    assert known.identity() == source.identity()


def test_a_folder_whose_config_says_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    save(build(num_classes=3), tmp_path / "model.safetensors")
    for config, stated in (({"num_classes": 5}, 5), ({"pretrained_cfg": {"num_classes": 1000}}, 1000)):
        (tmp_path / "config.json").write_text(json.dumps({"architecture": BUNDLED_ARCHITECTURE, **config}))
        line = refusal(describe_model, locate_weights(f"local-dir:{tmp_path}", None, KEY), KEY)
        assert f"has a head of 3 classes, the config.json beside it says num_classes {stated}" in line
    (tmp_path / "config.json").write_text(json.dumps({"architecture": BUNDLED_ARCHITECTURE}))
    assert describe_model(locate_weights(f"local-dir:{tmp_path}", None, KEY), KEY).classes == 3


def test_of_two_classes_with_one_name_the_first_has_it() -> None:
    config = {"num_classes": 3, "label_names": ["crane", "hawk", "crane"]}
    facts = describe_model(WeightsSource(BUNDLED_ARCHITECTURE, None, config), KEY)
    assert facts.class_names == {"crane": 0, "hawk": 1}
    assert class_name(facts.class_names, 1) == "hawk"
    assert class_name(facts.class_names, 2) is None


def test_the_digest_covers_every_tensor_and_nothing_else(some_model: nn.Module) -> None:
    digest = weights_sha256(some_model)
    assert weights_sha256(some_model.train()) == digest
    some_model.eval()
    parameters = dict(some_model.named_parameters())
    for name in (
        "patch_embed.proj.weight",
        "layers.2.blocks.1.attn.relative_position_bias_table",
        "head.fc.bias",
    ):
        tensor = parameters[name].data.view(-1)
        before = tensor[-1].clone()
        tensor[-1] = torch.nextafter(before, torch.tensor(1e9))
        assert weights_sha256(some_model) != digest
        tensor[-1] = before
    assert weights_sha256(some_model) == digest


class Holder(nn.Module):
    def __init__(self, **tensors: torch.Tensor) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)


def test_the_digest_tells_names_shapes_and_types_apart() -> None:
    zeros = torch.zeros(4)
    models = [
        Holder(a=zeros, b=torch.ones(4)), Holder(a=torch.ones(4), b=zeros), Holder(a=zeros), Holder(b=zeros),
        Holder(a=zeros.view(2, 2)), Holder(a=zeros.int()), Holder(a=torch.zeros(2), b=torch.zeros(2)),
    ]  # fmt: skip
    assert len({weights_sha256(model) for model in models}) == len(models)
    assert weights_sha256(Holder(b=torch.ones(4), a=zeros)) == weights_sha256(models[0])


def test_weights_that_timm_has_nowhere_are_refused() -> None:
    source = WeightsSource("swin_s3_nobody_224", None)
    assert "timm has no model" in refusal(describe_model, source, KEY)
    assert "timm knows no weights of" in refusal(load_trained, WeightsSource(BUNDLED_ARCHITECTURE, None), KEY)
