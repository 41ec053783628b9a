"""Request: what one verb is asked for, declared once.

A verb's options are the fields of one frozen dataclass. From it come the keywords of the function (typed, so
that editors complete them), the options of the command, the parameters in results, and the tables of the
docs. Not for: what a verb does, or how a command is run.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from saetext.errors import InputError

_KEY = "saetext"
_LARGEST = 2**63 - 1  # of whole numbers, as machines have them
_LARGEST_SEED = 2**32 - 1  # that numpy, scikit-learn and torch all take
_T = TypeVar("_T")


@dataclass(frozen=True)
class About:
    """What is known of one option beside its name, type and default.

    Attributes
    ----------
    help : str
        One plain sentence: what it does.
    least, most : float or None
        Smallest and largest value allowed.
    above : float or None
        What the value must be larger than.
    metavar : str or None
        What stands for the value in ``--help``.
    flags : tuple of str
        Spellings on the command line, where they are not ``--name``; empty and ``command`` false for none.
    command : bool
        Whether the command has it as an option.
    recorded : bool
        Whether it is among the parameters of a result; callbacks, objects and what changes no result are not.
    hint : type or None
        Type of the command's option, where it is narrower than the keyword's.
    group : str or None
        Heading under which ``--help`` lists it.
    """

    help: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    command: bool = True
    recorded: bool = True
    hint: Any = None
    group: str | None = None


def option(
    help: str,  # as typer calls it
    *,
    default: _T,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    metavar: str | None = None,
    flags: tuple[str, ...] = (),
    hint: Any = None,
    group: str | None = None,
    recorded: bool = True,
) -> _T:
    """Declare a field of a :class:`Request`; arguments are the attributes of :class:`About`."""
    about = About(help, least, most, above, metavar, flags, recorded=recorded, hint=hint, group=group)
    return dataclasses.field(default=default, metadata={_KEY: about})


def keyword(
    help: str,
    *,
    default: _T,
    recorded: bool = False,
    least: float | None = None,
    most: float | None = None,
) -> _T:
    """Declare a field that only Python has: a callback, an object, a setting no command needs."""
    about = About(help, least, most, command=False, recorded=recorded)
    return dataclasses.field(default=default, metadata={_KEY: about})


@dataclass(frozen=True, kw_only=True)
class Request:
    """Base of all requests: checks types of choice and bounds when it is made.

    Raises
    ------
    InputError
        If a value is out of its bounds or none of its choices; the message names the option.
    """

    def __post_init__(self) -> None:
        for item in options_of(type(self)):
            item.check(getattr(self, item.name))

    def params(self) -> dict[str, Any]:
        """Return the recorded options in plain JSON types, for :attr:`Result.params`."""
        return {o.name: _plain(getattr(self, o.name)) for o in options_of(type(self)) if o.about.recorded}

    def keywords(self) -> dict[str, Any]:
        """Return all options by name: ``verb(thing, **request.keywords())``."""
        return {name: getattr(self, name) for name in self.option_names()}

    def changed(self, *names: str) -> dict[str, Any]:
        """Return those of the named options that are not as they are by default."""
        default = {o.name: o.default for o in options_of(type(self))}
        return {name: value for name in names if (value := getattr(self, name)) != default[name]}

    def replace(self, **changes: Any) -> typing.Self:
        """Return a copy with some options changed, checked again."""
        return dataclasses.replace(self, **changes)

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """Return the names of all options, in the order they are declared."""
        return tuple(field.name for field in dataclasses.fields(cls))


@dataclass(frozen=True)
class Option:
    """One declared option: name, resolved type, default, and what is known of it."""

    name: str
    type: Any
    default: Any
    about: About

    @property
    def spelt(self) -> str:
        """How messages name it: as on the command line, ``--min-support``, or the keyword."""
        long = [flag for flag in self.about.flags if flag.startswith("--")]
        return (long[0].split("/")[0] if long else f"--{self.name.replace('_', '-')}").strip()

    @property
    def choices(self) -> tuple[str, ...]:
        """The values allowed, where they are few."""
        return tuple(
            value
            for part in (self.type, *typing.get_args(self.type))
            if typing.get_origin(part) is Literal
            for value in typing.get_args(part)
        )

    def check(self, value: Any) -> None:
        """Raise :class:`InputError` if the value is out of bounds or none of the choices."""
        if value is None:
            return
        if self.choices and value not in self.choices:
            raise InputError(f"{self.name} is one of {', '.join(self.choices)}, not {value!r}")
        if not isinstance(value, int | float) or isinstance(value, bool):
            return
        least, most, above = self.about.least, self.about.most, self.about.above
        if isinstance(value, int):  # further down they become machine numbers
            low, high = (0, _LARGEST_SEED) if self.name == "seed" else (-_LARGEST, _LARGEST)
            least, most = low if least is None else least, high if most is None else most
        elif math.isnan(value) and (least, most, above) != (None, None, None):
            raise InputError(f"{self.name} is a number, not NaN")
        if least is not None and value < least:
            raise InputError(f"{self.name} must be at least {_short(least)}, not {_short(value)}")
        if most is not None and value > most:
            raise InputError(f"{self.name} must be at most {_short(most)}, not {_short(value)}")
        if above is not None and value <= above:
            raise InputError(f"{self.name} must be more than {_short(above)}, not {_short(value)}")


def options_of(request: type[Request]) -> tuple[Option, ...]:
    """Return the options of a request, in the order they are declared, those of its bases first."""
    if request not in _known:
        _known[request] = tuple(_declared(request))
    return _known[request]


_known: dict[type[Request], tuple[Option, ...]] = {}  # resolving types takes a millisecond


def _declared(request: type[Request]) -> Iterator[Option]:
    hints = _hints(request)
    for field in dataclasses.fields(request):
        about = field.metadata.get(_KEY)
        if about is None:
            raise TypeError(f"{request.__name__}.{field.name} is not declared with option() or keyword()")
        yield Option(field.name, hints[field.name], field.default, about)


def _hints(request: type[Request]) -> dict[str, Any]:
    """Return the types of a request's fields; names imported for type checkers only stand as ``object``."""
    absent: dict[str, Any] = {}
    while True:
        try:
            return typing.get_type_hints(request, localns=absent)
        except NameError as error:
            absent[str(error.name)] = object


def _short(value: float) -> str:
    """Return a number for a message, also one that no machine number holds."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        return f"a number of {math.floor(math.log10(abs(value))) + 1:,} digits"
    return str(value) if isinstance(value, int) else f"{value:g}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


# ---- from a request to a function ----------------------------------------------------------------------

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)
_A = TypeVar("_A", contravariant=True)
_Q = TypeVar("_Q", bound=Request)
_S = TypeVar("_S")
_X = TypeVar("_X")
_B = TypeVar("_B")
_D = TypeVar("_D", contravariant=True)


class OneOrMore(Protocol[_A, _P, _R]):
    """A verb over one, two or more things: ``diff(a, b, top=10)``."""

    @overload
    def __call__(self, a: _A, /, *args: _P.args, **options: _P.kwargs) -> _R: ...
    @overload
    def __call__(self, a: _A, b: _A, /, *args: _P.args, **options: _P.kwargs) -> _R: ...
    @overload
    def __call__(self, a: _A, b: _A, c: _A, /, *args: _P.args, **options: _P.kwargs) -> _R: ...
    @overload
    def __call__(self, a: _A, b: _A, c: _A, d: _A, /, *args: _P.args, **options: _P.kwargs) -> _R: ...


class OneOrTwo(Protocol[_A, _D, _P, _R]):
    """A verb over one thing, or over two that are not alike: ``correlate(corpus, across, top=10)``."""

    @overload
    def __call__(self, a: _A, /, *args: _P.args, **options: _P.kwargs) -> _R: ...
    @overload
    def __call__(self, a: _A, b: _D | None, /, *args: _P.args, **options: _P.kwargs) -> _R: ...


def verb(request: Callable[_P, _Q]) -> Callable[[Callable[[_S, _Q], _X]], Callable[Concatenate[_S, _P], _X]]:
    """Make ``f(thing, request)`` a function whose keywords are the request's options.

    The docstring's ``Parameters`` gain a line for each option.
    """

    def decorate(run: Callable[[_S, _Q], _X]) -> Callable[Concatenate[_S, _P], _X]:
        @functools.wraps(run)
        def call(thing: _S, /, *args: _P.args, **options: _P.kwargs) -> _X:
            return run(thing, _made(request, options))

        return typing.cast("Callable[Concatenate[_S, _P], _X]", _described(call, run, request))

    return decorate


def verb_of_many(
    request: Callable[_P, _Q],
) -> Callable[[Callable[[tuple[_S, ...], _Q], _X]], OneOrMore[_S, _P, _X]]:
    """Make ``f(things, request)`` a function of one or more things with the request's options."""

    def decorate(run: Callable[[tuple[_S, ...], _Q], _X]) -> OneOrMore[_S, _P, _X]:
        @functools.wraps(run)
        def call(*things: _S, **options: Any) -> _X:
            return run(things, _made(request, options))

        return typing.cast("OneOrMore[_S, _P, _X]", _described(call, run, request))

    return decorate


def verb_of_two(
    request: Callable[_P, _Q],
) -> Callable[[Callable[[_S, _B, _Q], _X]], Callable[Concatenate[_S, _B, _P], _X]]:
    """Make ``f(one, other, request)`` a function of two things with the request's options."""

    def decorate(run: Callable[[_S, _B, _Q], _X]) -> Callable[Concatenate[_S, _B, _P], _X]:
        @functools.wraps(run)
        def call(one: _S, other: _B, /, *args: _P.args, **options: _P.kwargs) -> _X:
            return run(one, other, _made(request, options))

        return typing.cast("Callable[Concatenate[_S, _B, _P], _X]", _described(call, run, request))

    return decorate


def verb_of_one_or_two(
    request: Callable[_P, _Q],
) -> Callable[[Callable[[_S, _B | None, _Q], _X]], OneOrTwo[_S, _B, _P, _X]]:
    """Make ``f(one, other, request)`` a function whose second thing may be left out."""

    def decorate(run: Callable[[_S, _B | None, _Q], _X]) -> OneOrTwo[_S, _B, _P, _X]:
        @functools.wraps(run)
        def call(one: _S, other: _B | None = None, /, **options: Any) -> _X:
            return run(one, other, _made(request, options))

        return typing.cast("OneOrTwo[_S, _B, _P, _X]", _described(call, run, request, optional=True))

    return decorate


def _made(request: Callable[..., _Q], options: Mapping[str, Any]) -> _Q:
    return request(**options)


def _described(call: Any, run: Any, request: Any, *, optional: bool = False) -> Any:
    """Give a function the signature and the documentation of what it takes; ``optional``: its last thing."""
    known = options_of(request)
    *things, _ = inspect.signature(run).parameters.values()
    parameters = [_thing(thing) for thing in things]
    if optional:
        parameters[-1] = parameters[-1].replace(default=None)
    parameters += [
        inspect.Parameter(
            o.name, inspect.Parameter.KEYWORD_ONLY, default=o.default, annotation=annotation_text(o.type)
        )
        for o in known
    ]
    call.__signature__ = inspect.Signature(
        parameters, return_annotation=inspect.signature(run).return_annotation
    )
    call.__doc__ = _documented(inspect.getdoc(run) or "", known)
    call.request = request
    return call


def _thing(thing: inspect.Parameter) -> inspect.Parameter:
    """Return what a verb is about as its caller gives it: by position; a tuple of them as ``*things``."""
    written = str(thing.annotation)
    if not written.startswith("tuple["):
        return thing.replace(kind=inspect.Parameter.POSITIONAL_ONLY)
    one = written.removeprefix("tuple[").removesuffix(", ...]")
    return thing.replace(kind=inspect.Parameter.VAR_POSITIONAL, annotation=one)


def _documented(doc: str, known: tuple[Option, ...]) -> str:
    lines = []
    for o in known:
        lines.append(f"{o.name} : {annotation_text(o.type)}, default {o.default!r}")
        lines.append(f"    {o.about.help}{_bounds(o)}")
    listing = "\n".join(lines)
    after = re.search(r"\n(Returns|Yields|Raises|Warns|See Also|Notes|Examples)\n-+\n", doc)
    at = len(doc) if after is None else after.start()
    head, tail = doc[:at].rstrip(), doc[at:]
    if "\nParameters\n----------" not in head:
        head += "\n\nParameters\n----------"
    return f"{head}\n{listing}\n{tail}"


def _bounds(o: Option) -> str:
    parts = []
    if o.about.least is not None:
        parts.append(f"at least {o.about.least:g}")
    if o.about.above is not None:
        parts.append(f"more than {o.about.above:g}")
    if o.about.most is not None:
        parts.append(f"at most {o.about.most:g}")
    return f" ({', '.join(parts)})" if parts else ""


def annotation_text(annotation: Any) -> str:
    """Return a type as people write it: ``str | None``, ``'max' | 'mean'``."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(annotation_text(part) for part in typing.get_args(annotation))
    if origin is Literal:
        return " | ".join(repr(value) for value in typing.get_args(annotation))
    if annotation is type(None):
        return "None"
    if annotation is object:
        return "object"
    return getattr(annotation, "__name__", str(annotation)) if origin is None else str(annotation)


# ---- methods -------------------------------------------------------------------------------------------


class NoneOrOne(Protocol[_D, _P, _R]):
    """A bound method whose only thing may be left out: ``searcher.search("hedging", top=5)``."""

    @overload
    def __call__(self, *args: _P.args, **options: _P.kwargs) -> _R: ...
    @overload
    def __call__(self, thing: _D | None, /, *args: _P.args, **options: _P.kwargs) -> _R: ...


class MethodOfNoneOrOne(Protocol[_A, _D, _P, _R]):
    """Such a method in its class."""

    def __get__(self, instance: _A, owner: object) -> NoneOrOne[_D, _P, _R]: ...


def method_of_none_or_one(
    request: Callable[_P, _Q],
) -> Callable[[Callable[[_S, _B | None, _Q], _X]], MethodOfNoneOrOne[_S, _B, _P, _X]]:
    """Make ``f(self, thing, request)`` a method whose thing may be left out, with the request's options."""

    def decorate(run: Callable[[_S, _B | None, _Q], _X]) -> MethodOfNoneOrOne[_S, _B, _P, _X]:
        @functools.wraps(run)
        def call(self: _S, thing: _B | None = None, /, **options: Any) -> _X:
            return run(self, thing, _made(request, options))

        done = _described(call, run, request, optional=True)
        return typing.cast("MethodOfNoneOrOne[_S, _B, _P, _X]", done)

    return decorate
