"""A notebook is executed, and what its cells show is opened in Chromium: `study.view`, `igbatch.compare`."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from playwright.sync_api import expect

NOTEBOOK = Path(__file__).parents[2] / "docs/notebooks/maps.ipynb"
LIMIT = 3_000_000
COLORS = """canvas => {
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    return new Set(new Uint32Array(copy.getImageData(0, 0, width, height).data.buffer)).size;
}"""
TRIED = """() => {
    const reached = [];
    for (const attempt of [() => parent.document.title, () => parent.secret, () => top.location.href,
                           () => localStorage.length, () => document.cookie, () => frameElement.id]) {
        try { attempt(); reached.push(String(attempt)); } catch {}
    }
    return reached;
}"""


@pytest.fixture(scope="module")
def executed(computed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """What the cells of the notebook show, as HTML, and the folder that it ran in."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    source = notebook.cells[1].source
    assert "igbatch-out/birds" in source
    notebook.cells[1].source = source.replace("igbatch-out/birds", computed.uri)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        client = NotebookClient(notebook, timeout=300, kernel_name="python3")
        client.execute(cwd=str(folder))
    shown = [
        output.data["text/html"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    return shown, folder


@pytest.fixture
def frames(executed: tuple[list[str], Path], page: Any, tmp_path: Path) -> list[Any]:
    """The frames of the two cells, in a page that stands for the notebook."""
    shown, _ = executed
    place = tmp_path / "notebook.html"
    script = "<script>window.secret = 'of the notebook'</script>"
    place.write_text(f"<!DOCTYPE html><title>a notebook</title>{script}{''.join(shown)}", "utf-8")
    page.goto(place.as_uri())
    found = [frame for frame in page.frames if frame.parent_frame]
    for frame in found:
        frame.frame_element().scroll_into_view_if_needed()  # one that is out of sight draws nothing yet
        frame.wait_for_selector("html[data-igbatch-ready]", state="attached")
    return found


@pytest.mark.slow
def test_cells_show_maps_in_frames_that_reach_nothing(
    executed: tuple[list[str], Path], frames: list[Any], page: Any
) -> None:
    assert len(frames) == 2
    for html, frame in zip(executed[0], frames, strict=True):
        assert len(html) < LIMIT
        assert html.startswith('<iframe sandbox="allow-scripts" ')
        assert frame.locator(".panel canvas").first.evaluate(COLORS) > 10
        assert frame.evaluate(TRIED) == []
        assert frame.evaluate("origin") == "null"
        expect(frame.get_by_role("button", name="Copy link")).to_have_count(0)
        expect(frame.get_by_role("button", name="CSV")).to_have_count(0)


@pytest.mark.slow
def test_knobs_work_in_a_frame(frames: list[Any], page: Any) -> None:
    view, compared = frames
    statement = view.locator("#statement")
    view.locator('[name="first-scope"]').select_option("dataset")
    expect(statement).to_contain_text("Joint range of the study")
    view.locator('[name="level"]').fill("3")
    expect(statement).to_contain_text("1/3.0")
    for scope, words in (
        ("image", "Each map's own range"),
        ("models", "Joint range of the image (minimum and maximum of the 2 maps"),
        ("variant", "Joint range of the source (minimum and maximum of all 2 maps"),
        ("dataset", "Joint range of all maps (minimum and maximum of all 4 maps"),
    ):
        compared.locator('[name="first-scope"]').select_option(scope)
        expect(compared.locator("#statement")).to_contain_text(words)
    compared.get_by_role("button", name="Next image").click()
    expect(compared.locator(".photo h3")).to_contain_text("image 2")


@pytest.mark.slow
def test_a_saved_view_is_a_page_of_its_own(executed: tuple[list[str], Path], page: Any) -> None:
    place = executed[1] / "maps.html"
    page.goto(f"{place.as_uri()}#view?range=dataset symmetric&regions=1")
    page.wait_for_selector("html[data-igbatch-ready]", state="attached")
    expect(page.locator("#statement")).to_contain_text("Joint range of all maps")
    text = page.locator("#study-data").text_content()
    low, high = (json.loads(text)["dataset"][end] for end in ("minimum", "maximum"))
    end = np.format_float_positional(max(-low, high), 3, fractional=False)
    expect(page.locator("#statement")).to_contain_text(re.compile(re.escape(end[:4])))
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
