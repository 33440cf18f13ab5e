"""How the maps of a study's images are cut into regions: squares, superpixels and objects."""

from __future__ import annotations

from igbatch.errors import InputError
from igbatch.reduce.ranges import Regions, region_size
from igbatch.reduce.scopes import why_missing
from igbatch.results.tables import Tables
from igbatch.statistics.partitions import SEGMENTS, LabelMap, Partition
from igbatch.store.label_maps import FOLDER, LabelMaps, read_label_maps
from igbatch.store.reader import Reader

KEPT_LABEL_MAPS = 64
"""Images whose label maps an opened study keeps, about 200 kB each."""


class ImageRegions(Tables):
    """The tables of a study, and the regions of its images, whose label maps are read on first use."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._label_maps: dict[tuple[str, str], LabelMaps] = {}

    def partition(self, variant_id: str, image_id: str, regions: Regions) -> Partition:
        """Return how regions cut the maps of an image.

        Raises:
            InputError: there are no such regions, or the study kept none.
        """
        if regions not in SEGMENTS:
            return Partition(region_size(regions))
        return Partition(labels=self.label_map(variant_id, image_id, regions).labels)

    def label_map(self, variant_id: str, image_id: str, segments: Regions) -> LabelMap:
        """Return which superpixel or object each pixel of an image is in, as a variant's model sees it.

        Raises:
            InputError: these are no segments, the study kept none of this image, or their file is gone or
                damaged.
        """
        if segments not in SEGMENTS:
            raise InputError(f"label_map: {segments!r} has no labels; it takes {' or '.join(SEGMENTS)}")
        for each in self.label_maps(variant_id, image_id):
            if each.segments == segments:
                return each
        if gone := self._gone(variant_id, image_id):
            raise InputError(
                f"regions {segments!r}: {image_id}: {gone} is gone; `igbatch verify` says what is lost"
            )
        why = why_missing(self.reader, segments, f"maps of {image_id}")
        raise InputError(f"regions {segments!r}: {why}")

    def label_maps(self, variant_id: str, image_id: str) -> LabelMaps:
        """Return all label maps of an image as a variant's model sees it; none where none were kept.

        Raises:
            InputError: their file is damaged.
        """
        model = self._model_of(variant_id)
        if (model, image_id) not in self._label_maps:
            if len(self._label_maps) >= KEPT_LABEL_MAPS:
                self._label_maps.clear()
            found = (
                read_label_maps(self.reader.output, model, name, [image_id]).get(image_id)
                for name in self._files_of(model, image_id)
            )
            self._label_maps[model, image_id] = next(filter(None, found), ())
        return self._label_maps[model, image_id]

    def _files_of(self, model: str, image_id: str) -> list[str]:
        """Return the names of the files that rows of an image say its label maps are in."""
        rows = self.reader.rows_of([image_id], ["variant_id", "label_maps"]).to_pylist()
        own = (row["label_maps"] for row in rows if self._model_of(row["variant_id"]) == model)
        return list(dict.fromkeys(filter(None, own)))

    def _gone(self, variant_id: str, image_id: str) -> str:
        """Return the file of an image's label maps where rows name one and none is there; else nothing."""
        model, output = self._model_of(variant_id), self.reader.output
        paths = [output.path(FOLDER, model, f"{name}.parquet") for name in self._files_of(model, image_id)]
        return "" if any(map(output.exists, paths)) or not paths else output.relative(paths[0])

    def _model_of(self, variant_id: str) -> str:
        return str(self.variants.set_index("variant_id")["model"][variant_id])
