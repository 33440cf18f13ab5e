"""The section on curves of deletion and insertion: what it counts, shows, and leaves out."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from igbatch.report.curves import area_rows, curves_figure, curves_view, repeated_targets
from igbatch.results import StudyResults
from igbatch.store import schemas

SETTINGS = {"images": {"sample": 4}, "steps": 4, "random_orders": 2, "fills": ["blurred"]}
KEYS = ("target_index", "other_index")
IMAGES = ("a.png", "b.png", "c.png", "d.png")


def curve_rows(images: tuple[str, ...] = IMAGES) -> list[dict[str, Any]]:
    """Curves that fall at once in order of attribution of the trained model; of the random one as any do."""
    at, found = np.linspace(0, 1, 5), []
    keys = product(("trained", "random-1"), images, ("eagle", "magpie"), ("deletion", "insertion"))
    for place, (variant, image, target, kind) in enumerate(keys):
        for number in (None, 0, 1):
            wiggle = 0.01 * np.sin(np.arange(5) + place + 3 * (number or 0)) * [0, 1, 1, 1, 0]
            line = 0.8 - 0.6 * at + wiggle
            if number is None and variant == "trained":
                line = np.array([0.8, 0.3, 0.2, 0.2, 0.2]) + wiggle
            outputs = line if kind == "deletion" or number is not None else 1 - line
            found.append({
                "variant_id": variant, "image_id": image, "target": target,
                "target_index": ("eagle", "magpie").index(target), "kind": kind,
                "regions": "patch 16", "fill": "blurred", "number": number, "seed": 0, "steps": 4,
                "order": "attribution" if number is None else "random", "fractions": at, "outputs": outputs,
                "area": float(np.trapezoid(outputs, at)),
            })  # fmt: skip
    return found


@pytest.fixture
def results(small_study: StudyResults, change_study: Callable[..., None]) -> StudyResults:
    output = small_study.reader.output
    table = pa.Table.from_pylist(curve_rows(), schema=schemas.CURVES)
    output.put_table(output.path("curves.parquet"), table)
    change_study(small_study, audit={"curves": SETTINGS})
    return small_study


def test_areas_are_in_the_order_of_the_study_and_the_statement_counts_those_of_trained_models(
    results: StudyResults,
) -> None:
    areas = area_rows(results)
    assert areas is not None
    assert areas["variant_id"].tolist() == [each for each in results.reader.variant_ids for _ in range(4)]
    drawn: list[tuple[str, Figure]] = []
    view = curves_view(results, areas, lambda *figure: (drawn.append(figure), ("data:,", 700))[1])
    assert view is not None
    assert [stem for stem, _ in drawn] == ["curves"]
    text = " ".join(view.paragraphs)
    assert "of 4 mean areas (each target, curve, regions and fill), 4 are better than under random" in text
    assert "Of random models, each held against itself, 0 of 4 are better" in text
    assert "higher by construction" in view.paragraphs[-1]
    assert view.table is not None
    cells = dict(zip(view.table.head, view.table.rows[0], strict=True))
    assert cells["images"] == "4"
    assert "±" in cells["random orders"]
    assert " to " in cells["better by"]
    assert "superpixel" not in text


def test_an_image_that_is_one_region_has_no_part_in_means_and_the_page_says_so(results: StudyResults) -> None:
    output = results.reader.output
    whole = {"steps": 1, "fractions": [0.0, 1.0], "outputs": [0.8, 0.2], "area": 0.5}
    single = [{**row, **whole} for row in curve_rows(("a.png",))]
    table = pa.Table.from_pylist([*curve_rows(IMAGES[1:]), *single], schema=schemas.CURVES)
    output.put_table(output.path("curves.parquet"), table)
    areas = area_rows(results)
    assert areas is not None
    assert set(areas["n_images"]) == {3}
    view = curves_view(results, areas, lambda *figure: ("data:,", 700))
    assert view is not None
    assert "1 image is a single superpixel, which has no order" in " ".join(view.paragraphs)


def test_three_images_are_too_few_to_claim_anything(results: StudyResults) -> None:
    output = results.reader.output
    table = pa.Table.from_pylist(curve_rows(IMAGES[:3]), schema=schemas.CURVES)
    output.put_table(output.path("curves.parquet"), table)
    view = curves_view(results, area_rows(results), lambda *figure: ("data:,", 700))
    assert view is not None
    text = " ".join(view.paragraphs)
    assert "Trained models: fewer than 4 images, too few to judge by." in text
    assert "better than" not in text
    assert "Of random models" not in text


def test_a_target_that_is_another_one_on_every_image_counts_once(results: StudyResults) -> None:
    """Here `magpie` is the very class of `eagle`: its areas are shown, and not counted again."""
    output = results.reader.output
    rows = [{**row, "target_index": 0} for row in curve_rows()]
    output.put_table(output.path("curves.parquet"), pa.Table.from_pylist(rows, schema=schemas.CURVES))
    assert repeated_targets(results) == ["magpie"]
    view = curves_view(results, area_rows(results), lambda *figure: ("data:,", 700))
    assert view is not None
    text = " ".join(view.paragraphs)
    assert (
        "of 2 mean areas (each target, curve, regions and fill; magpie is left out, whose curves repeat "
        "those of other targets), 2 are better"
    ) in text
    index = {"eagle": (0, 1), "magpie": (1, 0)}  # two contrasts, each the mirror of the other
    mirrored = [dict(row, **dict(zip(KEYS, index[row["target"]], strict=True))) for row in curve_rows()]
    output.put_table(output.path("curves.parquet"), pa.Table.from_pylist(mirrored, schema=schemas.CURVES))
    assert repeated_targets(results) == ["magpie"]


def test_the_figure_has_a_line_and_a_dashed_one_for_each_variant_with_its_band(results: StudyResults) -> None:
    areas = area_rows(results)
    assert areas is not None
    figure = curves_figure(results, areas)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        f"{target}: {kind} by patch 16, fill: blurred"
        for target, kind in product(("eagle", "magpie"), ("deletion", "insertion"))
    ]
    for axes in figure.axes:
        assert len(axes.lines) == 4
        assert len(axes.collections) == 4
        assert {line.get_xdata()[-1] for line in axes.lines} == {1.0}  # type: ignore[index]
    dashed, trained = figure.axes[0].lines[2:]  # behind those of the random model, as the study has it
    assert trained.get_ydata()[1] < dashed.get_ydata()[1]  # type: ignore[index]


def test_the_page_shows_them_where_the_study_asks_for_them(
    results: StudyResults, rendered: Callable[..., dict[str, bytes]], small_files: dict[str, bytes]
) -> None:
    files = rendered(results)
    page = files["report/index.html"].decode()
    assert page.count("<h2>Deletion and insertion</h2>") == 1
    assert "curve_areas.csv" in page
    lines = files["report/tables/curve_areas.csv"].decode().splitlines()
    assert lines[0].startswith("variant_id,target,kind,regions,fill,n_images,area,")
    assert len(lines) == 1 + 8
    assert "Deletion and insertion" not in small_files["report/index.html"].decode()
