"""What a reader sees of maps by pixels, patches, superpixels and objects: how much of them has a colour.

    python -m igbatch.cli demo --out demo --set images.superpixels=64
    python benchmarks/regions.py demo --variant trained          # 5 seconds

Under the range of the pair and of the data set; of each image the stronger map counts. A region is seen where
its colour is `SEEN` of the way to the end of the scale or more. "In boxes" is the part of the seen area that
lies in boxes, which have the part of all area that the last line says.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
from rich.console import Console
from rich.table import Table

from igbatch import open_study
from igbatch.errors import InputError
from igbatch.reduce.ranges import REGIONS, Regions, Scope
from igbatch.results import StudyResults

SEEN = 0.1


def main() -> None:
    """Print medians over the images of a study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out")
    parser.add_argument("--variant", default="trained")
    arguments = parser.parse_args()
    study = open_study(arguments.out)
    table = Table("range", "regions", "regions", "area seen", "sum of |a| seen", "in boxes")
    scopes: tuple[Scope, ...] = ("pair", "dataset")
    for scope, regions in product(scopes, REGIONS):
        try:
            found = seen(study, arguments.variant, scope, regions)
        except InputError as error:
            table.add_row(scope, regions, str(error))
            continue
        count, area, mass, inside = np.nanmedian(found, axis=0)
        table.add_row(scope, regions, f"{count:,.0f}", f"{area:.1%}", f"{mass:.0%}", f"{inside:.0%}")
    images = study.listing.image_ids.to_pylist()
    table.add_row("", "", "", "", "", f"{np.median([boxed(study, each).mean() for each in images]):.0%}")
    Console().print(table)


def seen(study: StudyResults, variant: str, scope: Scope, regions: Regions) -> np.ndarray:
    """Return what is seen of each image's stronger map: float64 [images, 4].

    How many regions it has, the seen parts of its area and of the sum of absolute region sums, and the part
    of the seen area that lies in boxes, NaN where nothing is seen.
    """
    targets = study.target_names[:2]
    found = []
    for image in study.listing.image_ids.to_pylist():
        keys = {"variant_id": variant, "image_id": image, "targets": targets}
        shared = study.scope_range(scope, regions=regions, **keys)
        end = max(-shared.minimum, shared.maximum)
        maps = [np.abs(study.region_sums(variant, image, target, regions)) for target in targets]
        sizes = max(maps, key=lambda each: float(each.sum()))
        shape = study.attribution(variant, image, targets[0]).shape
        shown = study.partition(variant, image, regions).over_pixels(sizes, shape) >= SEEN * end
        inside = shown[boxed(study, image)].sum() / shown.sum() if shown.any() else np.nan
        found.append((sizes.size, shown.mean(), sizes[sizes >= SEEN * end].sum() / sizes.sum(), inside))
    return np.array(found)


def boxed(study: StudyResults, image: str) -> np.ndarray:
    """Return which pixels of an image lie in a box: bool [H, W]."""
    rows = study.boxes_of([image], ["x_min", "y_min", "x_max", "y_max"]).drop_duplicates()
    mask = np.zeros(study.pixels(image).shape[:2], dtype=bool)
    for x_min, y_min, x_max, y_max in rows.to_numpy():
        mask[y_min:y_max, x_min:x_max] = True
    return mask


if __name__ == "__main__":
    main()
