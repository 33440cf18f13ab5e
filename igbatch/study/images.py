"""The sections on images: where they are, and the boxes on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from igbatch.study.section import Section, Seed, check_seeds, seeds_of

MAX_SCENES = 1_000_000


class SceneGroup(Section):
    """Scenes drawn by the built-in generator: `count` seeds from `first_seed` on, or the listed `seeds`."""

    kind: Literal["single", "double", "empty"]
    label: Literal["eagle", "magpie", "crow", "gull"] | None = None
    seeds: tuple[Seed, ...] = ()
    first_seed: Seed | None = None
    count: Annotated[int, Field(ge=1, le=MAX_SCENES)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SceneGroup:
        check_seeds(self.seeds, self.first_seed, self.count)
        return self

    @model_validator(mode="after")
    def _a_bird_of_its_kind(self) -> SceneGroup:
        if self.kind == "empty" and self.label is not None:
            raise ValueError("an empty scene has no bird; leave `label` out")
        if self.kind == "double" and self.label not in (None, "eagle", "magpie"):
            raise ValueError(
                "a double scene shows an eagle and a magpie; its `label`, the larger one, is one of them"
            )
        return self

    def entries(self) -> Iterator[tuple[str, int]]:
        """Yield (image_id, seed) for each scene of the group."""
        for seed in seeds_of(self.seeds, self.first_seed, self.count):
            yield "-".join(filter(None, (self.kind, self.label, f"{seed:05d}"))), seed


class Boxes(Section):
    """Where the boxes on the images are, and how their file is read. A path alone is a section by itself.

    `match` says how images are named in the file, `units` what its edges are. `invalid` says what becomes of
    boxes that cannot be used, and `crowd` of COCO's regions of many objects (`iscrowd: 1`).
    """

    path: Annotated[str, Field(min_length=1)]
    match: Literal["id", "name", "stem"] = "id"
    units: Literal["pixels", "normalized"] = "pixels"
    invalid: Literal["refuse", "skip"] = "refuse"
    crowd: Literal["skip", "keep"] = "skip"

    @model_serializer(mode="wrap")
    def _shortest(self, whole: SerializerFunctionWrapHandler) -> Any:
        """Write the path alone where all else is at its default, as older studies have it."""
        return self.path if self == Boxes(path=self.path) else whole(self)


class Images(Section):
    """Where the images are: a folder (`root`), a `manifest` CSV, or drawn `scenes`; and the boxes on them.

    `masks` is a folder of PNG label masks, or `segmentation`: the outlines in the COCO file of `boxes`.
    `superpixels` is the number of superpixels that every image is cut into, about.
    """

    root: str | None = None
    manifest: str | None = None
    scenes: tuple[SceneGroup, ...] = ()
    boxes: Boxes | None = None
    masks: Annotated[str, Field(min_length=1)] | None = None
    superpixels: Annotated[int, Field(ge=2, le=2048)] | None = None

    @field_validator("boxes", mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"path": value}
        if value is None or isinstance(value, Mapping | Boxes):
            return value
        raise ValueError("give a path, or a mapping with `path` and how the file is read")

    @model_validator(mode="after")
    def _one_source(self) -> Images:
        if bool(self.scenes) == bool(self.root or self.manifest):
            raise ValueError("give one source: `root` (a folder), `manifest` (a CSV file) or `scenes`")
        if self.scenes and self.boxes:
            raise ValueError("scenes carry their own boxes; leave `boxes` out")
        if self.scenes and self.masks:
            raise ValueError("scenes carry their own boxes; leave `masks` out")
        if self.masks == "segmentation" and (self.boxes is None or self.boxes.units != "pixels"):
            raise ValueError(
                "`masks: segmentation` takes outlines of a COCO file: name one in `boxes`, in pixels"
            )
        return self

    @property
    def objects(self) -> bool:
        """Whether objects of the images are known, by boxes or masks."""
        return bool(self.scenes or self.boxes or self.masks)

    def places(self) -> Iterator[tuple[str, str]]:
        """Yield the keys that name a place, and the paths or URIs that they name."""
        named = {"root": self.root, "manifest": self.manifest, "boxes": self.boxes and self.boxes.path}
        if self.masks != "segmentation":
            named["masks"] = self.masks
        for key, place in named.items():
            if place:
                yield f"images.{key}", place
