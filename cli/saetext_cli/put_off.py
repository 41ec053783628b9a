"""Two parts of torch that transformers imports at its start and no command uses are put off.

``torch._dynamo``, the compiler, is there from the first import, but its own code runs when something in it is
asked for: whoever compiles does not notice. And transformers is told that nothing here is distributed over
machines, or it would import tensors that are. That is a third of the CPU seconds before a command reads its
first text, and 800 modules. For a process that is saetext's own; not for the library, whose users may want
either.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any

COMPILER, UTILS = "torch._dynamo", "transformers.utils.import_utils"
#: The one part that transformers takes a class from, and that needs none of the others.
_LIGHT = f"{COMPILER}._trace_wrapped_higher_order_op"


def put_off() -> None:
    """Let imports of this process put them off, from now on; what is imported already stays."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.startswith(f"{COMPILER}.") and name != _LIGHT:
            return _part_of_compiler(name)
        if name not in (COMPILER, UTILS):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = (_Later if name == COMPILER else _Alone)(spec.loader)
        return spec


class _Wrapped(Loader):
    """A module's loader, of which only some methods are another's."""

    def __init__(self, real: Loader) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class _There(_Wrapped):
    """Gives a module that is imported already."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Alone(_Wrapped):
    """Loads transformers' questions about what is installed, and answers one."""

    def exec_module(self, module: ModuleType) -> None:
        self.real.exec_module(module)
        if hasattr(module, "is_torch_distributed_available"):
            module.is_torch_distributed_available = lambda: False  # type: ignore[attr-defined]


class _Later(_Wrapped):
    """Makes a module that is empty but for three decorators, which functions get while they are imported."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Compiler(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        allowed: list[Any] = []

        def assume_constant_result(function: Any) -> Any:
            function._dynamo_marked_constant = True  # as the compiler's own does
            return function

        def allow_in_graph(function: Any) -> Any:
            allowed.append(function)
            return function

        def disable(function: Any = None, *args: Any, **options: Any) -> Any:
            if function is None:
                return lambda function: disable(function, *args, **options)
            if not isinstance(function, FunctionType):
                return _compiler(module).disable(function, *args, **options)
            return _disabled_later(module, function, lambda f: _compiler(module).disable(f, *args, **options))

        vars(module).update(
            assume_constant_result=assume_constant_result,
            allow_in_graph=allow_in_graph,
            disable=disable,
            _put_off=(self.real, allowed),
        )


class _Compiler(ModuleType):
    """The compiler before anything in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(_compiler(self), name)


def _compiler(module: ModuleType) -> Any:
    """Return the compiler's module with its own code run."""
    if isinstance(module, _Compiler):
        loader, allowed = vars(module).pop("_put_off")
        module.__class__ = ModuleType  # type: ignore[assignment]  # what it imports asks for its parts
        if module.__spec__ is not None:
            module.__spec__.loader = loader
        module.__loader__ = loader
        loader.exec_module(module)
        for function in allowed:
            module.allow_in_graph(function)
    return module


def _part_of_compiler(name: str) -> ModuleSpec | None:
    """Run the compiler's own code before a part of it is imported, as ever; it may have imported the part."""
    if isinstance(compiler := sys.modules.get(COMPILER), _Compiler):
        _compiler(compiler)
        there = sys.modules.get(name)
        if there is not None and there.__spec__ is not None and there.__spec__.loader is not None:
            spec = copy.copy(there.__spec__)
            spec.loader = _There(there.__spec__.loader)
            return spec
    return None


def _disabled_later(module: ModuleType, function: FunctionType, disabled: Callable[[Any], Any]) -> Any:
    """Return a function that is disabled when there is a compiler; before that it runs as it is."""

    @functools.cache
    def real() -> Any:
        return disabled(function)

    @functools.wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        return (function if isinstance(module, _Compiler) else real())(*args, **options)

    return called
