"""A randomization study on real actors and tasks: cascades computed, maps compared there, seeds added."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from igbatch import open_study
from igbatch.pipeline.messages import RunSummary
from igbatch.pipeline.run import run_stage
from igbatch.store.output import Output
from igbatch.store.verify import verify
from igbatch.study_file import load_study

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_workers")]
STUDY: dict[str, Any] = {
    "name": "randomized",
    "images": {"scenes": [{"kind": "double", "seeds": [1]}]},
    "targets": ["eagle", "magpie"],
    "variants": [
        {"kind": "trained"},
        {"kind": "random", "seeds": [1]},
        {"kind": "cascade", "direction": "down", "seeds": [1]},
    ],
    "attribution": {"steps": 1, "rule": "midpoint", "micro_batch": 4},
    "run": {"workers": 1},
    "randomization": {"random_pairs": 1},
}


def run(study: Path, out: Path, *overrides: str) -> tuple[RunSummary, list[str]]:
    lines: list[str] = []
    return run_stage(load_study(study, overrides), Output(str(out)), say=lines.append), lines


def test_a_randomization_study_runs_grows_and_stays_whole(tmp_path: Path, small_model: str) -> None:
    study, out = tmp_path / "study.yaml", tmp_path / "out"
    content = STUDY | {"models": {"small": {"weights": small_model}}}
    study.write_text(yaml.safe_dump({key: value for key, value in content.items() if key != "randomization"}))
    outcome, lines = run(study, out)
    assert not (out / "similarity.parquet").exists()
    variants = open_study(str(out)).variants.set_index("variant_id")
    cascade = [name for name in variants.index if name.startswith("cascade-down-1-")]
    assert outcome.rows == 2 * (2 + len(cascade))
    assert variants.loc[cascade, "direction"].eq("down").all()
    depths = [len(layers) for layers in variants.loc[cascade, "layers"]]
    assert depths == sorted(set(depths))

    last = cascade[-1]
    assert last == "cascade-down-1-patch_embed"
    assert variants.loc[last, "weights_sha256"] == variants.loc["random-1", "weights_sha256"]
    assert variants.loc[cascade, "weights_sha256"].nunique() == len(cascade)
    results = open_study(str(out))
    for target in ("eagle", "magpie"):
        maps = [results.attribution(each, "double-00001", target) for each in (last, "random-1")]
        assert np.array_equal(*maps)

    study.write_text(yaml.safe_dump(content))  # what is computed stays, and is compared
    compared, lines = run(study, out)
    assert compared.rows == 0
    comparisons = (2 + len(cascade)) + 2 * (1 + len(cascade))
    parts = 2 + len(cascade)
    measured = "{} comparisons of maps made, in {} parts; {} parts stood from before".format
    assert lines[-1] == measured(comparisons, parts, 0)

    rows = open_study(str(out)).similarity.query("comparison == 'to_trained'").set_index("variant_id")
    assert len(rows.loc["random-1"]) == 2
    assert rows.loc["random-1"].reset_index(drop=True).equals(rows.loc[last].reset_index(drop=True))

    again, lines = run(study, out)
    assert (again.rows, len(lines)) == (0, 1)

    grown = [*STUDY["variants"], {"kind": "random", "seeds": [2]}]
    study.write_text(yaml.safe_dump(content | {"variants": grown}))
    outcome, lines = run(study, out)
    assert outcome.rows == 2
    assert lines[-1] == measured(1 + 2 + 2, 1, parts)
    similarity = Output(str(out)).read_table(str(out / "similarity.parquet")).to_pandas()
    assert similarity["comparison"].value_counts()["between_random"] == 2
    assert verify(Output(str(out))).problems == []
