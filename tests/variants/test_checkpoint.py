"""The header of a weights file, and messages about a file that is none or does not fit."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from igbatch.errors import InputError
from igbatch.variants.checkpoint import HEAD, check_fit, read_header

KEY = "models.m.weights"


@pytest.fixture
def state(some_model: nn.Module) -> dict[str, Tensor]:
    """The state of a Swin of 5 classes."""
    return dict(some_model.state_dict())


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_header(str(path), KEY)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{KEY}: {path}: ") or line.startswith(f"{KEY}: {path} ")
    return line


def difference(path: Path, needed: dict[str, Tensor]) -> str:
    header = read_header(str(path), KEY)
    with pytest.raises(InputError) as caught:
        check_fit(header, shapes(needed), "swin", KEY)
    return str(caught.value).removeprefix(f"{KEY}: {path} ")


def shapes(tensors: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_header_has_names_and_shapes_whatever_the_type(
    tmp_path: Path, state: dict[str, Tensor], kind: torch.dtype
) -> None:
    save_file({name: tensor.to(kind) for name, tensor in state.items()}, tmp_path / "w.safetensors")
    header = read_header(str(tmp_path / "w.safetensors"), KEY)
    assert header.shapes == shapes(state)
    assert header.classes == 5
    check_fit(header, shapes(state), "swin", KEY)


@pytest.mark.parametrize(
    ("prefix", "writer"),
    [
        ("module.", "as DataParallel or DistributedDataParallel leaves"),
        ("model.", "as PyTorch Lightning or another wrapper leaves"),
        ("_orig_mod.", "as torch.compile leaves"),
        ("backbone.", "as a model around the Swin leaves"),
        ("module._orig_mod.", "as DataParallel or DistributedDataParallel, torch.compile leaves"),
        ("student.swin.", "begin with `student.swin.`:"),
    ],
)
def test_a_prefix_is_named_as_what_it_is(
    tmp_path: Path, state: dict[str, Tensor], prefix: str, writer: str
) -> None:
    save_file({prefix + name: tensor for name, tensor in state.items()}, tmp_path / "w.safetensors")
    line = refusal(tmp_path / "w.safetensors")
    assert f"begin with `{prefix}`" in line
    assert writer in line
    assert f"take it off, {{name.removeprefix('{prefix}'): tensor}}" in line


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("swin.embeddings.patch_embeddings.projection.weight", "transformers"),
        ("features.0.0.weight", "torchvision"),
        ("patch_embed.projection.weight", "OpenMMLab"),
    ],
)
def test_the_names_of_another_library_are_named_so(tmp_path: Path, name: str, library: str) -> None:
    save_file({name: torch.zeros(4, 3, 4, 4)}, tmp_path / "w.safetensors")
    assert f"have the names of {library} (such as {name}), not of timm" in refusal(tmp_path / "w.safetensors")


def test_integers_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    """They would be taken for the numbers themselves, without the scale that a quantized model has."""
    state["norm.weight"] = state["norm.weight"].to(torch.int8)
    save_file(state, tmp_path / "w.safetensors")
    line = refusal(tmp_path / "w.safetensors")
    assert "has norm.weight as I8; igbatch reads F64, F32, F16, BF16: save the model before" in line


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"", "not a safetensors file: it is empty"),
        (b"PK\x03\x04", "a pickle of torch.save, which is never opened; save the model's state_dict()"),
        (b"\x80\x02}q", "but a pickle, which is never opened"),
        (b"\x89HDF\r\n", "but an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS; fetch the file itself"),
        (b"<!DOCTYPE html><html>", "but a web page; download the file itself"),
        (b"\n<html>", "but a web page"),
        (b"nothing that anybody knows", "not a safetensors file ("),
    ],
)
def test_a_file_that_is_something_else_is_told_what_it_is(tmp_path: Path, start: bytes, what: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(start + bytes(100) * bool(start))
    assert what in refusal(path)


def test_a_file_that_is_cut_is_told_so(
    tmp_path: Path, state: dict[str, Tensor], write_pickle: Callable[[Path], None]
) -> None:
    path = tmp_path / "w.safetensors"
    save_file(state, path)
    whole = path.read_bytes()
    for length in (struct.unpack("<Q", whole[:8])[0] // 2, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        line = refusal(path)
        assert f"not a whole safetensors file: {length} bytes, cut off or damaged; copy or save it" in line
    write_pickle(path)
    assert "a pickle, which is never opened" in refusal(path)


def test_the_first_difference_is_named_and_others_are_counted(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    path = tmp_path / "w.safetensors"
    less = {name: tensor for name, tensor in state.items() if name != "norm.bias"}
    save_file(less, path)
    assert difference(path, state).startswith("has no norm.bias, swin needs [256]; these weights belong to")
    save_file({**less, "ema.decay": torch.zeros(1)}, path)
    assert "has no norm.bias, swin needs [256], and 1 more tensor differs; " in difference(path, state)
    save_file({**state, "ema.decay": torch.zeros(1), "ema.step": torch.zeros(1)}, path)
    line = difference(path, state)
    assert line.startswith("has ema.decay as [1], swin has none, and 1 more tensor differs; ")
    assert line.endswith("or hold more than its model: change one of them")
    save_file({**state, "norm.bias": torch.zeros(7)}, path)
    assert difference(path, state).startswith("has norm.bias as [7], swin needs [256]; ")


def test_weights_without_a_head_are_told_so(tmp_path: Path, state: dict[str, Tensor]) -> None:
    backbone = {name: tensor for name, tensor in state.items() if not name.startswith("head.")}
    save_file(backbone, tmp_path / "w.safetensors")
    assert read_header(str(tmp_path / "w.safetensors"), KEY).classes is None
    line = difference(tmp_path / "w.safetensors", state)
    assert line.startswith(f"has no {HEAD}, swin needs [5, 256], and 1 more tensor differs; ")
    assert "these weights have no head, so no classes: save the whole classifier" in line
