"""Options that commands share. Stores are checked to answer before a command begins."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import click

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]
Value = TypeVar("Value", str, None, tuple[str, ...])


def place(context: click.Context, parameter: click.Parameter, value: Value) -> Value:
    """Check the store behind an option or argument, or each of several; a callback of click's.

    Raises:
        InputError: nothing opens it, or its store refuses.
        UnfinishedError: its store does not answer.
    """
    from igbatch.store_errors import require_reachable  # loads pyarrow, which `--help` can do without

    name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    uris: tuple[str, ...] = (value,) if isinstance(value, str) else value or ()
    for uri in uris:
        require_reachable(uri, name)
    return value


def add_options(*options: Decorator) -> Decorator:
    """Return a decorator that adds options to a command, in the order in which its help lists them."""
    return lambda function: reduce(lambda made, option: option(made), reversed(options), function)


OUT = click.option("--out", callback=place,
                   help="Output folder or URI (default: ./igbatch-out/<study name>).")  # fmt: skip
OVERRIDES = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the study."
)
RUN_OPTIONS = (
    OVERRIDES,
    click.option("--address", help="Ray cluster to use (default: RAY_ADDRESS, or one started for this run)."),
    click.option("--retry-quarantined", is_flag=True, help="Compute quarantined rows again."),
)
"""What a run and a night take besides where they lie."""
