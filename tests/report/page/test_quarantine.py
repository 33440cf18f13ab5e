from typing import Any

import pandas as pd
import pytest

from igbatch.report.page.quarantine import take_quarantine


@pytest.mark.parametrize(("first", "most"), [(0, 100), (2, 100), (100, 100), (3, 4), (3, 0)])
def test_the_quarantine_is_told_in_its_order(drawn: Any, noise: Any, first: int, most: int) -> None:
    kinds = {"trained": "trained", "random-1": "random"}
    lost = [
        {"variant_id": v, "image_id": f"{n}.png", "target": t, "stage": "image", "error": "gone"}
        for v in kinds
        for n, t in ((3, "magpie"), (1, None), (2, "eagle"), (0, None))
    ]
    study = drawn({}, images=[f"{n}.png" for n in range(4)], kinds=kinds, quarantine=lost)
    whole = study.quarantine
    found = take_quarantine(study, first, most)
    assert found.total == len(whole) == 8
    pd.testing.assert_frame_equal(found.first, whole.head(first), check_dtype=False)
    assert (found.whole is None) == (most < 8)
    if found.whole is not None:
        pd.testing.assert_frame_equal(found.whole, whole)
