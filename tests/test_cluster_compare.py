"""Clusters in two sets in memory: what is new, pairs, copies, and sets of unequal size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from cluster_factory import LABELS, Stored, planted
from scipy import stats

from saetext.analysis.clusters import ClusterResult, cluster, compare, fitting, run
from saetext.analysis.clusters.changes.pairing import paired_shares, units_among, units_of
from saetext.analysis.clusters.names import fitting_labels
from saetext.corpus.joined import Joined
from saetext.errors import InputError
from saetext.features.peaks import local_evidence
from saetext.report.console.clusters import render_clusters

TWO = ("october", "november")


def sets(share: int) -> tuple[Stored, Stored]:
    """Two sets of 300, in the first of which one document in ``share`` of those on physics is left."""
    a, b = planted(300, seed=1, tones=False), planted(300, seed=2, tones=False)
    physics = np.array(a.frame["topic"].to_list()) == "physics"
    a = a.take(np.flatnonzero(~physics | (np.arange(300) % share == 0)))
    for corpus, name in ((a, "a"), (b, "b")):
        corpus.fingerprint = name
        corpus.frame = corpus.frame.with_columns(user=pl.int_range(pl.len()) % 100)
    return a, b


def compared(*corpora: Stored, **more: object) -> ClusterResult:
    return compare(*corpora, names=TWO, semantic=False, labels=LABELS, epochs=30, min_cluster_size=12, **more)


def test_what_is_new_and_what_is_one_text_is_said() -> None:
    a, b = sets(301)
    a = a.take(np.flatnonzero(np.array(a.frame["topic"].to_list()) != "physics"))
    a.fingerprint = "a"
    topic = pl.col("topic") == "physics"
    b.frame = b.frame.with_columns(
        text=pl.when(topic).then(pl.lit("Tell me what physics says, now!")).otherwise("text")
    )
    result = compared(a, b)
    [row] = [row for row in result.changes.to_dicts() if row["only_in"]]
    n = (b.frame["topic"] == "physics").sum()
    assert row["only_in"] == row["copied_in"] == "november" and row["copies"] >= 0.95 * n
    assert abs(row["change_once"]) < row["change"] and row["q"] < 1e-6
    text = render_clusters(result, 100)
    assert "new in november" in text and "are one text, nearly word for word" in text


def test_pairs_and_repeats_are_compared_within_a_column() -> None:
    a, b = sets(4)
    told = compared(a, b, pair_on="user")
    assert told.params["design"] == "by prompt" and "within 100 values of user" in told.notes[0]
    mine = told.documents.with_columns(user=pl.concat([a.frame["user"], b.frame["user"]]))
    for row in told.changes.iter_rows(named=True):
        here = mine.with_columns(here=pl.col("cluster") == row["cluster"]).group_by("user", "set")
        rates = here.agg(pl.col("here").mean()).pivot("set", index="user", values="here").sort("user")
        difference = (rates["november"] - rates["october"]).to_numpy()
        assert row["change"] == pytest.approx(difference.mean())
        slow = stats.permutation_test(  # draws signs in another way
            (difference,), np.mean, permutation_type="samples", n_resamples=9999, random_state=1
        )
        assert row["p"] == pytest.approx(slow.pvalue, abs=0.01)
    assert told.changes["p"].is_between(0.005, 0.9).sum() >= 2


def test_no_set_outweighs_the_others() -> None:
    sizes = (5000, 300)
    many = [Stored(np.ones((n, 2)), told=["x"] * n) for n in sizes]
    rows = Joined(many, TWO).rows_to_fit(50_000, 0)
    assert (rows < 5000).sum() == 1000 and (rows >= 5000).sum() == 300
    assert (np.diff(rows) > 0).all()
    even = Joined([many[0], many[0]], TWO).rows_to_fit(1000, 0)
    assert [(even < 5000).sum(), (even >= 5000).sum()] == [500, 500]


def test_pairs_that_there_are_not_are_refused_before_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = sets(4)
    b.frame = b.frame.with_columns(user=pl.col("user") + 1000)
    monkeypatch.setattr(run, "cluster", lambda *_, **__: pytest.fail("was fitted"))
    with pytest.raises(InputError, match="no user of october occurs in november"):
        compared(a, b, pair_on="user")
    with pytest.raises(InputError, match="prompt_id"):
        compared(a, b, pair_on="prompt_id")


def test_only_pairs_of_which_both_were_fitted_are_counted() -> None:
    """Of 1,500 documents 1,000 are fitted, drawn at random, and of 300 all: 300 pairs, about 200 are left."""
    big, small = planted(1500, seed=1, tones=False), planted(300, seed=2, tones=False)
    for corpus, name in ((big, "a"), (small, "b")):
        corpus.fingerprint = name
        corpus.frame = corpus.frame.with_columns(
            user=pl.int_range(pl.len()) * 5 if name == "b" else pl.int_range(pl.len())
        )
    told = compared(big, small, pair_on="user")
    fitted = told.documents.filter(~pl.col("placed"))
    users = [set(fitted.filter(pl.col("set") == name)["row"].to_list()) for name in TWO]
    pairs = {row for row in range(300) if row * 5 in users[0] and 1500 + row in users[1]}
    assert 150 < len(pairs) < 250
    assert told.metrics["counted"] == {"october": len(pairs), "november": len(pairs)}
    assert any(note == f"documents were paired by {len(pairs):,} values of user" for note in told.notes)
    row = told.changes.row(0, named=True)
    cluster = dict(told.documents.select("row", "cluster").iter_rows())
    share = [
        np.mean([cluster[at(row_)] == row["cluster"] for row_ in pairs])
        for at in (lambda r: r * 5, lambda r: r + 1500)
    ]
    assert row["change"] == pytest.approx(share[1] - share[0])


def test_pairs_none_of_which_was_fitted_are_refused() -> None:
    both = [Stored(np.ones((6, 2)), told=["x"] * 6, meta={"user": list(range(6))}) for _ in TWO]
    units, side = units_of(both, TWO, "user"), np.repeat([0, 1], 6)
    counted = np.r_[np.arange(6) < 3, np.arange(6) >= 3]
    with pytest.raises(InputError, match="of no user documents of both october and november were fitted"):
        units_among(units, counted, side, TWO, "user")
    counted[6] = True
    left = units_among(units, counted, side, TWO, "user")
    assert left.live.tolist() == [True] + [False] * 5 + [True] + [False] * 5
    assert left.notes[1].endswith("among the fitted ones were left out: 2 of october, 3 of november")
    found, shares = paired_shares(np.arange(12) // 6, side, left.live, left, 1, 0)
    assert shares.tolist() == [[0, 1], [1, 0]] and found.change.tolist() == [1, -1]


def test_what_features_do_is_read_of_a_clusters_own_rows_alone() -> None:
    """Of several sets as of one corpus; else each cluster would read every row of all sets."""
    pair = planted(90, seed=1), planted(60, seed=2)
    for corpus, name in zip(pair, TWO, strict=True):
        corpus.frame = corpus.frame.with_columns(id=pl.format(f"{name}-{{}}", pl.int_range(pl.len())))
    joined, features = Joined(pair, TWO), np.arange(20)
    for rows in (np.arange(5, 140, 3), np.arange(95, 130), np.arange(4)):
        part, chosen = fitting_labels._view(joined, rows)
        assert part.n_documents == len(rows) == chosen.sum()
        mask = np.isin(np.arange(150), rows)
        got = local_evidence([part], "main", features, chosen, labels=LABELS)
        assert got == local_evidence([joined], "main", features, mask, labels=LABELS)
        assert any(one.fit is not None for one in got.values())


def test_what_was_selected_is_kept_and_what_a_model_settled_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def select(self: Stored, rows: Any) -> Stored:
        found = self.take(rows if isinstance(rows, np.ndarray) else np.arange(200))
        found.fingerprint = f"a part of {self.fingerprint}"
        return found

    a, b = sets(4)
    monkeypatch.setattr(Stored, "select", select, raising=False)
    told = compared(a, b, sample=150, where="user < 50")
    assert (told.params["sample"], told.params["where"]) == (150, "user < 50")
    assert told.metrics["sets"] == {"october": 150, "november": 150}
    model: Any = SimpleNamespace(sae="main")
    with pytest.raises(InputError, match="epochs, min_cluster_size and views would change nothing"):
        compare(a, b, names=TWO, model=model, views=False, min_cluster_size=50, epochs=9)


def test_too_few_documents_are_refused_before_texts_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "nearly_repeated", lambda *_: pytest.fail("texts were read"))
    few = planted(20)
    with pytest.raises(InputError, match="20 documents are too few"):
        cluster(few, min_cluster_size=12)
