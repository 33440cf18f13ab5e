"""What a study lists: settings, images, variants and targets, and which images a variant is computed on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError, one_line
from igbatch.store import schemas
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output
from igbatch.store.row_index import Listing
from igbatch.store.scan import scan
from igbatch.study import Study
from igbatch.study_file import kept_study


class StudyLists:
    """The lists of an output's study, read on first use.

    Attributes:
        output: where the study lies.
        record: the content of `study.json`.

    Raises:
        InputError: there is no study at this place.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        record = read_study(output)
        if record is None:
            raise InputError(f"{output.uri}: no study here (study.json is missing); check the path")
        self.record: dict[str, Any] = record

    @cached_property
    def study(self) -> Study:
        """The study as its file has it, with defaults for keys that were not there when it was run.

        Raises:
            InputError: it has a value that this igbatch does not know.
        """
        return kept_study(self.record["study"], f"{self.output.uri}: study.json")

    @cached_property
    def images(self) -> pa.Table:
        """The images of the study: `schemas.IMAGES`."""
        return self.output.read_table(self.output.path("images.parquet"))

    @cached_property
    def variants(self) -> pa.Table:
        """The variants of the study, in its order: `schemas.VARIANTS`."""
        return self.output.read_table(self.output.path("variants.parquet"))

    @property
    def variant_ids(self) -> list[str]:
        """The ids of the variants, in the order of the study."""
        return list(self.variants["variant_id"].to_pylist())

    @property
    def target_names(self) -> list[str]:
        """The values of the `target` column that the study lists, in its order."""
        return list(self.record["target_names"])

    @property
    def contrasts(self) -> dict[str, tuple[str, str]]:
        """The names of the two classes of each target that is a contrast."""
        return {name: (pair[0], pair[1]) for name, pair in self.record.get("contrasts", {}).items()}

    @property
    def families(self) -> dict[str, list[str]]:
        """The targets whose maps share joint ranges: all classes under "", and each contrast by itself.

        A contrast answers another question than its classes: it neither widens their ranges nor is drawn
        under them.
        """
        classes = [name for name in self.target_names if name not in self.contrasts]
        found = {name: [name] for name in self.target_names if name in self.contrasts}
        return ({"": classes} if classes else {}) | found

    @cached_property
    def listing(self) -> Listing:
        """The images and targets that the study lists: about 100 bytes an image."""
        images = self.output.read_table(self.output.path("images.parquet"), ["image_id", "etag"])
        return Listing(images, self.target_names)

    def listing_of(self, variant_id: str, listing: Listing | None = None) -> Listing:
        """Return the listing of all images or of some, less those that a variant is not computed on."""
        listing = listing or self.listing
        return listing.of_variant(requested_images(self.variants, variant_id, listing.image_ids))

    def expected(self, variant_id: str) -> NDArray[np.bool_]:
        """Tell for each image whether a variant is computed on it: bool [images], in the study's order."""
        requested = self._requested(variant_id)
        return np.broadcast_to(np.True_, len(self.listing.image_ids)) if requested is None else requested

    def expected_images(self, variant_id: str) -> int:
        """Return on how many images a variant is computed."""
        return int(np.count_nonzero(self.expected(variant_id)))

    def variants_of(self, image_id: str) -> list[str]:
        """Return the variants that are computed on an image, in the order of the study."""
        places = self.listing.places_of([image_id])
        one = self.listing.only(places[places >= 0])
        found = ((each, self.listing_of(each, one)) for each in self.variant_ids)
        return [each for each, listing in found if listing.places_of([image_id])[0] >= 0]

    def _requested(self, variant_id: str) -> NDArray[np.bool_] | None:
        return requested_images(self.variants, variant_id, self.listing.image_ids)

    @cached_property
    def listing_digest(self) -> str:
        """A digest of what the study lists: images, targets, and the images of each variant."""
        variants = ((each, self._requested(each)) for each in self.variant_ids)
        of_some = {
            each: np.packbits(requested).tobytes().hex()
            for each, requested in variants
            if requested is not None
        }
        return digest([self.listing.digest(), self.variant_ids, of_some])

    def listed(self, image_ids: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
        """Read the rows of `schemas.IMAGES` of some images, in the order given; unknown ones are left out."""
        selected = list(columns or schemas.IMAGES.names)
        schema = pa.schema([schemas.IMAGES.field(name) for name in dict.fromkeys(["image_id", *selected])])
        ids = pa.array(image_ids, pa.string())
        path, chosen = self.output.path("images.parquet"), pc.field("image_id").isin(ids)
        found = pa.Table.from_batches([rows for _, rows in scan(self.output, [path], schema, chosen)], schema)
        return found.take(pc.index_in(ids, value_set=found["image_id"]).drop_null()).select(selected)


def requested_images(variants: pa.Table, variant_id: str, image_ids: pa.Array) -> NDArray[np.bool_] | None:
    """Tell which images a variant is computed on: bool [images]; None: on every one.

    Args:
        variants: rows of `schemas.VARIANTS`; outputs of earlier versions have no column `images`.
        variant_id: one of them.
        image_ids: of the study.
    """
    row = pc.index(variants["variant_id"], variant_id).as_py()
    if row < 0 or "images" not in variants.column_names:
        return None
    listed = variants["images"][row].values
    return None if listed is None else np.asarray(pc.is_in(image_ids, value_set=listed), dtype=np.bool_)


def read_study(output: Output) -> dict[str, Any] | None:
    """Read the `study.json` of an output, None where there is none.

    Raises:
        InputError: it is not one of igbatch's, or of another version of the layout.
    """
    try:
        study = output.read_json(output.path("study.json"))
    except ValueError as error:
        raise InputError(f"{output.uri}: study.json is damaged ({one_line(error)}); restore it") from None
    if study is None:
        return None
    found = study.get("format") if isinstance(study, dict) else None
    if found != schemas.FORMAT:
        raise InputError(
            f"{output.uri}: study.json has format {found}, this igbatch reads {schemas.FORMAT}; "
            "use the igbatch that wrote it, or another folder"
        )
    calibrations = study.get("calibrations", study.get("settled", {}))  # its name in outputs of before
    return {**{key: value for key, value in study.items() if key != "settled"}, "calibrations": calibrations}
