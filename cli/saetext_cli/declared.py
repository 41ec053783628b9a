"""Commands from requests: a parameter that is a Request becomes one option for each of its fields.

Not for: what a command does with them.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from saetext.errors import InputError
from saetext.io.request import Option, Request, options_of

_LAST = "Model"  # a group of options


def expanded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command for typer in which each :class:`Request` parameter is replaced by its options.

    Bounds and choices are checked where the command line is parsed, and again when the request is made; an
    option that two requests share is given to both.
    """
    own = inspect.signature(command, eval_str=True).parameters
    requests = {p.name: p.annotation for p in own.values() if _is_request(p.annotation)}
    plain = [p for p in own.values() if p.name not in requests]
    taken = {p.name for p in plain}
    found: list[Option] = []
    for request in requests.values():
        for item in options_of(request):
            if item.about.command and item.name not in taken:
                taken.add(item.name)
                found.append(item)
    # what a command is about comes first in its help; where models run, which many share, comes last
    added = [_parameter(item) for item in sorted(found, key=lambda item: item.about.group == _LAST)]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        made = {name: _made(request, given) for name, request in requests.items()}
        command(**{p.name: given[p.name] for p in plain}, **made)

    first = [p for p in plain if p.default is inspect.Parameter.empty]
    rest = [p for p in plain if p.default is not inspect.Parameter.empty]
    ordered = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*first, *rest]]
    run.__signature__ = inspect.Signature([*ordered, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in [*ordered, *added]}
    del run.__wrapped__  # or typer would look at the function as it was written
    return run


def _is_request(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Request)


def _made(request: type[Request], given: dict[str, Any]) -> Request:
    values = {}
    for item in options_of(request):
        if item.about.command:
            value = given[item.name]
            if item.default == () and value is None:
                value = ()
            values[item.name] = value.value if isinstance(value, StrEnum) else value
    try:
        return request(**values)
    except InputError as error:  # what is wrong with the words typed is a matter of usage
        raise typer.BadParameter(str(error)) from None


def _parameter(item: Option) -> inspect.Parameter:
    about = item.about
    switch = f"{item.spelt}/--no-{item.spelt[2:]}" if item.default is True else item.spelt
    settings: dict[str, Any] = {"help": about.help}
    if about.metavar:
        settings["metavar"] = about.metavar
    if about.least is not None:
        settings["min"] = about.least
    if about.most is not None:
        settings["max"] = about.most
    if about.group:
        settings["rich_help_panel"] = about.group
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if item.default == () else item.default,
        annotation=Annotated[_type(item), typer.Option(*(about.flags or (switch,)), **settings)],
    )


def _type(item: Option) -> Any:
    """Return the type typer parses: the hint, an enumeration of the choices, or the field's own."""
    if item.about.hint is not None:
        return item.about.hint
    if item.choices:
        choice = StrEnum(item.name, {value: value for value in item.choices})  # type: ignore[misc]
        return choice | None if type(None) in typing.get_args(item.type) else choice
    if isinstance(item.type, types.UnionType) or typing.get_origin(item.type) is typing.Union:
        parts = [part for part in typing.get_args(item.type) if part is not type(None)]
        if len(parts) != 1:
            raise TypeError(f"{item.name} has several types: give option(hint=...) for the command line")
        return parts[0] | None
    return item.type
