"""Conditions for ``--where``: well formed, nearly so, and hostile ones. Not for: running them."""

from __future__ import annotations

import random

FILES = ("read_csv", "read_parquet", "read_json", "read_ipc", "read_ndjson", "scan_csv", "READ_CSV")
FUNCTIONS = (
    *("ABS", "ROUND", "FLOOR", "CEIL", "SQRT", "LN", "EXP", "SIGN", "MOD", "GREATEST", "LEAST"),
    *("LOWER", "UPPER", "LENGTH", "CHAR_LENGTH", "TRIM", "LTRIM", "RTRIM", "LEFT", "RIGHT", "SUBSTR"),
    *("REPLACE", "CONCAT", "STRPOS", "STARTS_WITH", "ENDS_WITH", "REGEXP_LIKE"),
    *("COALESCE", "IFNULL", "NULLIF", "CAST", "TRY_CAST", "EXTRACT", "DATE_PART"),
)
OTHERS = ("SUM", "COUNT", "ROW_NUMBER", "UNNEST", "ARRAY_AGG", "CONCAT_WS", "REGEXP_REPLACE", "EXPLODE")
NUMBERED, WORDED = ("n", "n_tokens", "row", '"n"', "score"), ("model", "`model`", "text", "id", '"two words"')
COLUMNS = (*NUMBERED, *WORDED, '""', '"no such"', "id.x")
PLAIN_NUMBERS, PLAIN_TEXTS = ("0", "1", "2.5", "1e3", "5"), ("''", "'a'", "'it''s'", "'%'")
NUMBERS = (
    *(*PLAIN_NUMBERS, "1e999", "1e-999", ".5", "00", "0x10", "9223372036854775807", "9223372036854775808"),
    *("1" + "0" * 30, "9" * 400, "1" + "0" * 4000, "340282366920938463463374607431768211456"),
)
TEXTS = (
    *(
        *PLAIN_TEXTS,
        "'['",
        "'('",
        "'(?:'",
        "'a{99999999}'",
        "'_%\\'",
        "'\u202e'",
        "'\x00'",
        "'" + "a" * 900 + "'",
    ),
)
NUMERIC = ("ABS", "ROUND", "FLOOR", "CEIL", "SQRT", "LN", "EXP", "SIGN", "GREATEST", "LEAST", "COALESCE")
TEXTUAL = (
    "LOWER",
    "UPPER",
    "TRIM",
    "LTRIM",
    "RTRIM",
    "CONCAT",
    "COALESCE",
    "IFNULL",
    "NULLIF",
    "LEFT",
    "SUBSTR",
)
COMPARING = ("=", "==", "!=", "<>", "<", ">", "<=", ">=")
OPERATORS = (*COMPARING, "~", "!~", "+", "-", "*", "/", "%", "||")
WORDS = (
    *("AND", "OR", "NOT", "XOR", "IN", "IS", "NULL", "LIKE", "ILIKE", "BETWEEN", "TRUE", "FALSE", "CASE"),
    *("WHEN", "THEN", "ELSE", "END", "AS", "DISTINCT", "FROM", "DATE", "TIMESTAMP", "YEAR", "INT", "TEXT"),
    *("SELECT", "ESCAPE", "OVER", "LIMIT", "UNION", "WHERE", "INTERVAL", "ARRAY", "ROW", "ANY", "ALL"),
)
MARKS = (
    "(",
    ")",
    ",",
    ";",
    "--",
    "/*",
    "*/",
    "::",
    "[",
    "]",
    "{",
    "}",
    "?",
    "$1",
    "@",
    "\\",
    "\n",
    "'",
    '"',
    "`",
)
TYPES = ("INT", "BIGINT", "DOUBLE", "TEXT", "BOOLEAN", "DATE", "TIMESTAMP", "VARCHAR", "BLOB", "INT[]")


def condition(draw: random.Random) -> str:
    """Return one condition."""
    kind = draw.random()
    if kind < 0.45:
        return _boolean(draw, 3)
    if kind < 0.70:
        return _disturbed(draw, _boolean(draw, 3))
    if kind < 0.95:
        return _soup(draw)
    return draw.choice(_LONG)(draw.choice((10, 100, 1000, 4900)))


_LONG = (
    lambda n: "(" * n + "n" + ")" * n + " > 1",
    lambda n: "NOT " * (n // 4) + "n > 1",
    lambda n: "-" * n + "n > 1",
    lambda n: "- " * (n // 2) + "n > 1",
    lambda n: "n > 1" + " AND n > 1" * (n // 10),
    lambda n: "n > 1" + " + 1" * (n // 4),
    lambda n: "CASE WHEN n > 1 THEN " * (n // 24) + "TRUE" + " END" * (n // 24),
    lambda n: "ABS(" * (n // 5) + "n" + ")" * (n // 5) + " > 1",
    lambda n: "n IN (" + "1," * (n // 2) + "1)",
    lambda n: "model ~ '" + "(a*)*" * (n // 5) + "b'",
    lambda n: "model LIKE '" + "%a" * (n // 2) + "'",
    lambda n: "CONCAT(" + "model," * (n // 6) + "model) = 'a'",
)


def _boolean(draw: random.Random, depth: int) -> str:
    if depth and draw.random() < 0.4:
        left, right = _boolean(draw, depth - 1), _boolean(draw, depth - 1)
        return draw.choice(
            (f"{left} AND {right}", f"({left}) OR {right}", f"NOT {left}", f"{left} XOR {right}")
        )
    wants = draw.choice(("number", "text"))
    value, other = _value(draw, depth, wants), _value(draw, depth, wants)
    return draw.choice(
        (
            f"{value} {draw.choice(COMPARING)} {other}",
            f"{value} {draw.choice(OPERATORS)} {_value(draw, depth)}",
            f"{value} IS {draw.choice(('', 'NOT '))}NULL",
            f"{value} IS DISTINCT FROM {_value(draw, depth)}",
            f"{value} BETWEEN {other} AND {_value(draw, depth, wants)}",
            f"{value} {draw.choice(('', 'NOT '))}IN ({_values(draw, depth)})",
            f"{value} {draw.choice(('LIKE', 'ILIKE', 'NOT LIKE'))} {draw.choice(TEXTS)}",
            f"{value} IS {draw.choice(('TRUE', 'NOT FALSE', 'UNKNOWN'))}",
        )
    )


def _value(draw: random.Random, depth: int, wants: str = "") -> str:
    """Return a value; mostly of the kind that fits, ``number`` or ``text``."""
    wants = wants or draw.choice(("number", "text"))
    if draw.random() < 0.1:
        return _any_value(draw, depth)
    numeric = wants == "number"
    if not depth or draw.random() < 0.5:
        return draw.choice(draw.choice((NUMBERED, PLAIN_NUMBERS) if numeric else (WORDED, PLAIN_TEXTS)))
    inner = _value(draw, depth - 1, wants)
    if numeric and draw.random() < 0.3:
        return draw.choice((f"LENGTH({_value(draw, depth - 1, 'text')})", f"-{inner}", f"{inner} % 2"))
    return f"{draw.choice(NUMERIC if numeric else TEXTUAL)}({inner})"


def _any_value(draw: random.Random, depth: int) -> str:
    kind = draw.random()
    if not depth or kind < 0.45:
        return draw.choice(draw.choice((COLUMNS, NUMBERS, TEXTS)))
    if kind < 0.75:
        names = FUNCTIONS if draw.random() < 0.9 else (*FILES, *OTHERS)
        return f"{draw.choice(names)}({_values(draw, depth - 1)})"
    if kind < 0.85:
        return f"{draw.choice(('CAST', 'TRY_CAST'))}({_value(draw, depth - 1)} AS {draw.choice(TYPES)})"
    if kind < 0.9:
        return f"EXTRACT({draw.choice(('YEAR', 'MONTH', 'DAY', 'EPOCH'))} FROM {_value(draw, depth - 1)})"
    if kind < 0.95:
        return f"CASE WHEN {_boolean(draw, depth - 1)} THEN {_value(draw, depth - 1)} END"
    return f"{draw.choice(('DATE', 'TIMESTAMP'))} {draw.choice(TEXTS)}"


def _values(draw: random.Random, depth: int) -> str:
    return ", ".join(_value(draw, max(depth - 1, 0)) for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 5))))


def _disturbed(draw: random.Random, text: str) -> str:
    """Remove, double, exchange or insert a piece."""
    pieces = text.split(" ")
    at = draw.randrange(len(pieces))
    pieces[at : at + 1] = draw.choice(
        (
            [],
            [pieces[at]] * 2,
            [draw.choice(WORDS)],
            [pieces[at], draw.choice(MARKS)],
            [draw.choice(FILES) + "('x')"],
        )
    )
    return " ".join(pieces)


def _soup(draw: random.Random) -> str:
    kinds = (FUNCTIONS, COLUMNS, NUMBERS, TEXTS, OPERATORS, WORDS, MARKS, ("(", ")", ","), FILES)
    return " ".join(draw.choice(draw.choice(kinds)) for _ in range(draw.randrange(1, 12)))
