"""Features by examples: the matrix, its clustering, enrichment, the page, the picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from page_helpers import HOSTILE, Page
from scipy.stats import false_discovery_control, fisher_exact
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import cosine_distances as theirs
from typer.testing import CliRunner

from saetext.errors import InputError
from saetext.intervene.attribution import AttributionResult
from saetext.intervene.attribution.tables import PROMPTS, TABLE
from saetext.intervene.expression import ExpressionResult, expression
from saetext.intervene.expression.enrichment import enriched, enrichment
from saetext.intervene.expression.matrix import cosine_distances, grouped, matrix_of, silhouette
from saetext.report.console.expression import render_expression
from saetext.report.html.matrix_page import render_matrix_page
from saetext.report.html.matrix_picture import write_matrix_picture

EXAMPLES = 24


def planted(seed: int = 0, *, examples: int = EXAMPLES, text: str = "word") -> AttributionResult:
    """Feature 1 everywhere; 10 to 12 in examples of one topic, 20 to 22 in those of the other; noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for prompt in range(examples):
        own = [10, 11, 12] if prompt % 2 else [20, 21, 22]
        for feature in [1, *own]:
            for position in (2, 5):
                rows.append(
                    (prompt, position, feature, 1.0, 0.0, float(rng.normal(-2 if feature == 1 else 1, 0.1)))
                )
        for feature in rng.integers(100, 160, 6).tolist():
            rows.append((prompt, int(rng.integers(0, 8)), feature, 1.0, 0.0, float(rng.normal(0, 0.01))))
    columns = ["prompt", "position", "feature", "activation", "gradient", "attribution"]
    pairs = pl.DataFrame(rows, schema=columns, orient="row")
    prompts = pl.DataFrame(
        {
            "prompt": range(examples),
            "id": [f"{text} {n}" for n in range(examples)],
            "tokens": [8] * examples,
            "metric": rng.normal(size=examples),
            "without": [None] * examples,
            "features": [0.0] * examples,
            "error": [0.0] * examples,
            "gap": [None] * examples,
        },
        schema=PROMPTS,
    )
    tokens = pl.DataFrame(
        {
            "prompt": [p for p in range(examples) for _ in range(8)],
            "position": [q for _ in range(examples) for q in range(8)],
            "token": [f" {text}{q}" for _ in range(examples) for q in range(8)],
        }
    )
    return AttributionResult(
        "attribute",
        table=pl.DataFrame(),
        params={
            "metric": text,
            "at": "last",
            "method": "grad",
            "subject": {"model": "m", "sae": "s", "hook": "h"},
        },
        metrics={},
        pairs=pairs,
        prompts=prompts,
        tokens=tokens,
        meta=tuple({"topic": f"{text}{n % 2}", "n": n} for n in range(examples)),
        labels={1: f"{text} everywhere", 10: text},
    )


# ---- the matrix ----------------------------------------------------------------------------------------


def test_the_matrix_is_the_union_of_each_examples_strongest() -> None:
    found = planted()
    matrix = matrix_of(found.pairs, EXAMPLES, 5, 1000)
    dense = np.zeros((160, EXAMPLES))
    for row in found.pairs.to_dicts():
        dense[row["feature"], row["prompt"]] += row["attribution"]
    best = np.zeros(dense.shape, bool)
    for example in range(EXAMPLES):
        best[np.argsort(-np.abs(dense[:, example]), kind="stable")[:5], example] = True
    assert matrix.features.tolist() == np.flatnonzero(best.any(1)).tolist()
    np.testing.assert_allclose(matrix.value, dense[matrix.features])
    assert (matrix.top == best[matrix.features]).all()
    for row, feature in enumerate(matrix.features):
        sizes = np.abs(dense[feature][dense[feature] != 0])
        assert matrix.scale[row] == pytest.approx(np.percentile(sizes, 99))
        np.testing.assert_allclose(
            matrix.expression[row], np.clip(dense[feature] / matrix.scale[row], -1, 1), atol=1e-12
        )
    few = matrix_of(found.pairs, EXAMPLES, 5, 7)
    assert few.features.tolist() == [1, 10, 11, 12, 20, 21, 22]


def test_distances_and_silhouettes_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(30, 6))
    np.testing.assert_allclose(cosine_distances(rows), theirs(rows), atol=1e-12)
    group = rng.integers(0, 4, 30)
    group[0] = 9  # alone
    expected = silhouette_score(theirs(rows), group, metric="precomputed")
    assert silhouette(cosine_distances(rows), group) == pytest.approx(expected)
    assert silhouette(cosine_distances(rows), np.zeros(30, np.int64)) is None
    assert cosine_distances(np.zeros((2, 3))).tolist() == [[0, 1], [1, 0]]


def test_planted_groups_are_found_and_stand_together() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 40)
    rows = np.eye(3)[truth] + rng.normal(0, 0.05, (40, 3))
    found = grouped(rows)
    assert sorted(found.order.tolist()) == list(range(40))
    assert len({(a, b) for a, b in zip(truth.tolist(), found.group.tolist(), strict=True)}) == 3
    assert found.silhouette is not None and found.silhouette > 0.8
    assert (np.diff(found.group[found.order]) >= 0).all()  # numbered along the tree
    assert grouped(rows[:2]).group.tolist() == [0, 0] and grouped(np.zeros((0, 2))).order.tolist() == []


# ---- enrichment ----------------------------------------------------------------------------------------


def test_enrichment_is_fishers_test_with_benjamini_hochberg() -> None:
    rng = np.random.default_rng(3)
    top = rng.random((9, 40)) < 0.3
    values = [None, *rng.choice(["a", "b", "c"], 38), "rare"]
    tests = enrichment(range(9), top, values, "topic")
    assert tests.height == 27 and set(tests["value"]) == {"a", "b", "c"}
    for row in tests.to_dicts():
        there = np.array([v == row["value"] for v in values])
        rest = np.array([v is not None and v != row["value"] for v in values])
        counts = (int(top[row["feature"], there].sum()), int(top[row["feature"], rest].sum()))
        assert (row["n"], row["of"], row["n_rest"], row["of_rest"]) == (
            *(counts[0], int(there.sum())),
            *(counts[1], int(rest.sum())),
        )
        p = fisher_exact([[counts[0], there.sum() - counts[0]], [counts[1], rest.sum() - counts[1]]]).pvalue
        assert row["p"] == pytest.approx(p)
    np.testing.assert_allclose(tests["q"], false_discovery_control(tests["p"]), rtol=1e-9)


def test_only_a_surplus_is_enriched() -> None:
    tests = enrichment(
        [5, 6], np.array([[1] * 20 + [0] * 20, [0] * 20 + [1] * 20], bool), ["x"] * 20 + ["y"] * 20, "t"
    )
    found = enriched(tests)
    assert found[5][0] == "x" and found[6][0] == "y" and found[5][1] < 1e-6


@pytest.mark.parametrize("values", [[1] * 10, list(range(10)), [None] * 10])
def test_a_column_of_one_value_is_refused(values: list[Any]) -> None:
    with pytest.raises(InputError, match="column 'n' has"):
        enrichment([1], np.ones((1, 10), bool), values, "n")


# ---- the whole -----------------------------------------------------------------------------------------


def test_what_is_planted_is_found() -> None:
    found = expression(planted(), take=4, by="topic")
    rows = {row["feature"]: row for row in found.table.to_dicts()}
    assert set(rows) == {1, 10, 11, 12, 20, 21, 22}
    assert rows[1]["prevalence"] == 1 and rows[1]["mean"] < -0.9 and rows[1]["enriched_in"] is None
    assert (
        rows[10]["prevalence"] == 0.5 and rows[10]["enriched_in"] == "word1" and rows[10]["enriched_q"] < 1e-4
    )
    assert rows[20]["enriched_in"] == "word0" and rows[1]["label"] == "word everywhere"
    communities = [{rows[f]["community"] for f in some} for some in ([10, 11, 12], [20, 21, 22])]
    assert all(len(one) == 1 for one in communities) and communities[0] != communities[1]
    topics = found.examples.group_by("community").agg(pl.col("value").n_unique())
    assert found.metrics["example_communities"] == 2 and (topics["value"] == 1).all()
    # the matrix has the order of the tables
    dense = {(r["feature"], r["prompt"]): r["expression"] for r in found.lists()["cells"].to_dicts()}
    for row, feature in enumerate(found.table["feature"].to_list()):
        for column, prompt in enumerate(found.examples["prompt"].to_list()):
            assert found.expression[row, column] == dense.get((feature, prompt), 0.0)
    told = json.loads(found.to_json())
    assert told["kind"] == "expression" and len(told["rows"]) == 7 and len(told["examples"]) == EXAMPLES


def test_random_topics_are_not_enriched() -> None:
    rng = np.random.default_rng(5)
    wrong = 0
    for seed in range(20):
        found = planted(seed)
        meta = tuple({"topic": str(rng.integers(2))} for _ in range(EXAMPLES))
        wrong += (
            expression(AttributionResult(**{**vars(found), "meta": meta}), by="topic").metrics["enriched"] > 0
        )
    assert wrong <= 3


def test_what_cannot_be_put_side_by_side_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'kind'; columns: 'topic', 'n'"):
        expression(planted(), by="kind")
    with pytest.raises(InputError, match="two examples or more"):
        expression(planted(examples=1))
    none = planted()
    with pytest.raises(InputError, match="no feature has any attribution"):
        expression(AttributionResult(**{**vars(none), "pairs": none.pairs.head(0)}))
    with pytest.raises(InputError, match="there is no file"):
        expression(tmp_path / "none.json")


# ---- shown ---------------------------------------------------------------------------------------------


def test_the_terminal_shows_communities() -> None:
    text = render_expression(expression(planted(), take=4, by="topic"), 100)
    assert "Among the strongest in the most examples" in text
    assert "Community 2" in text and "word everywhere" in text
    assert max(map(len, text.splitlines())) <= 100
    assert text.encode("ascii", "replace").decode()
    render_expression(expression(planted(text=HOSTILE), take=4), 40, encoding="ascii").encode("ascii")


def test_the_terminal_keeps_numbers_whole_beside_long_texts() -> None:
    made = planted()
    told = dict.fromkeys(range(12), "a label that goes on and on, for longer than any line " * 3)
    long = AttributionResult(
        **{**vars(made), "prompts": made.prompts.with_columns(id=pl.col("id") + "x" * 90), "labels": told}
    )
    found = expression(long, take=4, by="topic")
    for width in (40, 76, 100, 200):
        text = render_expression(found, width)
        assert max(map(len, text.splitlines())) <= width
        rows = {line.split()[0]: line for line in text.splitlines() if line[:1] == " " or line[:1].isdigit()}
        for row in found.table.to_dicts():
            if line := rows.get(str(row["feature"])):
                assert f"{row['prevalence']:.0%}".replace("%", " %") in line
                assert f"{row['mean']:+.2f}" in line
        assert len([row for row in found.table["feature"] if str(row) in rows]) >= 4


def test_the_page_has_every_cell_and_opens_to_tokens() -> None:
    found = expression(planted(), take=4, by="topic")
    html = render_matrix_page(found)
    page = Page(html)
    cells = sum(str(a["d"]).count("M") for tag, a in page.tags if tag == "path")
    assert cells == np.count_nonzero(found.expression)
    assert page.count("details") == 7 and page.count("script") == 0
    links = [str(a["href"]) for tag, a in page.tags if tag == "a" and str(a["href"]).startswith("#f")]
    ids = {f"#{a['id']}" for _, a in page.tags if "id" in a}
    assert set(links) <= ids and len(links) == 8
    assert "word5" in page.text and any(mark.startswith("b") for _, mark in page.marked)
    assert "default-src 'none'" in html and "http" not in html.replace("http-equiv", "")


def test_marked_white_space_can_be_seen() -> None:
    found = planted()
    blank = found.tokens.with_columns(
        token=pl.when(pl.col("position") == 2).then(pl.lit("\n")).otherwise("token")
    )
    page = Page(render_matrix_page(expression(AttributionResult(**{**vars(found), "tokens": blank}), take=4)))
    assert any(text == "↵\n" for text, _ in page.marked)


def test_hostile_texts_stay_texts() -> None:
    page = Page(render_matrix_page(expression(planted(text=HOSTILE), take=4, by="topic")))
    assert page.count("script") == page.count("img") == 0 and "window.pwned" in page.text
    assert "\x1b" not in page.text and "\u202e" not in page.text


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_picture(suffix: str, tmp_path: Path) -> None:
    path = write_matrix_picture(expression(planted(text="$a_b^"), take=4), tmp_path / f"m.{suffix}")
    assert path.stat().st_size > 5000
    with pytest.raises(InputError, match="exists already"):
        write_matrix_picture(expression(planted(), take=4), path)
    with pytest.raises(InputError, match="ends in"):
        write_matrix_picture(expression(planted(), take=4), tmp_path / "m.gif")


def test_the_command(tmp_path: Path) -> None:
    from saetext_cli.main import app

    found = planted()
    saved = AttributionResult(**{**vars(found), "table": pl.DataFrame(schema=TABLE)}).save(
        tmp_path / "a.json"
    )
    files = ["--html", str(tmp_path / "m.html"), "--png", str(tmp_path / "m.png")]
    done = CliRunner().invoke(
        app, ["expression", str(saved), "--by", "topic", "--take", "4", "--json", *files]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["params"]["by"] == "topic" and len(told["rows"]) == 7
    assert (tmp_path / "m.html").is_file() and (tmp_path / "m.png").read_bytes()[:4] == b"\x89PNG"
    again = CliRunner().invoke(app, ["expression", str(saved), *files])
    assert again.exit_code != 0


def test_a_result_has_no_page_elsewhere(tmp_path: Path) -> None:
    found = expression(planted(), take=4)
    assert isinstance(found, ExpressionResult)
    assert found.to_html(tmp_path / "m.html").read_text("utf-8") == render_matrix_page(found)


def test_a_token_of_white_space_can_be_told_in_the_terminal() -> None:
    made = planted()
    for token, sign in (("\n", "«↵»"), (" ", "«␣»"), (" word", "«word»")):
        text = render_expression(
            expression(
                AttributionResult(**{**vars(made), "tokens": made.tokens.with_columns(token=pl.lit(token))}),
                take=4,
            ),
            120,
        )
        assert sign in text
