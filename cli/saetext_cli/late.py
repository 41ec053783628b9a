"""Commands whose modules are imported when they are used: ``--help`` lists all of them and needs a line each.

Importing all commands, and letting typer read the annotations of their functions, takes longer than all else.
Not for: which commands there are (:mod:`saetext_cli.commands`).
"""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import Any

import typer
from typer.core import HAS_RICH, TyperCommand, TyperGroup

from saetext_cli import printing
from saetext_cli.commands import commands


class LateCommand(TyperCommand):
    """A command with its name and a line of help; the rest comes when something asks for it.

    Parameters
    ----------
    name, module, line : str
        Its name, the module that registers it, and what a list of commands says of it; where the line is
        empty, the module is imported and asked.

    Notes
    -----
    A parameter that is a request becomes its options (:func:`saetext_cli.declared.expanded`).
    """

    def __init__(self, name: str, module: str, line: str) -> None:
        self._module = module
        super().__init__(name, short_help=line or None)

    @cached_property
    def _whole(self) -> Any:
        from saetext_cli.declared import expanded

        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        importlib.import_module(self._module).register(alone)
        for info in alone.registered_commands:
            info.callback = expanded(info.callback) if info.callback is not None else None
        return typer.main.get_command(alone)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Draw the help, in colours where typer does."""
        with printing.styled():
            super().format_help(ctx, formatter)

    @property
    def help(self) -> Any:
        """The whole help."""
        return self._whole.help

    @help.setter
    def help(self, value: Any) -> None:
        """Pass over what the base class sets first."""

    @property
    def epilog(self) -> Any:
        """What stands below the options."""
        return self._whole.epilog

    @epilog.setter
    def epilog(self, value: Any) -> None:
        """Pass over what the base class sets first."""

    @property
    def params(self) -> Any:
        """The options and arguments."""
        return self._whole.params

    @params.setter
    def params(self, value: Any) -> None:
        """Pass over what the base class sets first."""

    @property
    def callback(self) -> Any:
        """The function that runs the command."""
        return self._whole.callback

    @callback.setter
    def callback(self, value: Any) -> None:
        """Pass over what the base class sets first."""


class LateGroup(TyperGroup):
    """All commands; the page that lists them is drawn by :mod:`saetext_cli.overview`."""

    def __init__(self, **settings: Any) -> None:
        late = {name: LateCommand(name, *about) for name, about in commands().items()}
        super().__init__(**{**settings, "commands": late})

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Draw the page; plain where typer draws plain."""
        if not HAS_RICH or self.rich_markup_mode is None:
            super().format_help(ctx, formatter)
            return
        from saetext_cli.overview import print_overview

        with printing.styled():
            print_overview(self, ctx)
