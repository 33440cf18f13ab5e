"""The commands of nights: they parse and print. `igbatch.cli` has them."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from igbatch.options import RUN_OPTIONS, add_options, place

TIMES = ("%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z")


night_options = add_options(
    click.option("--out", metavar="ROOT", callback=place,
                 help="Root of nights (default: ./igbatch-nightly/<study>)."),
    *RUN_OPTIONS,
    click.option("--at-most-every", type=click.FloatRange(0), default=0.0, metavar="HOURS",
                 help="Run no other night so soon; give the exit code of the last one again."),
    click.option("--promote-first", is_flag=True,
                 help="Make this night the reference if it is good and none is yet."),
)  # fmt: skip


@click.command()
@click.argument("study")
@night_options
def night(study: str, **options: Any) -> None:
    """Run STUDY as a night below a root, and audit it against the reference and the last good night."""
    sys.exit(start_night(study, **options))


@click.command()
@click.argument("root", callback=place)
@click.option("--since", type=click.DateTime(TIMES), metavar="TIME",
              help="Only nights that ended since then, UTC: 20261126T020000Z.")  # fmt: skip
@click.option("--json", "whole", is_flag=True, help="Print what is written down of each night as JSON.")
def nights(root: str, since: datetime | None, whole: bool) -> None:
    """List the nights of ROOT. The exit code is that of the last one that ended; 3 where none did."""
    from igbatch.nightly.listing import exit_code, list_nights, print_nights
    from igbatch.nightly.root import NightlyRoot

    found = list_nights(NightlyRoot(root), since)
    if whole:
        click.echo(json.dumps([each.as_json() for each in found], indent=2, ensure_ascii=False))
    else:
        print_nights(found, Console())
    sys.exit(exit_code(found))


@click.command()
@click.argument("root", callback=place)
@click.argument("name", metavar="NIGHT")
@click.option("--note", default="", help="Why, for those who read reference.json.")
@click.option("--force", is_flag=True, help="Even if it failed its audit, had none, or has no maps.")
def promote(root: str, name: str, note: str, force: bool) -> None:
    """Make NIGHT the reference that nights of ROOT are compared with; earlier ones stay on record."""
    from igbatch.nightly.promotion import promote as promote_night
    from igbatch.nightly.root import NightlyRoot

    promotion = promote_night(NightlyRoot(root), name, note=note, force=force)
    click.echo(f"night {promotion.night} is the reference from now on")


@click.command()
@click.argument("root", callback=place)
@click.option("--keep", type=click.IntRange(1), metavar="N",
              help="Keep the maps of the last N nights (default: audit.retain.maps).")  # fmt: skip
@click.option("--unfinished", is_flag=True, help="Also nights older than a week that never finished.")
@click.option("--apply", is_flag=True, help="Delete; without it nothing is.")
def prune(root: str, keep: int | None, unfinished: bool, apply: bool) -> None:
    """Delete maps of old nights of ROOT; statistics, and maps of reference and last good night, stay.

    Without --apply it prints what would go.
    """
    from igbatch.nightly.prune import find_candidates, prune_root, retained, total
    from igbatch.nightly.root import NightlyRoot

    place = NightlyRoot(root)
    keep = keep or retained(place)
    candidates = (prune_root if apply else find_candidates)(place, keep, unfinished=unfinished)
    for each in candidates:
        click.echo(str(each))
    click.echo(f"{total(candidates)}: {'deleted' if apply else 'would go; --apply deletes them'}")


def start_night(study: str | Path, overrides: tuple[str, ...], **options: Any) -> int:
    """Run a night with options of `night_options`; return its exit code."""
    from igbatch.nightly.run import run_night

    return run_night(study, overrides, Console(), **options)


COMMANDS = (night, nights, promote, prune)
