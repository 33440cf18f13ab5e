"""What a reader sees of maps by pixels and by patches: how much of them has a colour.

    python -m igbatch.cli demo --out demo
    python benchmarks/regions.py demo --variant trained          # 5 seconds

Under the range of the pair and of the data set; of each image the stronger map counts. A region is seen where
its colour is `SEEN` of the way to the end of the scale or more.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
from rich.console import Console
from rich.table import Table

from igbatch import open_study
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
    table = Table("range", "regions", "area seen", "sum of |a| seen")
    scopes: tuple[Scope, ...] = ("pair", "dataset")
    for scope, regions in product(scopes, REGIONS):
        area, mass = np.median(seen(study, arguments.variant, scope, regions), axis=0)
        table.add_row(scope, regions, f"{area:.1%}", f"{mass:.0%}")
    Console().print(table)


def seen(study: StudyResults, variant: str, scope: Scope, regions: Regions) -> np.ndarray:
    """Return the seen part of area and of absolute sum of each image's stronger map: float64 [images, 2]."""
    targets = study.target_names[:2]
    found = []
    for image in study.listing.image_ids.to_pylist():
        keys = {"variant_id": variant, "image_id": image, "targets": targets}
        shared = study.scope_range(scope, regions=regions, **keys)
        end = max(-shared.minimum, shared.maximum)
        maps = [np.abs(study.region_sums(variant, image, target, regions)) for target in targets]
        sizes = max(maps, key=lambda each: float(each.sum()))
        strong = sizes >= SEEN * end
        found.append((strong.mean(), sizes[strong].sum() / sizes.sum()))
    return np.array(found)


if __name__ == "__main__":
    main()
