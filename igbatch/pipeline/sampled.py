"""Lists and schedules what is measured of a sample's maps, once these are computed.

Each image under each variant is a part, a file of its own, whose name is a digest of all that decides its
numbers. Parts that exist are not measured again, so that an interrupted run is resumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from math import ceil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.errors import InputError
from igbatch.images.selection import select_images
from igbatch.pipeline.curves import SUPERPIXELS, region_counts
from igbatch.pipeline.messages import Calibration, SamplePart, Skipped
from igbatch.pipeline.plan import ShardImage
from igbatch.pipeline.reduction_state import keep_derived, read_derived
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.store import schemas
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.study import Curves, Faithfulness, VariantSpec

Sampled = Faithfulness | Curves
"""A section of `audit` that says what is measured of which images and variants."""


@dataclass(frozen=True)
class SampleMeasure:
    """What is measured of a sample.

    Attributes:
        name: of its section of `audit`, of its table, and of the folder of its parts.
        version: another one measures all parts anew.
        schema: of its rows.
        decisive: keys of the section that decide the numbers of an image.
    """

    name: str
    version: int
    schema: pa.Schema
    decisive: tuple[str, ...]

    @property
    def file(self) -> str:
        """The name of the table."""
        return f"{self.name}.parquet"

    def settings(self, resolved: ResolvedStudy) -> Sampled | None:
        """Return the section of a study; None where it asks for nothing."""
        settings: Sampled | None = getattr(resolved.study.audit, self.name)
        return settings


FAITHFULNESS = SampleMeasure("faithfulness", 1, schemas.FAITHFULNESS, ("perturbations", "radius"))
CURVES = SampleMeasure("curves", 1, schemas.CURVES, ("regions", "steps", "random_orders", "fills"))
MEASURES = (FAITHFULNESS, CURVES)

MAX_POINTS = 20_000_000
"""Of all curves of a study: the table of so many is 320 MB in memory."""

_COLUMNS = [
    "image_id", "target", "target_index", "other_index",
    "image_etag", "image_sha256", "weights_sha256", "fingerprint",
]  # fmt: skip


def measure_parts(
    resolved: ResolvedStudy,
    output: Output,
    device: str,
    threads: int,
    calibration: Calibration | None,
    parts: Sequence[SamplePart],
) -> list[Skipped]:
    """Measure and write parts of one variant in this process; return those that could not be measured.

    There is one at least. `device` is a type of torch's, `calibration` what workers on such devices run with.
    """
    import torch  # in the worker and not in the driver

    from igbatch.pipeline.curves_measurer import CurvesMeasurer
    from igbatch.pipeline.faithfulness_measurer import FaithfulnessMeasurer

    torch.set_num_threads(threads)
    kind = {FAITHFULNESS.name: FaithfulnessMeasurer, CURVES.name: CurvesMeasurer}[parts[0].measure]
    return kind(resolved, output, torch.device(device), calibration, parts).run()


def measured_variants(resolved: ResolvedStudy, settings: Sampled) -> list[VariantSpec]:
    """Return the variants whose maps are measured, in the order of the study."""
    choice = settings.variants
    if choice == "all":
        return resolved.variants
    return [
        spec
        for spec in resolved.variants
        if (spec.kind == "trained" if choice == "trained" else spec.variant_id in choice)
    ]


def check_curves(resolved: ResolvedStudy, images: int) -> None:
    """Refuse curves of a study with so many images that say nothing, or that no table holds.

    Raises:
        InputError: an image is a single region, there is a single step, or the curves have too many points.
    """
    settings = resolved.study.audit.curves
    if settings is None:
        return
    superpixels, points = resolved.study.images.superpixels, 0
    if settings.steps == 1:
        raise InputError("audit.curves.steps: 1: under every order that is the same curve; give 2 or more")
    if SUPERPIXELS in settings.regions and not superpixels:
        raise InputError(
            "audit.curves.regions: superpixels: the study cuts no image into any; say into how many, such as "
            "`images: {superpixels: 64}`, or leave them out"
        )
    for spec in measured_variants(resolved, settings):
        _, height, width = resolved.models[spec.model].data_config["input_size"]
        counts = region_counts(settings, height, width, superpixels)
        points += sum(min(settings.steps, count) + 1 for count in counts.values())
        for regions in (regions for regions, count in counts.items() if count == 1):
            raise InputError(
                f"audit.curves.regions: {regions}: an image of {width} x {height} pixels, as model "
                f"{spec.model} sees it, is a single one, which has no order; give smaller ones"
            )
    curves = 2 * len(settings.fills) * len(resolved.target_names) * (1 + settings.random_orders)
    points *= min(images, settings.images.sample) * curves
    if points > MAX_POINTS:
        raise InputError(
            f"audit.curves: the curves would have {points:,} points, more than {MAX_POINTS:,}; take fewer "
            "images, variants, regions, steps, random_orders or fills"
        )


def find_parts(reader: Reader, resolved: ResolvedStudy, measure: SampleMeasure) -> Iterator[SamplePart]:
    """Yield the parts of a study that asks for a measure, by variant and image.

    Images in quarantine have none. One scan of each variant's statistics finds the rows of the sample.
    """
    settings = measure.settings(resolved)
    assert settings is not None
    ids = reader.listing.image_ids
    places = np.flatnonzero(select_images(settings.images, ids))
    sample: list[str] = ids.take(places).to_pylist()
    uris = dict(zip(sample, reader.listed(sample, ["uri"])["uri"].to_pylist(), strict=True))
    order = {name: place for place, name in enumerate(reader.target_names)}
    decisive = {"seed": settings.images.seed, **settings.model_dump(include={*measure.decisive})}
    for spec in measured_variants(resolved, settings):
        rows = defaultdict(list)
        for row in reader.rows_of(sample, _COLUMNS, spec.variant_id).to_pylist():
            rows[row["image_id"]].append(row)
        for image_id in (name for name in sample if name in rows):
            found = sorted(rows[image_id], key=lambda row: order[row["target"]])
            others = [row.pop("other_index") for row in found]
            for row, other in zip(found, others, strict=True):
                row |= {} if other is None else {"other_index": other}  # digests of before stay
            name = digest(
                {"version": measure.version, **decisive, "variant": spec.variant_id, "rows": found}
            )[:16]
            first = found[0]
            image = ShardImage(image_id, uris[image_id], first["image_etag"], None, (), keep_map=False)
            targets = tuple(
                (row["target"], row["target_index"] if other is None else (row["target_index"], other))
                for row, other in zip(found, others, strict=True)
            )
            yield SamplePart(measure.name, name, spec, image, first["image_sha256"], targets)


def on_cluster(
    output: Output, resolved: ResolvedStudy, missing: Sequence[SamplePart], address: str | None
) -> list[Skipped]:
    """Measure parts on a cluster, each task on the device of a worker; return those that could not be.

    Raises:
        UnfinishedError: the cluster was lost; what is measured is kept.
    """
    from igbatch.pipeline.cluster import map_shards, size_workers
    from igbatch.pipeline.session import ray_session

    known = Reader(output).record["calibrations"]
    with ray_session(address):
        workers = size_workers(resolved.study.run, known)
        calibration = Calibration.from_record(known.get(workers.device, {}))
        measure = partial(measure_parts, resolved, output, workers.device, workers.threads, calibration)
        shared = lots(missing, workers.count)
        found = map_shards(measure, shared, workers.count, cpus=workers.threads, gpus=workers.gpus)
        return list(chain.from_iterable(found))


def lots(parts: Sequence[SamplePart], workers: int) -> Iterator[Sequence[SamplePart]]:
    """Yield parts of one variant, which stand together, in as many lots as there are workers.

    Each lot builds the model once.
    """
    for _, same in groupby(parts, lambda part: part.spec.variant_id):
        lot = list(same)
        size = ceil(len(lot) / workers)
        for start in range(0, len(lot), size):
            yield lot[start : start + size]


def measure_sample(
    measure: SampleMeasure,
    output: Output,
    resolved: ResolvedStudy,
    state: str,
    *,
    address: str | None = None,
    check: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Write the table of a measure of a study whose maps are computed; measure what was not before.

    Without its section nothing is written, nothing removed, and no cluster started. `state` is that of the
    study's results (`reduction_state.state_of`). `check` is called before the table is written; it
    raises where the output is another run's by now. Returns the state of the table, empty without one.
    """
    settings, name = measure.settings(resolved), measure.name
    if settings is None:
        return ""
    state = digest({"state": state, name: settings.model_dump(mode="json")})
    if read_derived(output).get(name) == state and output.exists(output.path(measure.file)):
        return state
    parts = list(find_parts(Reader(output), resolved, measure))
    there = {info.path for info in output.files(name)}
    missing = [part for part in parts if part.path(output) not in there]
    skipped = on_cluster(output, resolved, missing, address) if missing else []
    check()
    for each in skipped:
        where = f"{each.part.spec.variant_id}/{each.part.image.image_id}"
        say(f"{name}: {where}: {each.error}; it has no row, the next run tries again")
    lost = {each.part.path(output) for each in skipped}
    paths = [path for part in parts if (path := part.path(output)) not in lost]
    output.put_tables(output.path(measure.file), measure.schema, map(output.read_table, paths))
    for path in there - set(paths):
        output.delete(path)
    if not skipped:
        keep_derived(output, **{name: state})
    say(
        f"{name} of {len(paths)} (image, variant) pairs: {len(missing) - len(skipped)} measured, "
        f"{len(parts) - len(missing)} stood from before"
    )
    if measure is CURVES and (single := _single(output.read_table(output.path(measure.file), _OF_CURVES))):
        say(f"curves: {single} image(s) are a single superpixel, which has no order: means leave them out")
    return digest([state, sorted(map(output.relative, lost))]) if lost else state


_OF_CURVES = ["image_id", "steps"]


def _single(curves: pa.Table) -> int:
    """Return of how many images some curves have a single step, as those of an image of one region have."""
    return len(curves.filter(pc.equal(curves["steps"], 1))["image_id"].unique())
