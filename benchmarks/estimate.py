"""How often a map is further off than the error that was stated for it.

Scenes are explained by the bundled model as trained, randomized from the top down by stage, and random
throughout, and by `swin_tiny` with random weights, with `steps="auto"`; true errors are relative L2
distances to references of many fixed Gauss-Legendre steps, which are kept in a file (the same as for
`attribution.py`).

    python benchmarks/estimate.py --first-seed 100 --references references.npz --json estimate.json
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import (
    KINDS,
    Case,
    FloatArray,
    References,
    bundled_case,
    distances,
    fixed,
    machine,
    quantiles,
    tiny_case,
    wide_console,
    write_json,
)
from measure import references as references_of
from rich.console import Console
from rich.table import Table

from igbatch.attribution import integrated_gradients

SMOOTH = ("random", "swin_tiny")
"""Models whose references need few steps."""
ALL_KINDS = (*KINDS, "swin_tiny")
TOLERANCES = (0.05, 0.02, 0.01)
REFERENCE_TOLERANCE = 1e-3
"""Largest change of a reference with its steps: a tenth of the tightest tolerance."""
GOAL = 0.01
"""Share of maps that may be further off than was stated."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Maps of one kind of model at one tolerance: all [maps] each."""

    kind: str
    tolerance: float
    error: FloatArray
    stated: FloatArray
    steps: FloatArray
    converged: FloatArray

    def row(self) -> dict[str, Any]:
        """Return the figures of the table."""
        return {
            "kind": self.kind,
            "tolerance": self.tolerance,
            "maps": len(self.error),
            "steps": float(self.steps.mean()),
            "error": quantiles(self.error),
            "above_stated": int((self.error > self.stated).sum()),
            "above_tolerance": int((self.error > self.tolerance).sum()),
            "not_converged": int((self.converged == 0).sum()),
            "largest_ratio": float((self.error / np.maximum(self.stated, 1e-300)).max()),
        }


def main() -> None:
    arguments = parse()
    console = wide_console()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    file = Path(arguments.references) if arguments.references else None
    outcomes: list[Outcome] = []
    known: dict[str, Any] = {}
    for kind in arguments.kinds:
        steps = arguments.reference // 10 if kind in SMOOTH else arguments.reference
        for case in cases(kind, arguments):
            reference = references_of(case, steps, REFERENCE_TOLERANCE, file, console.log)
            known.setdefault(kind, []).append({"seeds": case.seeds, **reference.summary()})
            if kind in ("trained", "head") and arguments.verify:
                known[kind][-1]["verified"] = verified(case.part(0, arguments.verify), reference)
            for tolerance in arguments.tolerances:
                outcomes.append(measure(kind, case, reference, tolerance, arguments.precision))
                console.log(f"{kind}: {len(case.seeds)} scenes at {tolerance:.1%}")
    rows = summarized(outcomes, arguments)
    show(console, rows, known)
    write_json(
        Path(arguments.json) if arguments.json else None,
        {
            "machine": machine(torch.device(arguments.device)),
            "arguments": vars(arguments),
            "references": known,
            "rows": rows,
            "maps": [
                {"kind": each.kind, "tolerance": each.tolerance, "error": each.error.tolist(),
                 "stated": each.stated.tolist(), "steps": each.steps.tolist()}
                for each in outcomes
            ],
        },
    )  # fmt: skip


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=32, help="scenes a kind of model")
    parser.add_argument("--first-seed", type=int, default=0, help="of the scenes")
    parser.add_argument("--models", type=int, default=2, help="random seeds that the scenes are dealt among")
    parser.add_argument("--kinds", nargs="+", default=list(ALL_KINDS), choices=ALL_KINDS)
    parser.add_argument("--tolerances", type=float, nargs="+", default=list(TOLERANCES))
    parser.add_argument("--reference", type=int, default=1000, help="steps; a tenth of it for random models")
    parser.add_argument("--verify", type=int, default=2, help="scenes whose references get twice the steps")
    parser.add_argument("--references", help="keep the references in this .npz file")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="keep the figures in this file")
    return parser.parse_args()


def cases(kind: str, arguments: argparse.Namespace) -> list[Case]:
    """Deal scenes among models of one kind that were randomized with different seeds."""
    first, count = arguments.first_seed, 1 if kind == "trained" else arguments.models
    dealt = [range(first + own, first + arguments.scenes, count) for own in range(count)]
    make = tiny_case if kind == "swin_tiny" else partial(bundled_case, kind)
    return [
        make(seeds, arguments.device, random_seed=1 + index) for index, seeds in enumerate(dealt) if seeds
    ]


def measure(kind: str, case: Case, reference: References, tolerance: float, precision: str) -> Outcome:
    """Explain a case and compare what was stated with what is true."""
    result = integrated_gradients(
        case.model, case.images, case.targets, case.baseline,
        steps="auto", tolerance=tolerance, precision=precision,
    )  # fmt: skip
    return Outcome(
        kind,
        tolerance,
        reference.errors(result.attributions).ravel(),
        *(
            each.cpu().numpy().ravel().astype(float)
            for each in (result.map_error, result.steps, result.converged)
        ),
    )


def verified(case: Case, reference: References) -> float:
    """Return how far the first references are at most from those of twice the steps."""
    changes = [
        distances(
            fixed(case.part(index, index + 1), 2 * int(steps)).attributions[0], reference.maps[index]
        ).max()
        for index, steps in enumerate(reference.steps[: len(case.seeds)])
    ]
    return float(max(changes))


def summarized(outcomes: list[Outcome], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each kind and tolerance, one for each tolerance, and one for all maps."""
    groups = [(kind, tolerance) for kind in (*arguments.kinds, "all") for tolerance in arguments.tolerances]
    rows = [
        joined(kind, tolerance, [each for each in outcomes if each.tolerance == tolerance
                                 and kind in (each.kind, "all")]).row()
        for kind, tolerance in groups
    ]  # fmt: skip
    total = joined("total", float("nan"), outcomes).row()
    total["above_tolerance"] = sum(row["above_tolerance"] for row in rows if row["kind"] == "all")
    return [*rows, total]


def joined(kind: str, tolerance: float, outcomes: list[Outcome]) -> Outcome:
    """Put outcomes together."""
    parts = [
        np.concatenate([getattr(each, name) for each in outcomes])
        for name in ("error", "stated", "steps", "converged")
    ]
    return Outcome(kind, tolerance, *parts)


def show(console: Console, rows: list[dict[str, Any]], known: dict[str, Any]) -> None:
    """Print the table and the references behind it."""
    table = Table(title="errors of maps against the references")
    for name in ("model", "tolerance", "maps", "steps", "p50", "p95", "max", "above stated",
                 "above tolerance", "error / stated, max", "not converged"):  # fmt: skip
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in rows:
        table.add_row(
            row["kind"], "" if np.isnan(row["tolerance"]) else f"{row['tolerance']:.1%}", str(row["maps"]),
            f"{row['steps']:.1f}", *(f"{row['error'][name]:.3%}" for name in ("p50", "p95", "max")),
            share(row["above_stated"], row["maps"]), share(row["above_tolerance"], row["maps"]),
            f"{row['largest_ratio']:.2f}", str(row["not_converged"]),
        )  # fmt: skip
    console.print(table)
    for kind, parts in known.items():
        for part in parts:
            twice = f"; {part['verified']:.1e} from twice the steps" if "verified" in part else ""
            console.print(
                f"references {kind}: steps {part['steps']},"
                f" change at most {part['largest_change']:.1e}{twice}"
            )
    total = rows[-1]
    above = total["above_stated"] / total["maps"]
    console.print(
        f"{share(total['above_stated'], total['maps'])} of all maps are further off than stated;"
        f" at most {GOAL:.0%} may be: {'met' if above <= GOAL else 'MISSED'}"
    )


def share(count: int, total: int) -> str:
    """Return a count with its share."""
    return f"{count} ({count / total:.1%})"


if __name__ == "__main__":
    main()
