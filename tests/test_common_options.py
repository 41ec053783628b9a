"""Options that many verbs have mean the same in each: top, labels, seed, where, sample, on_progress."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from pathlib import Path
from types import UnionType

import pytest
import saetext_cli

import saetext
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress
from saetext.io.request import Option, Request, options_of

# what each is in Python, on the command line, and how its help begins
MEANT: dict[str, tuple[typing.Any, typing.Any, str]] = {
    "top": (int | None, int | None, "Number of "),
    "labels": (
        FeatureLabels | Path | str | None, Path | None, "Table of labels to use instead of the known ones."
    ),
    "seed": (int, int, "Seed of "),
    "where": (str | None, str | None, "Use only the documents for which this condition on metadata holds, "),
    "sample": (int | None, int | None, "Use a random sample of at most this many documents."),
    "on_progress": (OnProgress | None, None, "Called with a Progress as the work goes on."),
}  # fmt: skip
BOUNDS = {"top": 0, "seed": 0, "sample": 2}


def requests() -> list[type[Request]]:
    """Return every request of the library and of the commands."""
    for package in (saetext, saetext_cli):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

    def below(request: type[Request]) -> Iterator[type[Request]]:
        for each in request.__subclasses__():
            yield each
            yield from below(each)

    found = dict.fromkeys(below(Request))
    return [each for each in found if each.__module__.split(".")[0] in ("saetext", "saetext_cli")]


@pytest.fixture(scope="module")
def declared() -> dict[str, list[tuple[type[Request], Option]]]:
    """Return who has each of these options, with its declaration."""
    found: dict[str, list[tuple[type[Request], Option]]] = {name: [] for name in MEANT}
    for request in requests():
        for option in options_of(request):
            if option.name in MEANT:
                found[option.name].append((request, _resolved(request, option)))
    return found


def _resolved(request: type[Request], option: Option) -> Option:
    """Return an option with the type that is imported for type checkers only in its place."""
    [home] = [c for c in request.__mro__ if option.name in vars(c).get("__annotations__", {})][:1]
    names = {**vars(inspect.getmodule(home)), "FeatureLabels": FeatureLabels}
    hint = eval(vars(home)["__annotations__"][option.name], names)
    return dataclasses.replace(option, type=hint)


def _same(a: typing.Any, b: typing.Any) -> bool:
    parts = [
        set(typing.get_args(x)) if isinstance(x, UnionType) or typing.get_args(x) else {x} for x in (a, b)
    ]
    return parts[0] == parts[1]


@pytest.mark.parametrize("name", MEANT)
def test_it_is_given_in_one_way_everywhere(
    name: str, declared: dict[str, list[tuple[type[Request], Option]]]
) -> None:
    python, command, _ = MEANT[name]
    assert len(declared[name]) > 5
    for request, option in declared[name]:
        within = request.__module__.split(".")[0]
        expected = command if within == "saetext_cli" else python
        assert _same(option.type, expected), (request, option.type)
        about = option.about
        assert about.command == (name != "on_progress") and about.flags == (), request
        if about.command:
            assert _same(about.hint or option.type, command), request
            assert about.metavar == {"labels": "FILE", "where": "EXPR"}.get(name, "N"), request
        assert about.recorded == (name != "on_progress"), request
        assert (about.least, about.most, about.above) == (BOUNDS.get(name), None, None), request


@pytest.mark.parametrize("name", MEANT)
def test_its_help_says_the_same_everywhere(
    name: str, declared: dict[str, list[tuple[type[Request], Option]]]
) -> None:
    begins = MEANT[name][2]
    for request, option in declared[name]:
        told = option.about.help.removeprefix("With neuronpedia: ")
        assert (told[0].upper() + told[1:]).startswith(begins), (request, told)
        if name == "top":  # rows shown, never what is computed with
            assert " to show" in told and told.endswith("; 0 for all."), (request, told)
        if name in ("labels", "sample", "on_progress"):
            assert told.casefold() == begins.casefold(), (request, told)


@pytest.mark.parametrize("name", MEANT)
def test_its_default_says_nothing_or_few_rows(
    name: str, declared: dict[str, list[tuple[type[Request], Option]]]
) -> None:
    for request, option in declared[name]:
        if name == "top":
            assert 5 <= option.default <= 20, request
        else:
            assert option.default == (0 if name == "seed" else None), request
