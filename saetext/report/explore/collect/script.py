"""What was put aside as a Python script: saetext calls that compute it again and say whether it is the same.

Names, conditions and labels are strangers' texts: they come into the script as literals of Python, and into
comments as one printable line. Not for: running it.
"""

from __future__ import annotations

import base64
import pprint
from collections.abc import Sequence
from typing import Any

from saetext.report.explore.collect.items import Item, Recipe, SetRecipe
from saetext.report.explore.queries.choosing import Without
from saetext.report.explore.queries.packed import PackedRows
from saetext.text.one_line import one_line
from saetext.text.passages import printable

_PLAIN_ROWS = 200  # rows of a set that are written as numbers
_HEAD = '''\
"""What was collected in saetext explore, computed again.

Each line says whether a figure is what it was. If a corpus has moved, change its path below; one that has
changed is refused. Run it with: python {name}
"""

import saetext
'''
_PACKING = """\
import base64
import zlib

import numpy as np

"""
_EXPLAINS = """\
from saetext.intervene.attribution.one_token import token_causes
from saetext.intervene.edit import Change
from saetext.intervene.generator import load_generator
"""
_OPENED = '''

def checked(documents, fingerprint):
    """Return documents that are what they were; stop if they are not."""
    if documents.fingerprint != fingerprint:
        raise SystemExit(f"{documents.path} has changed since this was collected")
    return documents
'''
_TELL = '''

def tell(number, name, row, **was):
    """Print a finding, and whether its figures are what they were."""
    if row is None:
        print(f"{number}. {name}: not found again")
        return
    now = {figure: row[figure] for figure in was}
    same = all(abs(now[figure] - value) < 1e-6 for figure, value in was.items())
    figures = ", ".join(f"{figure} {value:.4g}" for figure, value in now.items())
    print(f"{number}. {name}: {figures}; " + ("as collected" if same else f"it was {was}"))
'''
_FINDING = '''

def finding(result, kind, term):
    """Return the row of a finding of a diff."""
    for row in result.found.to_dicts():
        if row["kind"] == kind and str(row["feature"] if kind == "feature" else row["term"]) == term:
            return row
'''
_PAIR = '''

def pair(result, columns, key):
    """Return the row of a pair: of the list in plain words, or of two features."""
    table = result.found if "kind_a" in columns else result.table
    for row in table.to_dicts():
        if [str(row[column]) for column in columns] == key:
            return row
'''
_SEARCHED = '''

def searched(number, name, result, was):
    """Print which documents a search found, and whether they are what they were."""
    print(f"{number}. {name}: " + ("as collected" if result.ids == was else f"it was {was}"))
    for found in result.ids:
        print(f"   {found!r}")
'''
_WRITTEN = '''

def written(number, name, result, was):
    """Print what was written with a feature turned, and whether it is what it was."""
    rows = sorted(result.texts.to_dicts(), key=lambda row: (row["prompt"], row["kind"] != "base"))
    now = [row["text"] for row in rows if row["kind"] in ("base", "dose")]
    print(f"{number}. {name}: " + ("as collected" if now == was else "the texts are others now"))
    for text in now:
        print(f"   {text!r}")
'''
_EXPLAINED = '''

def explained(number, name, generator, was, *, prompt, raw, written, changes, pairs):
    """Print what a written word comes from, and whether it is what it was, within a thousandth of a nat."""
    model, sae = generator.model, generator.sae
    edit = [Change(**change) for change in changes]
    now = token_causes(model, sae, model.encode_prompt(prompt, raw=raw), written, edit)
    exact = {(row["position"], row["feature"]): row["exact"] for row in now.table.to_dicts()}
    same = all(abs(getattr(now, figure) - value) < 1e-3 for figure, value in was.items())
    same &= all(abs(exact.get((at, feature), 9e9) - value) < 1e-3 for at, feature, value in pairs)
    told = "as collected" if same else f"it was {was}, pairs {pairs}"
    print(f"{number}. {name}: log-probability {now.value:.4f}; {told}")
    for (at, feature), effect in exact.items():
        print(f"   feature {feature} at token {at} {now.tokens[at]!r}: {effect:+.3f}")
'''
_UNPACKED = '''

def rows(packed):
    """Return row numbers that were packed as text: a bit for each document, compressed."""
    return np.flatnonzero(np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)))
'''
_WITHOUT = '''

def without(sets, sae, kind, term, **how):
    """Return sets of documents without those that have what a finding is about."""
    having = documents_having(sets, sae, kind, term, **how)
    return [documents.select(~has) for documents, has in zip(sets, having, strict=True)]
'''


def script_of(items: Sequence[Item], name: str = "collected.py") -> str:
    """Return the script; it names each corpus once, and computes each result once."""
    writer = _Writer()
    for number, item in enumerate(items, start=1):
        writer.add(number, item)
    return writer.text(name)


class _Writer:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._corpora: dict[str, str] = {}
        self._sets: dict[SetRecipe, str] = {}
        self._results: dict[str, str] = {}
        self._helpers: dict[str, str] = {"checked": _OPENED}

    def add(self, number: int, item: Item) -> None:
        recipe = item.recipe
        self._lines += ["", *_comment(f"{number}. {item.title}")]
        if item.note:
            self._lines += [line for part in item.note.split("\n") for line in _comment(f"   {part}")]
        named = repr(_plain(item.title))
        sets = [self._set(one) for one in recipe.sets]
        if recipe.verb == "set":
            self._lines.append(
                f"print({f'{number}. '!r} + {named} + f': {{{sets[0]}.n_documents:,}} documents')"
            )
        elif recipe.verb == "document":
            self._lines.append(
                f"print({f'{number}. '!r} + {named}, {sets[0]}[{recipe.key[0]!r}].text, sep='\\n')"
            )
        elif recipe.verb == "search":
            self._searched(number, named, recipe, sets)
        elif recipe.verb == "steer":
            self._written(number, named, recipe)
        elif recipe.verb == "why":
            self._explained(number, named, recipe)
        else:
            self._finding(number, named, recipe, sets)

    def _searched(self, number: int, named: str, recipe: Recipe, sets: list[str]) -> None:
        self._helpers["searched"] = _SEARCHED
        options = dict(recipe.options)
        words = [repr(text) for text in options.pop("words")]
        result = self._result(recipe, [*sets, *words], options)
        self._lines.append(f"searched({number}, {named}, {result}, {list(recipe.key)!r})")

    def _written(self, number: int, named: str, recipe: Recipe) -> None:
        self._helpers["written"] = _WRITTEN
        options = dict(recipe.options)
        model, *texts = recipe.key
        result = self._result(recipe, [repr(model), repr(options.pop("prompts"))], options)
        self._lines.append(f"written({number}, {named}, {result}, {texts!r})")

    def _explained(self, number: int, named: str, recipe: Recipe) -> None:
        self._helpers["explained"] = _EXPLAINED
        model, sae, _ = recipe.key
        # the effect of one feature is often less than bfloat16 rounds away
        call = f"load_generator({model!r}, {sae!r}, dtype='float32')"
        if call not in self._results:
            self._results[call] = self._next("generator")
            self._lines.append(f"{self._results[call]} = {call}")
        told = "".join(f", {name}={value!r}" for name, value in recipe.options.items())
        was = dict(recipe.figures)
        self._lines.append(f"explained({number}, {named}, {self._results[call]}, {was!r}{told})")

    def _finding(self, number: int, named: str, recipe: Recipe, sets: list[str]) -> None:
        result = self._result(recipe, sets)
        self._helpers["tell"] = _TELL
        if recipe.verb == "diff":
            self._helpers["finding"] = _FINDING
            kind, term = recipe.key
            row = f"finding({result}, {kind!r}, {term!r})"
        else:
            self._helpers["pair"] = _PAIR
            half = len(recipe.key) // 2
            columns, key = list(recipe.key[:half]), list(recipe.key[half:])
            row = f"pair({result}, {columns!r}, {key!r})"
        was = "".join(f", {figure}={value!r}" for figure, value in recipe.figures.items())
        self._lines.append(f"tell({number}, {named}, {row}{was})")

    def _set(self, recipe: SetRecipe) -> str:
        if recipe in self._sets:
            return self._sets[recipe]
        if recipe.path not in self._corpora:
            self._corpora[recipe.path] = f"corpus_{len(self._corpora) + 1}"
        made = self._corpora[recipe.path]
        if recipe.rows is not None:
            made += f".select({self._rows(recipe.rows)})"
        if recipe.where:
            made += f".select({recipe.where!r})"
        variable = self._sets[recipe] = f"set_{len(self._sets) + 1}"
        self._lines += _comment(recipe.name)
        self._lines.append(f"{variable} = checked({made}, {recipe.fingerprint!r})")
        return variable

    def _rows(self, rows: PackedRows) -> str:
        if len(rows) <= _PLAIN_ROWS:
            return pprint.pformat(rows.rows.tolist(), width=96, compact=True).replace("\n", "\n    ")
        self._helpers["rows"] = _UNPACKED
        packed = base64.b64encode(rows.packed).decode()
        parts = [packed[at : at + 90] for at in range(0, len(packed), 90)]
        return "rows(\n" + "\n".join(f"    {part!r}" for part in parts) + "\n)"

    def _result(self, recipe: Recipe, sets: list[str], options: dict[str, Any] | None = None) -> str:
        left = self._left(recipe, sets)
        given = recipe.options if options is None else options
        told = "".join(f", {name}={_literal(value)}" for name, value in given.items())
        call = f"saetext.{recipe.verb}({', '.join(left)}{told})"
        if call not in self._results:
            self._results[call] = self._next("result")
            self._lines.append(f"{self._results[call]} = {call}")
        return self._results[call]

    def _left(self, recipe: Recipe, sets: list[str]) -> list[str]:
        """Return what the sets are called once documents were left out of them."""
        if not recipe.without:
            return sets
        how = {name: recipe.options[name] for name in ("sae", "pair_on") if name in recipe.options}
        key = f"{sets} {recipe.without} {how}"
        if key not in self._results:
            self._results[key] = (
                f"left_{sum(name.startswith('left_') for name in self._results.values()) + 1}"
            )
            made = f"[{', '.join(sets)}]"
            self._lines.append(f"{self._results[key]} = {made}")
            for one in recipe.without:
                self._lines.append(self._leaving(self._results[key], one, **how))
        return [f"{self._results[key]}[{at}]" for at in range(len(sets))]

    def _next(self, kind: str) -> str:
        return f"{kind}_{1 + sum(name.startswith(kind) for name in self._results.values())}"

    def _leaving(self, variable: str, one: Without, sae: Any = None, **how: Any) -> str:
        if one.kind == "where":
            condition = f"CASE WHEN ({one.term}) THEN FALSE ELSE TRUE END"
            return f"{variable} = [documents.select({condition!r}) for documents in {variable}]"
        self._helpers["without"] = _WITHOUT
        options = "".join(f", {name}={_literal(value)}" for name, value in how.items())
        return f"{variable} = without({variable}, {sae!r}, {one.kind!r}, {one.term!r}{options})"

    def text(self, name: str) -> str:
        head = _HEAD.replace("{name}", name)
        if "rows" in self._helpers:
            head = head.replace("import saetext\n", _PACKING + "import saetext\n")
        if "without" in self._helpers:
            head += "from saetext.analysis.differences.having import documents_having\n"
        if "explained" in self._helpers:
            head += _EXPLAINS
        corpora = [f"{variable} = saetext.Corpus.open({path!r})" for path, variable in self._corpora.items()]
        helpers = "".join(self._helpers.values()) if self._lines else ""
        return head + helpers + "\n\n" + "\n".join([*corpora, *self._lines]).strip("\n") + "\n"


def _plain(text: str) -> str:
    return one_line(printable(text), 200)


def _comment(text: str) -> list[str]:
    return [f"# {_plain(text)}".rstrip()]


def _literal(value: Any) -> str:
    return repr(tuple(value)) if isinstance(value, list) else repr(value)
