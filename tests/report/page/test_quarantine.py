from typing import Any

import pandas as pd
import pytest

from igbatch.report.page.quarantine import take_quarantine


@pytest.mark.parametrize("most", [0, 3, 4, 7, 8, 100])
def test_the_first_rows_are_held_in_the_order_of_the_quarantine(drawn: Any, most: int) -> None:
    kinds = {"trained": "trained", "random-1": "random"}
    lost = [
        {"variant_id": v, "image_id": f"{n}.png", "target": t, "stage": "image", "error": "gone"}
        for v in kinds
        for n, t in ((3, "magpie"), (1, None), (2, "eagle"), (0, None))
    ]
    study = drawn({}, images=[f"{n}.png" for n in range(4)], kinds=kinds, quarantine=lost)
    found = take_quarantine(study, most)
    assert found.total == len(study.quarantine) == 8
    assert found.whole == (most >= 8)
    pd.testing.assert_frame_equal(found.rows, study.quarantine.head(most), check_dtype=False)
