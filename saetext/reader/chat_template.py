"""Chat templates, which come with a model and are programs: rendered with a bound on work and memory.

Rendered as transformers does it, in its own sandbox, in which every step of a loop, call, filter and operator
takes from a budget that grows with the chat. The budget counts work, not seconds, so that the same template
and chat end the same way everywhere. Not for: what of a rendered chat counts
(:mod:`saetext.reader.tokenization`).
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import jinja2
from jinja2 import nodes
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from transformers.utils import chat_template_utils

from saetext.errors import ReaderError

MOST_SOURCE = 128_000  # characters of a template; the longest of well-known models have 30,000
_BASE, _PER_TURN, _PER_CHARACTER = 100_000, 2_000, 64  # units of work
_CALL = 5  # units of a call or a filter
_LETTERS = 16  # characters that cost as much as a step
_MOST_BITS = 128  # of a whole number
_MOST_WIDTH = 10_000  # that a text may be padded to, and any other number given to a filter
_MOST_INDENT = 100
_NUMBER = re.compile(r"\d{5,}|\*")
_PADDING = ("ljust", "rjust", "center", "zfill", "expandtabs")
_COMPARING = ("eq", "==", "equalto", "ne", "!=", "lt", "<", "le", "<=", "gt", ">", "ge", ">=", "in")
_INDENTING = ("tojson", "indent", "pprint")


class TemplateLimitError(Exception):
    """A template asks for more work or memory than a chat can need."""


def render(
    template: str, messages: Sequence[dict[str, str]], given: dict[str, Any], *, name: str = "the model"
) -> str:
    """Return a chat as its template writes it.

    Parameters
    ----------
    template : str
        Source of the template.
    messages : sequence of dict
        ``role`` and ``content`` of each turn.
    given : dict
        What else the template sees: special tokens, the date.
    name : str
        Whose template it is, for the message.

    Raises
    ------
    ReaderError
        If the template is too long, or needs more than its budget.
    Exception
        Whatever else the template raises: it is foreign code.
    """
    if len(template) > MOST_SOURCE:
        raise ReaderError(
            f"the chat template of {name} has {len(template):,} characters; at most {MOST_SOURCE:,} are read"
        )
    characters = sum(len(message["content"]) for message in messages)
    budget = _Budget(_BASE + _PER_TURN * len(messages) + _PER_CHARACTER * characters)
    token = _BUDGET.set(budget)
    try:
        compiled = _compiled(template)
        context = compiled.new_context(
            {"messages": list(messages), "tools": None, "documents": None, "add_generation_prompt": False}
            | given
        )
        pieces = []
        for piece in compiled.root_render_func(context):
            budget.weigh(piece)
            pieces.append(piece)
        return "".join(pieces)
    except (TemplateLimitError, MemoryError) as error:
        raise ReaderError(
            f"the chat template of {name} takes more work than a chat of {len(messages):,} turns can need; "
            "use another model, or texts without prompts and turns"
        ) from error
    finally:
        _BUDGET.reset(token)


class _Budget:
    """Units of work that are left."""

    def __init__(self, units: int) -> None:
        self.left = units

    def spend(self, units: float) -> None:
        self.left -= math.ceil(units)
        if self.left < 0:
            raise TemplateLimitError

    def weigh(self, value: Any) -> None:
        """Spend what a value takes to be read through; a value inside several others counts each time."""
        todo = [value]
        while todo:
            each = todo.pop()
            self.spend(1 + len(each) / _LETTERS if isinstance(each, str) else 1)
            if isinstance(each, dict):
                todo.extend(each)
                todo.extend(each.values())
            elif isinstance(each, list | tuple | set | frozenset):
                todo.extend(each)


_BUDGET: ContextVar[_Budget] = ContextVar("_BUDGET")


class _Steps:
    """What a loop goes over; every step costs."""

    def __init__(self, items: Any, cost: int) -> None:
        self._items, self._cost = items, cost

    def __iter__(self) -> Iterator[Any]:
        budget = _BUDGET.get()
        for item in self._items:
            budget.spend(self._cost)
            yield item

    def __len__(self) -> int:
        return len(self._items)


def _steps(items: Any, cost: int) -> _Steps:
    return _Steps(items, cost)


def _weighed(value: Any) -> Any:
    _BUDGET.get().weigh(value)
    return value


class _Counting(NodeTransformer):
    """Puts the budget into a template: around what loops go over, and what is joined, shown or compared."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filter(node.iter, "_steps", nodes.Const(1 + _literal(node)))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [_filter(each, "_weighed") for each in node.nodes]
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [
            each if isinstance(each, nodes.TemplateData) else _filter(each, "_weighed") for each in node.nodes
        ]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _filter(node.expr, "_weighed")
        for operand in node.ops:
            operand.expr = _filter(operand.expr, "_weighed")
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        self.generic_visit(node)
        if node.name in _COMPARING:
            node.node = _filter(node.node, "_weighed")
            node.args = [_filter(each, "_weighed") for each in node.args]
        return node


def _filter(node: Any, name: str, *given: nodes.Expr) -> nodes.Filter:
    made = nodes.Filter(node, name, list(given), [], None, None)
    made.set_lineno(node.lineno)
    made.set_environment(node.environment)
    return made


def _literal(node: nodes.Node) -> int:
    """Return the units that the text inside a node costs, each time it is written."""
    return sum(len(text.data) for text in node.find_all(nodes.TemplateData)) // _LETTERS


class _Bounded(ImmutableSandboxedEnvironment):
    """The sandbox of transformers, with the budget."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])
    literal = 0  # units that all text of the template costs

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        self.literal = _literal(tree)
        found: nodes.Template = _Counting().visit(tree)
        return found

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        budget = _BUDGET.get()
        budget.weigh(left)
        budget.weigh(right)
        if isinstance(left, int) and isinstance(right, int):
            _require_short(operator, left, right)
        elif operator == "*":
            _weigh_repeated(budget, left, right)
        elif operator == "%" and isinstance(left, str) and _NUMBER.search(left):
            raise TemplateLimitError
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # as in jinja2
        budget = _BUDGET.get()
        budget.spend(_CALL + (__self.literal if isinstance(__obj, Macro) else 0))
        budget.weigh([*args, *kwargs.values()])
        if isinstance(__obj, LoopContext):  # a recursive loop: it goes over its first argument
            args = (_Steps(args[0], 1 + __self.literal), *args[1:])
        else:
            args = _require_bounded_method(budget, __obj, args, kwargs)
        result = super().call(__context, __obj, *args, **kwargs)
        if not isinstance(__obj, Macro | LoopContext):  # whose parts were weighed
            budget.weigh(result)
        return result


def _require_short(operator: str, left: int, right: int) -> None:
    bits = left.bit_length() * max(right, 1) if operator == "**" else left.bit_length() + right.bit_length()
    if bits > _MOST_BITS:
        raise TemplateLimitError


def _weigh_repeated(budget: _Budget, left: Any, right: Any) -> None:
    times, what = (left, right) if isinstance(left, int) else (right, left)
    if isinstance(times, int) and isinstance(what, str | list | tuple):
        budget.spend(max(times, 0) * (1 + len(what) / (_LETTERS if isinstance(what, str) else 1)))


def _require_bounded_method(
    budget: _Budget, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    """Spend what a text's method is going to make before it makes it; return its arguments."""
    bound = getattr(method, "__wrapped__", method)  # the sandbox wraps format
    text, name = getattr(bound, "__self__", None), getattr(bound, "__name__", "")
    if not isinstance(text, str):
        return args
    if name in ("format", "format_map", "translate"):
        if name == "translate" or _NUMBER.search(text):
            raise TemplateLimitError
        _require_narrow([*args, *kwargs.values()], _MOST_WIDTH)
    elif name in _PADDING:
        _require_narrow([*args, *kwargs.values()], _MOST_WIDTH)
        if name == "expandtabs":
            budget.spend(text.count("\t") * max([0, *(a for a in args if isinstance(a, int))]) / _LETTERS)
    elif name == "replace" and len(args) >= 2 and all(isinstance(a, str) for a in args[:2]):
        _weigh_replaced(budget, text, *args[:2])
    elif name == "join" and args:
        args = (_weigh_joined(budget, text, args[0]), *args[1:])
    return args


def _weigh_replaced(budget: _Budget, text: str, old: str, new: str) -> None:
    budget.spend((text.count(old) if old else len(text) + 1) * len(new) / _LETTERS)


def _weigh_joined(budget: _Budget, between: str, parts: Any) -> list[Any]:
    found = []
    for part in parts:
        budget.spend(1 + len(between) / _LETTERS)
        budget.weigh(part)
        found.append(part)
    return found


def _require_narrow(values: Sequence[Any], most: int) -> None:
    if any(isinstance(value, int) and abs(value) > most for value in values):
        raise TemplateLimitError


def _bounded_filter(name: str, made: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that weighs what it gets and gives, and takes no number that makes it run long."""
    skipped = 2 if hasattr(made, "jinja_pass_arg") else 1  # the value, and a context before it
    most = _MOST_INDENT if name in _INDENTING else _MOST_WIDTH

    @functools.wraps(made)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        budget = _BUDGET.get()
        value, more = args[skipped - 1 : skipped], [*args[skipped:], *kwargs.values()]
        budget.spend(_CALL)
        budget.weigh([*value, *more])
        if name not in ("default", "d"):
            _require_narrow(more, most)
        if name == "replace" and len(more) >= 2:
            _weigh_replaced(budget, *map(str, [*value, *more[:2]]))
        if name == "join" and more and value:
            args = (*args[: skipped - 1], _weigh_joined(budget, str(more[0]), value[0]), *args[skipped:])
        if name == "format" and value and _NUMBER.search(str(value[0])):
            raise TemplateLimitError
        result = made(*args, **kwargs)
        budget.weigh(result)
        return result

    return bounded


@lru_cache(8)
def _compiled(template: str) -> jinja2.Template:
    # an empty template compiled by transformers brings its environment: its tags, filters and functions
    theirs = chat_template_utils._compile_jinja_template("").environment
    ours = theirs.overlay(optimized=False)  # nothing is computed while it is compiled
    ours.__class__ = _Bounded
    ours.filters = {name: _bounded_filter(name, made) for name, made in theirs.filters.items()}
    ours.filters |= {"_steps": _steps, "_weighed": _weighed}
    return ours.from_string(template)
