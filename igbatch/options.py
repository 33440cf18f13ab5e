"""Places on the command line: each is asked whether it answers before a command begins."""

from __future__ import annotations

from typing import TypeVar

import click

Value = TypeVar("Value", str, None, tuple[str, ...])


def place(context: click.Context, parameter: click.Parameter, value: Value) -> Value:
    """Ask the store behind an option or argument, or each of several; a callback of click's.

    Raises:
        InputError: nothing opens it, or its store refuses.
        UnfinishedError: its store does not answer.
    """
    from igbatch.store_errors import reach  # loads pyarrow, which `--help` can do without

    name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    uris: tuple[str, ...] = (value,) if isinstance(value, str) else value or ()
    for uri in uris:
        reach(uri, name)
    return value
