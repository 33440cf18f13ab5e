"""The commands of nights: they parse and print. `igbatch.cli` has them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from igbatch.options import place

TIMES = ("%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z")


def night_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a night to a command."""
    for option in (
        click.option("--promote-first", is_flag=True,
                     help="Make this night the reference if it is good and none is yet."),
        click.option("--at-most-every", type=click.FloatRange(0), default=0.0, metavar="HOURS",
                     help="Run no other night so soon; give the exit code of the last one again."),
        click.option("--retry-quarantined", is_flag=True, help="Compute quarantined rows again."),
        click.option("--address", help="Ray cluster to use (default: RAY_ADDRESS, or one of its own)."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key."),
        click.option("--out", metavar="ROOT", callback=place,
                     help="Root of nights (default: ./igbatch-nightly/<study>)."),
    ):  # fmt: skip
        function = option(function)
    return function


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

    Without --apply it says what would go.
    """
    from igbatch.nightly.prune import find_doomed, prune_root, retained, total
    from igbatch.nightly.root import NightlyRoot

    place = NightlyRoot(root)
    keep = keep or retained(place)
    doomed = (prune_root if apply else find_doomed)(place, keep, unfinished=unfinished)
    for each in doomed:
        click.echo(str(each))
    click.echo(f"{total(doomed)}: {'deleted' if apply else 'would go; --apply deletes them'}")


def start_night(
    study: str | Path,
    *,
    out: str | None,
    overrides: Sequence[str],
    address: str | None,
    retry_quarantined: bool,
    promote_first: bool,
    at_most_every: float,
) -> int:
    """Run a night as `igbatch night` does; return its exit code."""
    from igbatch.nightly.run import NightOptions, run_night

    options = NightOptions(out, address, retry_quarantined, promote_first, at_most_every)
    return run_night(study, tuple(overrides), options, Console())


COMMANDS = (night, nights, promote, prune)
