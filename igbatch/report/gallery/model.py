"""What the gallery's script gets of a study: models that `viewer/src/gallery_types.ts` is generated from."""

from __future__ import annotations

from typing import Literal

from igbatch.report.page.knob_data import Finite, Knobs, Name, PageModel
from igbatch.report.page.viewer_data import Named, RegionRange


class GalleryNumber(PageModel):
    """A stored number that images are sorted and filtered by."""

    key: str
    title: Name
    words: Name
    """What it is, in a sentence; empty where the title says it."""
    of: Literal["image", "map"]
    """Whether an image has one, or one for each variant and target."""


class GalleryImage(Named):
    """One image, as a thumbnail."""

    label: Name
    picture: str
    """A data URI, as the first model sees it; empty where it cannot be read, and `missing` says why."""
    missing: Name


class GalleryVariant(Named):
    """A variant whose maps or numbers the gallery has."""

    predictions: list[Name]
    """The class that it ranks first, by image; empty where it has no row of the image."""
    in_viewer: list[int]
    """Places of the images that the report's page shows with this variant."""


class GallerySet(PageModel):
    """The maps of one variant and target, by image, as sums over patches; and their numbers."""

    variant: int
    target: int
    block: str
    """Id of the element that holds all maps of the set one below the other, packed as those of the page."""
    width: int
    """Of a map, in patches."""
    height: int
    scales: list[Finite]
    """Values are integers times this, by image; null where there is no map."""
    computed: list[bool]
    """Whether the map was computed, by image, kept or not."""
    range: RegionRange | None
    """Of the regions of all maps of the variant that share one; null where that was not kept."""
    dataset: RegionRange | None
    """The same of all maps of the study."""
    alone: bool
    """Whether it shares no range with the image's maps of other targets, as a contrast of two classes."""
    values: dict[str, list[Finite]]
    """Numbers of maps by key, by image; of six significant digits."""


class GalleryWords(PageModel):
    """What is said of means and groups."""

    mean: str
    unlabelled: str
    unnumbered: str


class GalleryStudy(PageModel):
    """What the gallery holds of a study."""

    format: Literal[1] = 1
    name: Name
    unit: str
    """Of attributions, in words: "of probability"."""
    quantile_error: float
    """Bound of the relative error of quantiles from histograms."""
    regions: int
    """Side of the patches in pixels of the model's input; 1 of pixels."""
    knobs: Knobs
    raw: RegionRange | None
    variants: list[GalleryVariant]
    targets: list[Named]
    all_classes: bool
    """Whether all classes of the study are among them: then the range of all maps of an image is known."""
    images: list[GalleryImage]
    """In the order of the study."""
    numbers: list[GalleryNumber]
    values: dict[str, list[Finite]]
    """Numbers of images by key, by image; of six significant digits."""
    sets: list[GallerySet]
    words: GalleryWords
