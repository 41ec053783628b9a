"""A request is declared once: keywords, checks, parameters, documentation, and a command's options."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import pytest
import typer
from saetext_cli.declared import expanded
from typer.testing import CliRunner

from saetext.errors import InputError
from saetext.io.request import (
    Request,
    annotation_text,
    keyword,
    method_of_none_or_one,
    option,
    options_of,
    verb,
    verb_of_many,
    verb_of_one_or_two,
    verb_of_two,
)

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Common(Request):
    seed: int = option("Seed of everything random.", default=0, least=0)
    on_progress: Callable[[object], None] | None = keyword("Called with progress.", default=None)


@dataclass(frozen=True, kw_only=True)
class Asked(Common):
    pair_on: str | None = option("Rows belong together on this column.", default=None, metavar="COLUMN")
    share: float = option("A share of the documents.", default=0.5, above=0, most=1)
    plain: bool = option("Compare words too.", default=True)
    control: tuple[str, ...] = option("Adjust for it too.", default=(), hint=list[str] | None)
    against: Literal["union", "mean"] = option("What the others are.", default="union")
    price: Decimal | None = keyword("Known to type checkers only.", default=None)


@dataclass(frozen=True, kw_only=True)
class Output(Request):
    json: bool = option("Print JSON.", default=False, group="Output")
    html: Path | None = option("Write a page.", default=None, metavar="FILE", flags=("--html", "-w"))


@verb_of_many(Asked)
def compare(sets: tuple[str, ...], request: Asked) -> tuple[tuple[str, ...], Asked]:
    """Compare sets.

    Returns
    -------
    tuple
    """
    return sets, request


@verb(Common)
def look(thing: int, request: Common) -> int:
    """Look."""
    return thing + request.seed


@verb_of_two(Common)
def put(model: str, thing: int, request: Common) -> tuple[str, int]:
    """Put a thing into a model."""
    return model, thing + request.seed


@verb_of_one_or_two(Common)
def join(one: int, other: int | None, request: Common) -> tuple[int, int | None, int]:
    """Join.

    Parameters
    ----------
    one : int
        The first.
    other : int, optional
        The second.
    """
    return one, other, request.seed


def test_a_verb_of_two_things_and_one_whose_second_may_be_left_out() -> None:
    assert put("m", 3, seed=4) == ("m", 7)
    assert join(1) == (1, None, 0)
    assert join(1, seed=2) == (1, None, 2)
    assert join(1, 5, seed=2) == (1, 5, 2)
    with pytest.raises(TypeError):
        join()  # type: ignore[call-overload]
    assert list(inspect.signature(put).parameters) == ["model", "thing", *Common.option_names()]
    signature = inspect.signature(join).parameters
    assert list(signature) == ["one", "other", *Common.option_names()]
    assert signature["one"].default is inspect.Parameter.empty and signature["other"].default is None
    doc = inspect.getdoc(join) or ""
    assert doc.index("The second.") < doc.index("seed : int, default 0")


class Box:
    """Holds a thing."""

    held = 1

    @method_of_none_or_one(Common)
    def take(self, other: int | None, request: Common) -> tuple[int, int | None, int]:
        """Take."""
        return self.held, other, request.seed


def test_a_method_whose_thing_may_be_left_out() -> None:
    assert Box().take() == (1, None, 0)
    assert Box().take(seed=2) == (1, None, 2)
    assert Box().take(5, seed=2) == (1, 5, 2)
    with pytest.raises(TypeError, match="sede"):
        Box().take(sede=2)  # type: ignore[call-overload]
    assert list(inspect.signature(Box().take).parameters) == ["other", *Common.option_names()]


def test_a_keyword_may_have_bounds() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Bound(Request):
        power: float = keyword("Of the weight.", default=0.5, recorded=True, least=0, most=10)

    assert Bound(power=2.0).params() == {"power": 2.0}
    with pytest.raises(InputError, match="power must be at most 10, not 11"):
        Bound(power=11.0)


def test_keywords_make_the_request_and_things_stand_before_them() -> None:
    sets, asked = compare("a", "b", share=0.25, control=("x",))
    assert sets == ("a", "b")
    assert asked == Asked(share=0.25, control=("x",))
    assert look(3, seed=4) == 7
    with pytest.raises(TypeError, match="tpo"):
        compare("a", tpo=3)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"seed": 2**32}, "seed must be at most 4294967295, not 4294967296"),
        ({"seed": 10**400}, "seed must be at most 4294967295, not a number of 401 digits"),
        ({"share": 0}, "share must be more than 0, not 0"),
        ({"share": 1.5}, "share must be at most 1, not 1.5"),
        ({"share": float("nan")}, "share is a number, not NaN"),
        ({"against": "max"}, "against is one of union, mean, not 'max'"),
    ],
)
def test_values_are_checked_when_the_request_is_made(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as error:
        compare("a", **wrong)  # type: ignore[call-overload]
    assert str(error.value) == said
    with pytest.raises(InputError):
        Asked().replace(**wrong)


def test_parameters_are_plain_json_without_callbacks() -> None:
    params = Asked(control=("a",), on_progress=print).params()
    assert json.loads(json.dumps(params)) == {
        "seed": 0, "pair_on": None, "share": 0.5, "plain": True, "control": ["a"], "against": "union",
    }  # fmt: skip


def test_signature_and_documentation_come_from_the_request() -> None:
    signature = inspect.signature(compare)
    assert list(signature.parameters) == ["sets", *Asked.option_names()]
    assert signature.parameters["sets"].kind is inspect.Parameter.VAR_POSITIONAL
    assert signature.parameters["share"].default == 0.5
    doc = inspect.getdoc(compare) or ""
    assert "share : float, default 0.5\n    A share of the documents. (more than 0, at most 1)" in doc
    assert doc.index("Parameters\n----------") < doc.index("share :") < doc.index("Returns")
    assert annotation_text(options_of(Asked)[6].type) == "'union' | 'mean'"


def test_a_field_that_is_not_declared_is_an_error_of_ours() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Careless(Request):
        top: int = 3

    with pytest.raises(TypeError, match=r"Careless.top is not declared"):
        Careless()


def application() -> typer.Typer:
    app = typer.Typer()

    @app.callback()
    def root() -> None:
        pass

    def run(
        corpora: Annotated[list[Path], typer.Argument(metavar="A [B ...]")], request: Asked, output: Output
    ) -> None:
        """Compare."""
        typer.echo(json.dumps({"corpora": [str(c) for c in corpora], **request.params(), **output.params()}))

    app.command("compare")(expanded(run))
    return app


def test_a_command_has_the_request_s_options() -> None:
    runner = CliRunner()
    done = runner.invoke(
        application(),
        ["compare", "a", "b", "--share", ".25", "--control", "x", "--control", "y", "--no-plain", "-w", "f"],
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {
        "corpora": ["a", "b"], "seed": 0, "pair_on": None, "share": 0.25, "plain": False,
        "control": ["x", "y"], "against": "union", "json": False, "html": "f",
    }  # fmt: skip
    wide = {"COLUMNS": "100", "NO_COLOR": "1"}
    shown = runner.invoke(application(), ["compare", "--help"], env=wide).output
    for expected in ("--pair-on", "COLUMN", "A share of the documents.", "--no-plain", "Output", "-w"):
        assert expected in shown
    assert "--on-progress" not in shown and "--price" not in shown


@pytest.mark.parametrize(
    "wrong", [["--share", "0"], ["--share", "2"], ["--seed", "-1"], ["--against", "max"], ["--nonesuch"]]
)
def test_wrong_options_are_usage(wrong: list[str]) -> None:
    assert CliRunner().invoke(application(), ["compare", "a", *wrong]).exit_code == 2


def test_type_checkers_know_the_keywords(tmp_path: Path) -> None:
    """What an editor completes is what mypy sees: right calls pass, wrong ones are named."""
    script = tmp_path / "script.py"
    script.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from saetext.io.request import Request, method_of_none_or_one, option, verb_of_many\n"
        "from saetext.io.request import verb_of_one_or_two, verb_of_two\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Asked(Request):\n"
        '    top: int = option("How many.", default=3)\n'
        "@verb_of_many(Asked)\n"
        "def compare(sets: tuple[str, ...], request: Asked) -> list[int]:\n"
        "    return [request.top]\n"
        'right: list[int] = compare("a", "b", top=4)\n'
        'compare("a", tpo=4)\n'
        'compare("a", top="4")\n'
        "@verb_of_one_or_two(Asked)\n"
        "def join(one: str, other: bytes | None, request: Asked) -> list[int]:\n"
        "    return [request.top]\n"
        "@verb_of_two(Asked)\n"
        "def put(one: str, other: bytes, request: Asked) -> int:\n"
        "    return request.top\n"
        'made: list[int] = join("a") + join("a", b"b") + join("a", None, top=4)\n'
        'join("a", b"b", tpo=4)\n'
        'join("a", "b")\n'
        'number: int = put("a", b"b", top=4)\n'
        'put("a")\n'
        'put("a", b"b", top="4")\n'
        "class Box:\n"
        "    @method_of_none_or_one(Asked)\n"
        "    def take(self, thing: bytes | None, request: Asked) -> list[int]:\n"
        "        return [request.top]\n"
        'more: list[int] = Box().take() + Box().take(b"b", top=4) + Box().take(top=4)\n'
        "Box().take(tpo=4)\n"
        'Box().take("b")\n',
        "utf-8",
    )
    # with the project's settings and cache, which `make types` has just filled: anew it takes a minute
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(script)],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if ": error:" in line and script.name in line]
    wrong = ["12", "13", "21", "22", "24", "25", "31", "32"]
    assert sorted({line.split(":")[1] for line in lines}) == wrong, done.stdout


def test_options_stand_before_every_section_that_follows_parameters() -> None:
    @verb(Common)
    def done(thing: int, request: Common) -> int:
        """Do it.

        Examples
        --------
        >>> 1 + 1
        2
        """
        return thing

    doc = inspect.getdoc(done) or ""
    assert doc.index("seed : int") < doc.index("Examples") and doc.rstrip().endswith("2")
