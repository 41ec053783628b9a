"""Code, logs, tracebacks and data fragments for chat_texts.py, with names from the topic of the document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from chat_grammar import Writer

LANGUAGES = (
    "python",
    "python",
    "python",
    "javascript",
    "javascript",
    "sql",
    "sql",
    "bash",
    "bash",
    "html",
    "html",
    "json",
)
TITLES = {
    "python": "Python",
    "javascript": "JavaScript",
    "sql": "SQL",
    "bash": "Bash",
    "html": "HTML",
    "json": "JSON",
}


def _id(w: Writer, rule: str = "things") -> str:
    """Return an identifier of one or two words."""
    words = re.findall(r"[a-z]+", w.rule(rule).lower())
    return "_".join([word for word in words if word not in ("a", "the", "of", "an", "my")][:2]) or "item"


def _many(w: Writer, rule: str = "things") -> str:
    name = _id(w, rule)
    return name if name.endswith("s") else f"{name}s"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _verb(w: Writer) -> str:
    return w.pick(
        [
            "get",
            "load",
            "count",
            "find",
            "check",
            "update",
            "parse",
            "merge",
            "print",
            "save",
            "sort",
            "filter",
            "build",
            "read",
            "clean",
        ]
    )


def _key(w: Writer) -> str:
    return w.pick(
        [
            "price",
            "size",
            "name",
            "weight",
            "date",
            "colour",
            "count",
            "label",
            "id",
            "score",
            "age",
            "rating",
            "status",
            "owner",
            "height",
        ]
    )


def python(w: Writer) -> str:
    one, many, verb, key, n = _id(w), _many(w), _verb(w), _key(w), w.between(1, 99)
    other, text, many2 = _id(w, "animal"), w.rule("facts").replace('"', "'"), _many(w, "object")
    return w.pick(
        (
            f'def {verb}_{many}({many}, limit={n}):\n    """{text[:1].upper()}{text[1:]}."""\n    '
            f"return [{one[0]} for {one[0]} in {many} if {one[0]}.{key} > limit]",
            f"{many} = {[w.rule('good'), w.rule('bad'), w.rule('colour')]}\nfor i, {other} in "
            f"enumerate({many}):\n    print(i, {other}.upper())",
            f"import csv\n\nwith open('{many}.csv') as f:\n    rows = list(csv.DictReader(f))\ntotal = "
            f"sum(float(row['{key}']) for row in rows)\nprint(f'{{total:.{w.between(1, 3)}f}}')",
            f"class {one.title().replace('_', '')}:\n    def __init__(self, {key}, {other}=None):\n     "
            f"   self.{key} = {key}\n        self.{other} = {other} or {n}\n\n    def {verb}(self):\n   "
            f"     return self.{key} * {n}",
            f"from collections import Counter\n\ncounts = Counter({many})\nprint(counts.most_common("
            f"{w.between(2, 9)}))  # {text}",
            f"try:\n    {one} = {verb}_{other}('{w.rule('city')}')\nexcept "
            f"{w.pick(('KeyError', 'ValueError', 'OSError', 'TypeError'))} as error:\n    "
            f"print('{w.rule('troubles').replace(chr(39), '')}:', error)",
            f"def test_{verb}_{one}():\n    {many2} = {verb}_{one}({n}, {key}='{w.rule('colour')}')\n   "
            f" assert len({many2}) == {w.between(1, 9)}",
            f"import re\n\npattern = re.compile(r'^\\d{{{w.between(2, 5)}}}-{one[:3]}$')\n{many} = [x "
            f"for x in {many2} if pattern.match(x)]",
            f"{one} = {{'{key}': {n}, '{_key(w)}': '{w.rule('good')}', '{other}': "
            f"None}}\n{one}['{key}'] += {w.between(1, 9)}\nprint(sorted({one}.items()))",
            f"while {one}_{key} < {n}:\n    {one}_{key} += {w.between(1, 5)}\n    if {other} is None:\n "
            f"       break  # {w.rule('troubles')}",
        )
    )


def javascript(w: Writer) -> str:
    one, many, verb, key, n = _camel(_id(w)), _camel(_many(w)), _verb(w), _key(w), w.between(1, 500)
    other = _camel(_id(w, "object"))
    return w.pick(
        (
            f"const {many} = {json.dumps([w.rule('food'), w.rule('colour')])};\n{many}.forEach(({other})"
            f" => console.log({other}.length));",
            f"function {verb}{one.title()}({other}) {{\n  if (!{other}) return null;\n  return "
            f"{other}.{key} + {n};\n}}",
            f"const res = await fetch('/api/{many}/{n}');\nconst {one} = await "
            f"res.json();\nconsole.log({one}.{key} ?? '{w.rule('bad')}');",
            f"let {one} = {many}.filter(x => x.{key} >= {n}).map(x => x.{_key(w)});",
            f"document.querySelector('#{other}').addEventListener('click', () => {{\n  "
            f"{verb}{one.title()}({n}); // {w.rule('acts')}\n}});",
            f'export const {one} = {{\n  {key}: {n},\n  {_key(w)}: "{w.rule("good")}",\n  {verb}() {{ '
            f"return this.{key}; }},\n}};",
        )
    )


def sql(w: Writer) -> str:
    many, key, other, key2, n = _many(w), _key(w), _many(w, "who"), _key(w), w.between(1, 900)
    return w.pick(
        (
            f"SELECT {key}, COUNT(*) AS n\nFROM {many}\nWHERE {key2} > {n}\nGROUP BY {key}\nORDER BY n "
            f"DESC\nLIMIT {w.between(2, 50)};",
            f"SELECT a.{key}, b.{key2}\nFROM {many} AS a\nJOIN {other} AS b ON b.id = "
            f"a.{other[:-1]}_id\nWHERE b.city = '{w.rule('city')}';",
            f"CREATE TABLE {many} (\n  id INTEGER PRIMARY KEY,\n  {key} TEXT NOT NULL,\n  "
            f"{key2}_{w.pick('abc')} REAL DEFAULT {n}\n);",
            f"UPDATE {many} SET {key} = {n} WHERE {key2} = '{w.rule('colour')}'; -- {w.rule('acts')}",
            f"INSERT INTO {many} ({key}, {key2}) VALUES ('{w.rule('good')}', {n}), ('{w.rule('bad')}', "
            f"{w.between(1, 99)});",
            f"DELETE FROM {many} WHERE {key} IS NULL AND {key2} < {n};",
        )
    )


def bash(w: Writer) -> str:
    one, many, other, n = _id(w), _many(w), _id(w, "object"), w.between(1, 60)
    return w.pick(
        (
            f"cd ~/{many} && ls -la | grep {other}",
            f'for f in *.{w.pick(["txt", "csv", "jpg", "log", "md", "wav"])}; do\n  mv "$f" "{one}_$f"\ndone',
            f"git checkout -b {w.pick(('fix', 'add', 'try'))}-{one.replace('_', '-')}\ngit commit -am "
            f'"{w.rule("acts")}"\ngit push origin HEAD',
            f"find . -name '*{other}*' -mtime +{n} -print | wc -l  # {w.rule('troubles')}",
            f"pip install -r requirements.txt\npython {_verb(w)}_{many}.py --{_key(w)} {n} > "
            f"{other}.log 2>&1",
            f'#!/bin/bash\nset -e\nif [ ! -f {other}.conf ]; then\n  echo "no {other}: '
            f'{w.rule("tips")}" >&2\n  exit {w.between(1, 4)}\nfi',
            f"curl -s https://example.com/{many}/{n} | jq '.{_key(w)}'",
        )
    )


def html(w: Writer) -> str:
    one, n = _id(w, "object").replace("_", "-"), w.between(1, 90)
    fact, act = w.rule("facts"), w.rule("acts")
    return w.pick(
        (
            f'<h1>{act.capitalize()}</h1>\n<p class="{one}">{fact.capitalize()}.</p>',
            f'<ul id="{one}">\n  <li>{w.rule("things")}</li>\n  <li>{w.rule("stuff")}</li>\n  '
            f"<li><b>{w.rule('good')}</b></li>\n</ul>",
            f'<a href="https://example.org/{one}/{n}">{w.rule("tips").capitalize()}</a><br>\n<img '
            f'src="{one}.png" alt="{w.rule("things")}" width="{n}">',
            f'<form action="/{one}" method="post">\n  <input name="{_key(w)}" value="{n}">\n  '
            f"<button>{w.rule('acts').split()[0].title()}</button>\n</form>",
            f"<table>\n  <tr><th>{_key(w)}</th><td>{w.rule('good')}</td></tr>\n  "
            f"<tr><th>{_key(w)}</th><td>{n}</td></tr>\n</table>",
        )
    )


def as_json(w: Writer) -> str:
    value = w.pick(
        (
            {_key(w): w.rule("things"), _key(w): w.between(1, 999), "tags": [w.rule("good"), w.rule("bad")]},
            {
                "name": w.rule("name"),
                "city": w.rule("city"),
                "likes": [w.rule("food"), w.rule("acts")],
                "active": w.chance(0.5),
            },
            {
                "error": {"code": w.pick((400, 401, 404, 409, 500)), "message": w.rule("troubles")},
                "id": w.rule("code"),
            },
            [
                {"id": i, _id(w, "object"): w.rule("colour"), _key(w): w.between(1, 99) / 10}
                for i in range(w.between(2, 3))
            ],
            {
                "order": w.rule("code"),
                "items": [{"item": w.rule("things"), "price": w.between(2, 300)}],
                "note": None,
            },
        )
    )
    return json.dumps(value, indent=w.pick((2, 4, None)), ensure_ascii=False)


_WRITERS: dict[str, Callable[[Writer], str]] = {
    "python": python,
    "javascript": javascript,
    "sql": sql,
    "bash": bash,
    "html": html,
    "json": as_json,
}


def block(w: Writer, language: str) -> str:
    """Return a fenced block, three times in four with the language's tag."""
    tag = language if w.chance(0.72) else ""
    return f"```{tag}\n{_WRITERS[language](w)}\n```"


def log(w: Writer) -> str:
    """Return three to seven lines of a log."""
    level = ("INFO", "DEBUG", "WARN", "ERROR", "WARNING")
    day = f"{w.between(2018, 2026)}-{w.between(1, 12):02}-{w.between(1, 28):02}"
    second = w.between(0, 80000)
    lines = []
    for _ in range(w.between(3, 7)):
        second += w.between(0, 400)
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        what = w.pick(
            (
                f"{_verb(w)}_{_id(w)} took {w.between(1, 9000)} ms",
                f"{w.rule('troubles')}",
                f"GET /{_many(w)}/{w.between(1, 999)} {w.pick((200, 200, 301, 404, 500))}",
                f"retry {w.between(1, 5)} of 5: {w.rule('things')}",
                f"user {w.rule('animal')}{w.between(1, 99)} logged {w.pick(('in', 'out'))} from "
                f"{w.rule('city')}",
                f"{_id(w, 'object')} {w.rule('bad')}, {w.between(1, 100)}% left",
            )
        )
        lines.append(w.pick((f"{day} {clock} {w.pick(level)} {what}", f"[{clock}] {w.pick(level)}: {what}")))
    return "\n".join(lines)


def traceback(w: Writer) -> str:
    """Return a Python traceback, or an error of a shell, a compiler or a browser."""
    one, verb, key = _id(w), _verb(w), _key(w)
    error = w.pick(
        (
            f"KeyError: '{key}'",
            f"ValueError: could not convert string to float: '{w.rule('food')}'",
            f"TypeError: {verb}_{one}() missing 1 required positional argument: '{key}'",
            f"AttributeError: 'NoneType' object has no attribute '{key}'",
            "ZeroDivisionError: division by zero",
            f"FileNotFoundError: [Errno 2] No such file or directory: '{_id(w, 'object')}.csv'",
            f"IndexError: list index out of range ({one})",
            f"ModuleNotFoundError: No module named '{one}'",
            f"NameError: name '{one}' is not defined",
            f"RuntimeError: {w.rule('troubles')}",
        )
    )
    return w.pick(
        (
            f'Traceback (most recent call last):\n  File "{_many(w)}.py", line {w.between(2, 400)}, in '
            f'<module>\n    {one} = {verb}_{one}({w.between(1, 99)})\n  File "{_id(w, "object")}.py", '
            f"line {w.between(2, 900)}, in {verb}_{one}\n    return {one}['{key}']\n{error}",
            f'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\n{error}',
            f"Uncaught TypeError: Cannot read properties of undefined (reading '{key}')\n    at "
            f"{_camel(verb + '_' + one)} ({_many(w)}.js:{w.between(2, 400)}:{w.between(1, 80)})",
            f"{one}.c:{w.between(2, 400)}:{w.between(1, 80)}: error: '{key}' undeclared (first use in "
            "this function)",
            f"bash: {one.replace('_', '-')}: command not found (exit code 127)",
            f"fatal: error {w.between(100, 999)} in {one}: {w.rule('troubles')}",
        )
    )


def table_fragment(w: Writer) -> str:
    """Return a few rows of CSV or tab-separated data."""
    separator = w.pick((",", ",", ";", "\t"))
    columns = w.random.sample(
        ("city", "colour", "price", "date", "name", "animal", "score", "food", "mood", "id"), 4
    )
    rows = [columns]
    for i in range(w.between(3, 6)):
        row = []
        for column in columns:
            value = (
                str(i + 1)
                if column == "id"
                else str(w.between(1, 100))
                if column == "score"
                else w.rule(column)
            )
            row.append(f'"{value}"' if separator in value else value)
        rows.append(row)
    return "\n".join(separator.join(row) for row in rows)
