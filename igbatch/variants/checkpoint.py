"""Reads the header of a safetensors file, no weights: its tensors, its classes, and whose names it uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from igbatch.errors import InputError, one_line

HEAD = "head.fc.weight"
FLOATS = ("F64", "F32", "F16", "BF16")
_STEM = "patch_embed.proj.weight"
_BUFFERS = ("relative_position_index", "relative_coords_table", "attn_mask")
"""Tensors that older checkpoints hold and timm computes."""

_WRITERS = {
    "module": "DataParallel or DistributedDataParallel",
    "_orig_mod": "torch.compile",
    "model": "PyTorch Lightning or another wrapper",
    "net": "a wrapper",
    "backbone": "a model around the Swin",
    "encoder": "a model around the Swin",
}
"""Who puts a module's name before those of a model's tensors."""

_OTHER_LIBRARIES = {
    "embeddings.patch_embeddings.projection.weight": "transformers",
    "features.0.0.weight": "torchvision",
    "patch_embed.projection.weight": "OpenMMLab",
}
_CONTENTS = {
    b"PK\x03\x04": "a pickle of torch.save, which is never opened",
    b"\x80": "a pickle, which is never opened",
    b"\x89HDF": "an HDF5 file",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file itself (git lfs pull)",
    b"<": "a web page; download the file itself",
}
"""What a file is that begins so."""

_SAVE = "save the model's state_dict() with safetensors.torch.save_file"


@dataclass(frozen=True)
class WeightsHeader:
    """The tensors of a weights file under timm's names.

    Attributes:
        file: its path.
        shapes: of its tensors.
    """

    file: str
    shapes: dict[str, list[int]]

    @property
    def classes(self) -> int | None:
        """The number of classes, from the shape of the head; None where the file has no head."""
        head = self.shapes.get(HEAD)
        return head[0] if head else None


def read_header(file: str, key: str) -> WeightsHeader:
    """Read what a safetensors file holds, and none of its values.

    Raises:
        InputError: it cannot be read, is no whole safetensors file, its tensors have the names of another
            library or a prefix, or are no floating-point numbers.
    """
    try:
        with safe_open(file, framework="np") as weights:
            slices = {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118
            shapes = {name: list(part.get_shape()) for name, part in slices.items()}
            types = {name: str(part.get_dtype()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{key}: {file}: {_not_safetensors(Path(file), error)}") from None
    _check_names(file, shapes, key)
    names = _timm_names(shapes)
    strange = next((name for name, kind in types.items() if kind not in FLOATS and name in names), None)
    if strange is not None:
        raise InputError(
            f"{key}: {file} has {strange} as {types[strange]}; igbatch reads {', '.join(FLOATS)}: "
            "save the model before it is quantized"
        )
    return WeightsHeader(file, {names[name]: shape for name, shape in shapes.items() if name in names})


def check_fit(header: WeightsHeader, needed: Mapping[str, list[int]], architecture: str, key: str) -> None:
    """Compare the tensors of a file with those of a model, by name and shape.

    Raises:
        InputError: they differ; the line names the first that does, how many others do, and what it may be.
    """
    wrong = [name for name in [*needed, *header.shapes] if header.shapes.get(name) != needed.get(name)]
    wrong = list(dict.fromkeys(wrong))
    if not wrong:
        return
    first, stored = wrong[0], header.shapes
    has = f"has {first} as {stored[first]}" if first in stored else f"has no {first}"
    needs = f"needs {needed[first]}" if first in needed else "has none"
    others = len(wrong) - 1
    more = "" if not others else f", and {others} more tensor{'s differ' if others > 1 else ' differs'}"
    raise InputError(
        f"{key}: {header.file} {has}, {architecture} {needs}{more}; {_explained(wrong, stored, needed)}"
    )


def _explained(wrong: list[str], stored: Mapping[str, list[int]], needed: Mapping[str, list[int]]) -> str:
    """Say what a difference comes from, as far as names and shapes tell."""
    if all(name.startswith("head.") for name in wrong) and HEAD not in stored:
        return "these weights have no head, so no classes: save the whole classifier"
    tables = [name for name in wrong if name.endswith("relative_position_bias_table")]
    if tables == wrong and all(name in stored and name in needed for name in tables):
        side = [round((shape[tables[0]][0] ** 0.5 + 1) / 2) for shape in (stored, needed)]
        return (
            f"these weights belong to another architecture, of windows of {side[0]} x {side[0]}, not "
            f"{side[1]} x {side[1]}: change `architecture`"
        )
    if all(name in stored and name not in needed for name in wrong):
        return "these weights belong to another architecture, or hold more than its model: change one of them"
    return "these weights belong to another architecture: change `architecture` or `weights`"


def _not_safetensors(file: Path, error: Exception) -> str:
    """Say what a file is that safetensors cannot open."""
    try:
        size = file.stat().st_size
        with open(file, "rb") as opened:
            start = opened.read(32)
    except OSError as failure:
        return f"cannot be read ({failure.strerror}); check the path and its rights"
    if not size:
        return "not a safetensors file: it is empty; copy or save it again"
    kind = next((kind for begin, kind in _CONTENTS.items() if start.lstrip().startswith(begin)), None)
    if kind is not None:
        return f"not a safetensors file but {kind}; {_SAVE}"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 100_000_000:
        return f"not a whole safetensors file: {size} bytes, cut off or damaged; copy or save it again"
    return f"not a safetensors file ({one_line(error, limit=100)}); {_SAVE}"


def _check_names(file: str, shapes: Mapping[str, list[int]], key: str) -> None:
    """Refuse names that are timm's behind a prefix, or another library's."""
    if _STEM in shapes:
        return
    for name in shapes:
        if name.endswith(f".{_STEM}"):
            prefix = name.removesuffix(_STEM)
            parts = prefix.rstrip(".").split(".")
            writers = ", ".join(dict.fromkeys(_WRITERS[part] for part in parts if part in _WRITERS))
            by = f", as {writers} leaves them" if writers else ""
            raise InputError(
                f"{key}: {file}: the names of its tensors begin with `{prefix}`{by}: take it off, "
                f"{{name.removeprefix({prefix!r}): tensor}}, and save with safetensors.torch.save_file"
            )
        library = next((each for end, each in _OTHER_LIBRARIES.items() if name.endswith(end)), None)
        if library is not None:
            raise InputError(
                f"{key}: {file}: its tensors have the names of {library} (such as {name}), not of timm: "
                "convert it, or train or load the model with timm.create_model"
            )


def _timm_names(shapes: Mapping[str, list[int]]) -> dict[str, str]:
    """Name tensors as timm's loaders do (`checkpoint_filter_fn` of `timm.models.swin_transformer` and `_v2`).

    It drops buffers, and renames what the checkpoints of the paper's authors name otherwise.
    """
    kept = {name: name for name in shapes if not name.endswith(_BUFFERS)}
    if "layers.0.downsample.reduction.weight" not in kept:
        return kept
    renamed = {}
    for name in kept:
        moved = re.sub(r"layers\.(\d+)\.downsample", lambda m: f"layers.{int(m[1]) + 1}.downsample", name)
        renamed[name] = moved.replace("head.", "head.fc.")
    return renamed
