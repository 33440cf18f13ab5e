"""How large the gallery of many images is, how long it takes to make, and how soon it answers in Chromium.

    python benchmarks/gallery.py FOLDER [--images 1000] [--photos]

Writes a made-up study into FOLDER, unless one is there: drawn scenes with their boxes, or with `--photos`
photographs of noise, 500 x 375 pixels; a trained variant and a random one; two targets; maps of 224 x 224
whose values are noise, stronger in boxes. No model computes anything. Then makes the gallery, and prints its
size and the seconds; and of the page the time to the first thumbnail, of a sort, and of frames while all of
it is scrolled through. Needs Chromium on the path and `pip install playwright`.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from page import MARK_READY, OPTIONS, TURN, tell
from PIL import Image
from playwright.sync_api import sync_playwright

import igbatch
from igbatch.birds.scenes import render_scene
from igbatch.reduce.study import reduce_study
from igbatch.report.figures.image_data import ShownRows
from igbatch.report.gallery.gather import Gallery, gallery_of
from igbatch.report.page.html import render_gallery
from igbatch.report.page.study_data import page_data
from igbatch.report.selection import select
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.image_stats import convergence, map_statistics
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.study import Study

TARGETS = ("eagle", "magpie")
VARIANTS = {"trained": 1e-3, "random-1": 1e-5}
SHARD = 64

SCROLL = """() => new Promise(done => {
    const frames = [], from = performance.now();
    let last = from;
    const next = now => {
        frames.push(now - last);
        last = now;
        scrollBy(0, 250);
        if (innerHeight + scrollY >= document.documentElement.scrollHeight - 2) done(frames.slice(1));
        else requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
})"""


def main() -> None:
    """Write, make, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--photos", action="store_true")
    arguments = parser.parse_args()
    out = arguments.folder / "out"
    if not (out / "summary.parquet").exists():
        write_study(arguments.folder, arguments.images, arguments.photos)
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        parser.error("no Chromium on the path")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.html"
        path.write_text(make(str(out)), "utf-8")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=list(OPTIONS))
            measure(browser, path)
            browser.close()


def write_study(folder: Path, images: int, photos: bool) -> None:
    """Write images, statistics and maps of a study, and reduce it."""
    output = Output(str(folder / "out"))
    names = [f"{number:05d}.jpg" if photos else f"double-{number:05d}" for number in range(images)]
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    study = Study.model_validate({
        "name": "made-up", "images": {"root": str(folder / "photos")}, "targets": list(TARGETS),
        "models": {"small": {}}, "attribution": {"steps": 50},
    })  # fmt: skip
    record = {
        "format": schemas.FORMAT, "target_names": list(TARGETS), "study": study.model_dump(mode="json"),
        "targets": {"small": {"eagle": 0, "magpie": 1}}, "versions": {}, "hardware": [],
        "models": {"small": {"architecture": "swin", "weights": "", "data_config": {
            "input_size": [3, 224, 224], "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3,
            "crop_pct": 1.0, "crop_mode": "center"}}},
        "fingerprint": {each: {"rule": "gauss-legendre", "steps": 50} for each in VARIANTS},
    }  # fmt: skip
    output.put_json(output.path("study.json"), record)
    uris = [
        str(folder / "photos" / name) if photos else f"scene:{n}?kind=double" for n, name in enumerate(names)
    ]
    rows = [
        {"image_id": name, "uri": uri, "etag": "", "label": TARGETS[n % 2], "width": 224, "height": 224}
        for n, (name, uri) in enumerate(zip(names, uris, strict=True))
    ]
    output.put_table(output.path("images.parquet"), pa.Table.from_pylist(rows, schema=schemas.IMAGES))
    variants = [{"variant_id": v, "model": "small", "kind": v.partition("-")[0]} for v in VARIANTS]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(variants, schema=schemas.VARIANTS))
    rng = np.random.default_rng(0)
    boxes = {}
    for n, name in enumerate(names):
        boxes[name] = render_scene(n, "double").boxes if not photos else ()
        if photos:
            small = Image.fromarray(rng.integers(0, 255, (40, 53, 3), dtype=np.uint8))
            small.resize((500, 375), Image.Resampling.BICUBIC).save(folder / "photos" / name, quality=90)
    for variant, magnitude in VARIANTS.items():
        for start in range(0, images, SHARD):
            write_shard(output, variant, magnitude, names[start : start + SHARD], boxes, rng)
    reduce_study(output)


def write_shard(
    output: Output, variant: str, magnitude: float, names: list[str], boxes: dict[str, Any], rng: Any
) -> None:
    """Write maps and statistics of some images of a variant."""
    with ShardWriter(output, variant, f"shard-{names[0]}", "fingerprint", encoding="int16") as writer:
        for name in names:
            for target in TARGETS:
                values = (rng.standard_t(2, size=(224, 224)) * magnitude / 20).astype(np.float32)
                for box in boxes[name]:
                    values[box.y_min : box.y_max, box.x_min : box.x_max] += (
                        magnitude / 5 if box.label == target else -magnitude / 20
                    )
                numbers = map_statistics(values)
                row = {**numbers, "score": numbers["sum"], "score_baseline": 0.0, "map_error": None}
                writer.add_image_stats([{
                    "image_id": name, "label": TARGETS[0], "target": target, "target_index": 0,
                    "prediction": target, "prediction_index": 0, "prediction_probability": 0.9,
                    "target_probability": float(rng.uniform()), **row, **convergence(row, 0.05), "steps": 50,
                    "precision": "float32", "device": "cpu", "image_etag": "", "image_sha256": "0" * 64,
                    "image_width": 224, "image_height": 224, "weights_sha256": "0" * 64,
                }])  # fmt: skip
                keys = {"image_id": name, "target": target}
                drawn = [Seen(str(n), box) for n, box in enumerate(boxes[name])]
                writer.add_box_stats([{**keys, **each} for each in box_statistics(values, drawn)])
                writer.add_maps([name], [target], values[None])
        writer.commit()


class Seen:
    """A scene's box as it lies in the model's input."""

    visible_fraction = 1.0

    def __init__(self, box_id: str, box: Any) -> None:
        self.box_id, self.label = box_id, box.label
        self.x_min, self.y_min, self.x_max, self.y_max = box.x_min, box.y_min, box.x_max, box.y_max


def make(out: str) -> str:
    """Make the gallery of a study and return it as HTML."""
    results = igbatch.open_study(out)
    selection = select(results)
    page, _ = page_data(results, selection, ShownRows(results, selection.images))
    wall, cpu = time.perf_counter(), time.process_time()
    gallery = gallery_of(results, page, selection)
    assert isinstance(gallery, Gallery)
    html = render_gallery(gallery, results.study.name)
    parts = {
        "pictures": sum(len(image.picture) for image in gallery.study.images),
        f"{len(gallery.blocks)} sets of maps": sum(map(len, gallery.blocks.values())),
        "all": len(html),
    }
    print(
        f"{len(gallery.study.images)} images, {len(gallery.study.numbers)} numbers. {' '.join(gallery.said)}"
    )
    print(f"made in {time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} s of CPU")
    print(", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in parts.items()))
    print(f"largest resident memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    return html


def measure(browser: Any, path: Path, loads: int = 5) -> None:
    """Load the gallery again and again; then sort it, and scroll through it."""
    ready = []
    for _ in range(loads):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(MARK_READY)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-igbatch-ready]", state="attached")
        ready.append(page.evaluate("window.readyAt"))
    tell("first thumbnail on screen", ready)
    page.wait_for_timeout(1000)
    keys = ["map sum", "image box_contrast"]
    sorts = [page.evaluate(TURN, ["select[name=sort]", keys[n % 2], "change"]) for n in range(10)]
    tell("sort", sorts)
    scopes = [
        page.evaluate(TURN, ["select[name=scope]", ("image", "dataset")[n % 2], "change"]) for n in range(10)
    ]
    tell("range", scopes)
    frames = page.evaluate(SCROLL)
    tell("frame while scrolling", frames)
    print(f"95 % of frames within {statistics.quantiles(frames, n=20)[-1]:.0f} ms")


if __name__ == "__main__":
    main()
