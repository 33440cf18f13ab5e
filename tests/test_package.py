"""What an installed igbatch carries, and what importing it costs."""

import importlib.resources

import pytest


@pytest.mark.parametrize(
    "path",
    [
        "py.typed",
        "report/templates/index.html.j2",
        "report/templates/page.css",
        "report/templates/viewer.js",
        "birds/weights/swin_igbatch.safetensors",
        "birds/weights/MODEL_CARD.md",
        "birds/MODEL_CARD.md.j2",
    ],
)
def test_the_package_carries_its_files(path: str) -> None:
    assert importlib.resources.files("igbatch").joinpath(path).is_file()


def test_an_unknown_name_is_an_attribute_error() -> None:
    import igbatch

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        igbatch.nonsense  # noqa: B018
