"""parse_where against Polars's own expressions, and what must not get through; types of metadata columns."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saetext.corpus.meta import docs_table, meta_type, unify
from saetext.corpus.where import parse_where
from saetext.errors import InputError

FRAME = pl.DataFrame(
    {
        "model": ["gpt4", "claude", None, "it's"],
        "n": [1, 2, 3, None],
        "text": ["a b", "", "ccc", "A"],
        "date": [dt.date(2024, 1, 1), dt.date(2024, 6, 1), None, dt.date(2025, 1, 1)],
        "meta.id": ["x", "y", "z", "z"],
        "two words": [0.5, 1.5, 2.5, float("nan")],
        'q"t': [1, 2, 3, 4],
        "end": [1, 2, 3, 4],
    }
)
ACCEPTED = [
    ("model = 'gpt4'", pl.col("model") == "gpt4"),
    ('model == "gpt4"', pl.col("model") == "gpt4"),
    ("model in (\"gpt4\", 'claude')", pl.col("model").is_in(["gpt4", "claude"])),
    ("model = 'it''s'", pl.col("model") == "it's"),
    ('model = "it\'s"', pl.col("model") == "it's"),
    ("model <> 'gpt4' or n = 1", (pl.col("model") != "gpt4") | (pl.col("n") == 1)),
    ("not (n between 1 and 2)", ~pl.col("n").is_between(1, 2)),
    ("model IS NULL", pl.col("model").is_null()),
    ("text LIKE '%b'", pl.col("text").str.ends_with("b")),
    ("LOWER(text) = 'a'", pl.col("text").str.to_lowercase() == "a"),
    ("length(text) > 2", pl.col("text").str.len_chars() > 2),
    ("REGEXP_LIKE(text, '^c+$')", pl.col("text").str.contains("^c+$")),
    ("meta.id = 'z' AND n >= 3", (pl.col("meta.id") == "z") & (pl.col("n") >= 3)),
    ('"two words" > 1', pl.col("two words") > 1),
    ("`two words` > 1", pl.col("two words") > 1),
    ('"q""t" % 2 = 0', pl.col('q"t') % 2 == 0),
    ('"end" > 2', pl.col("end") > 2),
    ("date > DATE '2024-05-01'", pl.col("date") > dt.date(2024, 5, 1)),
    ("EXTRACT(YEAR FROM date) = 2024", pl.col("date").dt.year() == 2024),
    ("CAST(n AS TEXT) = '2'", pl.col("n").cast(pl.String) == "2"),
    ("COALESCE(n, 9) = 9", pl.col("n").fill_null(9) == 9),
    ("n * 2 - 1 = 3", pl.col("n") * 2 - 1 == 3),
    ("CASE WHEN n > 1 THEN TRUE ELSE FALSE END", pl.when(pl.col("n") > 1).then(True).otherwise(False)),
]


def test_messages_are_short_however_long_the_names_are() -> None:
    columns = [f"{'x' * 300}{n}" for n in range(300)]
    for text in ("no_such = 1", "'" * 2 + "x" * 4000, f"{'y' * 4000} = 1", f'"{"z" * 4000}" > 1', "f(1) = 1"):
        with pytest.raises(InputError) as told:
            parse_where(text, columns)
        assert len(str(told.value)) < 500


def test_a_panic_of_polars_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def panics(_: str) -> pl.Expr:
        raise pl.exceptions.PanicException("index out of bounds")

    monkeypatch.setattr(pl, "sql_expr", panics)
    with pytest.raises(InputError, match="cannot understand the condition 'n = 1': index out of bounds"):
        parse_where("n = 1", FRAME.schema)


@pytest.mark.parametrize("schema", [FRAME.schema, FRAME.columns])
@pytest.mark.parametrize(("text", "want"), ACCEPTED)
def test_conditions_mean_what_polars_means(text, want, schema):
    got = FRAME.filter(parse_where(text, schema))
    assert got.equals(FRAME.filter(want), null_equal=True)
    assert 0 < got.height < FRAME.height


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("modle = 'gpt4'", "no column 'modle'; the columns are: model, n.*did you mean model"),
        ("\"modle\" = 'gpt4'", "no column 'modle'"),
        ("model = ", "cannot understand"),
        ("n = 1 AND", "cannot understand"),
        ("n", "Int64, not true or false"),
        ("1 = 1", "uses no column"),
        ("date > '2024-05-01'", "write a date as DATE"),
        ("n = 1; DROP TABLE x", "cannot understand"),
        ("model = 'a' 'b'", "no operator between"),
        ("model = 'unclosed", "cannot understand"),
        ("n $ 1", "at '\\$ 1'"),
        ("EXISTS (SELECT 1)", "no function EXISTS"),
        ("GREATEST() > n", "brackets of GREATEST hold nothing"),  # a panic in Polars
        ("n > LEAST ( )", "brackets of LEAST hold nothing"),
        ("n > GREATEST(n, 1) ()", "no operator before"),  # another
        ("n IN (SELECT a FROM read_csv('/etc/passwd'))", "no column 'SELECT'"),
        ("read_csv('/etc/passwd') = 1", "no function read_csv here; there are such as LOWER"),
        ("LOWR(model) = 'a'", "no function LOWR here; did you mean LOWER"),
        ("(SELECT 1) = n", "no column 'SELECT'"),
        ("n IN (SELECT n FROM read_csv('/etc/passwd'))", "no column 'SELECT'"),
        ("n IN (FROM n)", "FROM is not allowed"),
        ("n = (FROM \"n\")", "FROM is not allowed"),
        ("read_csv('/etc/passwd') = n", "no function read_csv"),
        ("SUM(n) > 3", "no function SUM"),
        ("ROW_NUMBER() OVER (ORDER BY n) > 1", "no function ROW_NUMBER"),
        ("COLUMNS('.*') = 1", "no function COLUMNS"),
        ("\"^.*$\" = 1", "no column"),
        ("*", "cannot understand"),
        ("n = 1 -- AND model = 'x' \n OR unknown = 2", "no column 'unknown'"),
        ("n = 1 /* x */", "no column 'x'"),
        ("model = E'\\x41'", "no column 'E'"),
        ("model = $$x$$", "cannot understand"),
        ("n = 1 OR " * 700 + "n = 1", "5000 are allowed"),
        ("(" * 200 + "n = 1" + ")" * 200, "cannot understand"),
    ],
)  # fmt: skip
def test_what_is_refused(text, message):
    with pytest.raises(InputError, match=message) as raised:
        parse_where(text, FRAME.schema)
    assert "\n" not in str(raised.value)


def test_a_text_cannot_break_out_of_its_quotes():
    for inside in ("x' OR n = 1 --", "\\' OR n = 1", 'x" OR n = 1', "'"):
        quoted = "'" + inside.replace("'", "''") + "'"
        frame = pl.DataFrame({"model": [inside, "other"], "n": [0, 1]})
        assert frame.filter(parse_where(f"model = {quoted}", frame.schema))["model"].to_list() == [inside]
        if '"' not in inside:
            assert frame.filter(parse_where(f'model = "{inside}"', frame.schema)).height == 1


TOKENS = [
    *("n", "model", '"two words"', "'x'", '"x"', "1", "=", "(", ")", ",", "*", "--", ";", "AND", "NOT", "IN"),
    *("FROM", "SELECT", "LOWER", "CAST", "AS", "DATE", "CASE", "WHEN", "THEN", "END", "DISTINCT", "YEAR"),
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=12))
def test_any_tokens_are_an_expression_or_one_line(tokens):
    try:
        expression = parse_where(" ".join(tokens), FRAME.schema)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert set(expression.meta.root_names()) <= set(FRAME.columns)
        assert "subplan" not in str(expression).lower()


def column(values):
    n = len(values)
    table = docs_table(
        [str(i) for i in range(n)], ["t"] * n, [None] * n, [0] * n, [0] * n, [[]] * n, [[]] * n,
        [{"x": v} for v in values],
    )  # fmt: skip
    return table.column("meta").combine_chunks().field("x")


@pytest.mark.parametrize(
    ("values", "kind", "want"),
    [
        ([1, None, 2], "int64", [1, None, 2]),
        ([1, 2.5, float("-inf")], "double", [1.0, 2.5, float("-inf")]),
        ([True, None], "bool", [True, None]),
        ([True, 1], "string", ["true", "1"]),
        ([2**63, 1], "string", [str(2**63), "1"]),
        ([None, None], "null", [None, None]),
        (["é", None], "string", ["é", None]),
        (["\ud800x"], "string", ["\ufffdx"]),
        ([1, "1"], "string", ["1", "1"]),
        ([[1, 2], {"b": None}], "string", ["[1, 2]", '{"b": null}']),
        ([{3, 1, 2}], "string", ["[1, 2, 3]"]),
        ([Decimal("1.5")], "double", [1.5]),
        ([np.int32(3), np.float32(0.5)], "double", [3.0, 0.5]),
        ([dt.date(2024, 1, 2)], "date32[day]", [dt.date(2024, 1, 2)]),
        ([dt.datetime(2024, 1, 2, 3)], "timestamp[us]", [dt.datetime(2024, 1, 2, 3)]),
        ([dt.datetime(2024, 1, 2, 3), dt.date(2024, 1, 2)], "string", ["2024-01-02T03:00:00", "2024-01-02"]),
        ([dt.time(1, 2), b"ab\xff"], "string", ["01:02:00", "ab\ufffd"]),
        ([{(1, 2): 3}], "string", ["{(1, 2): 3}"]),
    ],
)
def test_metadata_types(values, kind, want):
    got = column(values)
    assert str(got.type) == kind
    assert got.to_pylist() == want


def test_zoned_times_are_kept_as_utc():
    zone = dt.timezone(dt.timedelta(hours=2))
    got = column([dt.datetime(2024, 1, 2, 3, tzinfo=zone)])
    assert str(got.type) == "timestamp[us, tz=UTC]"
    assert got.to_pylist() == [dt.datetime(2024, 1, 2, 1, tzinfo=dt.UTC)]
    assert column([dt.datetime(2024, 1, 2, tzinfo=zone), dt.datetime(2024, 1, 2)]).to_pylist() == [
        "2024-01-02T00:00:00+02:00",
        "2024-01-02T00:00:00",
    ]


def test_unified_types_do_not_depend_on_the_order():
    kinds = ["null", "int", "float", "string"]
    for a in kinds:
        for b in kinds:
            assert unify([{"x": a}, {"x": b}]) == unify([{"x": b}, {"x": a}])
    assert unify([{"x": "int"}, {}, {"y": "bool", "x": "null"}]) == {"x": "int", "y": "bool"}
    assert unify([{"x": "datetime"}, {"x": "datetime_utc"}]) == {"x": "string"}


def test_texts_that_cannot_be_stored():
    with pytest.raises(InputError, match="text has lone surrogates"):
        docs_table(["a"], ["\ud800"], [None], [0], [0], [[]], [[]], [{}])
    with pytest.raises(ValueError, match="binary"):
        meta_type(__import__("pyarrow").binary())
