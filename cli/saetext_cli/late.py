"""Commands that look at their options when they are used: ``--help`` lists all of them and needs the names.

Typer reads the annotations of every command's function at each start, which takes longer than all else.
"""

from __future__ import annotations

import copy
import inspect
from functools import cached_property
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo

from saetext_cli.declared import expanded

shelf = typer.Typer()  # where commands register; it is never run itself


class LateCommand(TyperCommand):
    """A command with its name and help; options and function come when something asks for them.

    A parameter that is a request becomes its options (:func:`saetext_cli.declared.expanded`).
    """

    def __init__(self, info: CommandInfo) -> None:
        self._info = info
        super().__init__(info.name, help=inspect.getdoc(info.callback), epilog=info.epilog)

    @cached_property
    def _whole(self) -> Any:
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        info = copy.copy(self._info)
        info.callback = expanded(info.callback) if info.callback is not None else None
        alone.registered_commands.append(info)
        return typer.main.get_command(alone)

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
    """The commands on the shelf."""

    def __init__(self, **settings: Any) -> None:
        commands = {info.name: LateCommand(info) for info in shelf.registered_commands}
        super().__init__(**{**settings, "commands": commands})
