"""Names of clusters: whether a name picks out its own cluster, by documents that had no part in it.

    python benchmarks/cluster_names.py measure --data DIR --work DIR --half test --way after
    python benchmarks/cluster_names.py sheet --data DIR --work DIR --half test     (names by members)

Piles of texts with known labels, cut in two by label (or at random where labels are few or many): names were
made better on one half and are measured on the other. Of each pile two thirds of the documents are clustered
and the rest is placed among the clusters; all scores but "names alike" are of these held-out members.
``--data`` has the Parquet files of benchmarks/README.md; corpora are kept in ``--work``.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

RESULTS = common.RESULTS / "cluster_names.json"
TOLD = 10  # held-out distinctive words of a cluster
STEM = 5  # first letters that two forms of a word share
LEAST = 4  # held-out members of a cluster that is measured


@dataclass(frozen=True)
class Pile:
    """Texts with known labels: the file, the column, how many documents, and how it is cut in two."""

    file: str
    truth: str
    most: int
    cut: str = "label"
    where: str | None = None


ANSWERED = "('gpt4_1106_preview_concise', 'gpt-3.5-turbo-1106_verbose', 'alpaca-7b_concise')"
PILES = {
    "banking77": Pile("banking77", "label", 1800),
    "prompts": Pile("user_prompts", "label", 1500, where="source = 'autoj_scenario'"),
    "dialogue": Pile("self_dialogue", "topic", 1200),
    "news": Pile("ag_news_test", "label", 1500, cut="random"),
    "emotions": Pile("goemotions", "primary", 1500, cut="random"),
}
# Piles on which nothing was chosen: their names were read once, at the end (half "test" only)
UNSEEN = {
    "headlines": Pile("clickbait", "label", 1800, cut="random"),
    "reasoning": Pile("reasoning_sentences", "label", 1800, cut="random"),
    "answers": Pile("alpaca_eval_outputs", "model", 1500, cut="random", where=f"model in {ANSWERED}"),
    "opinions": Pile("nltk_properties", "dataset", 1800, cut="random"),
    "tasks": Pile("user_prompts", "source", 1800, cut="random", where="source <> 'autoj_scenario'"),
    "statements": Pile("persona_statements_dev", "trait", 1800, cut="random"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("measure", "sheet"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--half", choices=("development", "test"), default="test")
    parser.add_argument("--way", default="after", help="what the figures are called in the results")
    parser.add_argument(
        "--only", nargs="*", default=list(PILES), help="piles; those of UNSEEN have no development half"
    )
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in args.only:
        known, held = _corpora(name, args.half, args.data, args.work)
        if args.what == "sheet":
            _sheet(name, known)
        else:
            found[name] = _measured({**PILES, **UNSEEN}[name], known, held)
            common.say(name, [[key, value] for key, value in found[name].items() if key != "names"])
    if found:
        scores = [key for key in next(iter(found.values())) if key not in ("names", "clusters")]
        mean = {key: round(float(np.mean([one[key] for one in found.values()])), 3) for key in scores}
        common.say("mean over piles", list(mean.items()))
        told = {"mean": mean, **{name: _without_names(one) for name, one in found.items()}}
        common.save(args.output, f"{args.half}, {args.way}", {**common.environment(), **told})


def _without_names(one: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key != "names"}


# ---- piles ------------------------------------------------------------------------------------------------


def _corpora(name: str, half: str, data: Path, work: Path) -> tuple[Any, Any]:
    """Return the corpus that is clustered and that of the held-out documents."""
    import polars as pl

    from saetext import Corpus, Reader, encode, open_documents

    paths = [work / f"{name}-{half}-{part}.corpus" for part in ("known", "held")]
    if not all((path / "manifest.json").exists() for path in paths):
        pile = {**PILES, **UNSEEN}[name]
        frame = pl.read_parquet(data / f"{pile.file}.parquet")
        if pile.where:
            frame = frame.filter(pl.sql_expr(pile.where))
        frame = frame.select("id", "text", pile.truth)
        frame = frame.unique("text", maintain_order=True).filter(pl.col("text").str.len_chars() > 0)
        if pile.cut == "label":
            kinds = sorted(map(str, frame[pile.truth].unique().to_list()))
            mine = kinds[::2] if half == "development" else kinds[1::2]
            frame = frame.filter(pl.col(pile.truth).cast(pl.String).is_in(mine))
            frame = frame.sample(min(pile.most, len(frame)), seed=0, shuffle=True)
        else:
            frame = frame.sample(min(2 * pile.most, len(frame)), seed=0, shuffle=True)
            frame = frame[: pile.most] if half == "development" else frame[pile.most :]
        cut = 2 * len(frame) // 3
        reader = Reader.load()
        for path, part in zip(paths, (frame[:cut], frame[cut:]), strict=True):
            encode(
                open_documents(part.select("id", "text", pile.truth), text="text", id="id"),
                path,
                reader=reader,
            )
    return Corpus.open(paths[0]), Corpus.open(paths[1])


# ---- scores -----------------------------------------------------------------------------------------------


def _measured(pile: Pile, known: Any, held: Any) -> dict[str, Any]:
    from saetext.analysis.clusters import cluster
    from saetext.analysis.clusters.placing import place

    result = cluster(known)
    assert result.fitted is not None
    names = result.table["name"].to_list()
    placed = place(held, known.spec.sae(None).name, result.fitted, lambda *_: None, noise=True)
    texts = [str(t) for t in held.documents.select("text").collect()["text"].to_list()]
    truth = [str(t) for t in held.documents.select(pile.truth).collect()[pile.truth].to_list()]
    scores = _scores(names, texts, truth, placed.cluster.astype(np.int64))
    return {"clusters": len(names), **scores, "names": names}


def _scores(
    names: Sequence[str], texts: Sequence[str], truth: Sequence[str], member: NDArray[np.int64]
) -> dict[str, float]:
    """Score names by the texts, the true labels and the clusters of held-out documents."""
    sizes = np.bincount(member, minlength=len(names) + 1)[1:]
    used = [c for c in range(1, len(names) + 1) if sizes[c - 1] >= LEAST]
    scores = _told_apart(names, texts, member, used)
    own = _distinctive(texts, member, len(names))
    bare = [_stems(name) for name in names]
    majority = [Counter(t for t, c in zip(truth, member, strict=True) if c == k).most_common(1) for k in used]
    in_words = [len(bare[c - 1] & own[c - 1]) > 0 for c in used]
    share = [len(bare[c - 1] & own[c - 1]) / max(len(bare[c - 1]), 1) for c in used]
    label = [bool(bare[c - 1] & _stems(first[0][0])) for c, first in zip(used, majority, strict=True)]
    return {
        **scores,
        "has_a_held_out_word": round(float(np.mean(in_words)), 3),
        "held_out_words_of_its_words": round(float(np.mean(share)), 3),
        "has_a_word_of_the_label": round(float(np.mean(label)), 3),
        "unique": round(len({n.casefold() for n in names}) / max(len(names), 1), 3),
        "characters": round(float(np.mean([len(n) for n in names])), 1),
        "longest": max(map(len, names)),
    }


def _told_apart(
    names: Sequence[str], texts: Sequence[str], member: NDArray[np.int64], used: Sequence[int]
) -> dict[str, float]:
    """Say how well the sentence model tells a cluster's held-out members from the others' by its name."""
    from sklearn.metrics import roc_auc_score

    from saetext.reader.sentences import Embedder

    embedder = Embedder.load()
    by_name = np.asarray(embedder.embed([names[c - 1] for c in used]))
    inside = np.isin(member, used)
    vectors = np.asarray(embedder.embed([t[:1200] for t, keep in zip(texts, inside, strict=True) if keep]))
    mine = member[inside]
    alike = vectors @ by_name.T
    centre = np.stack([vectors[mine == c].mean(0) for c in used])
    to_centre = by_name @ (centre / np.linalg.norm(centre, axis=1, keepdims=True)).T
    right = np.array([used[at] for at in alike.argmax(1)]) == mine
    return {
        "members_by_name_rank_1": round(float(np.mean([right[mine == c].mean() for c in used])), 3),
        "clusters_by_name_rank_1": round(float((to_centre.argmax(1) == np.arange(len(used))).mean()), 3),
        "auc": round(float(np.mean([roc_auc_score(mine == c, alike[:, i]) for i, c in enumerate(used)])), 3),
    }


def _stems(text: str) -> set[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = re.findall(r"[^\W_]+", text.casefold())
    return {w[:STEM] for w in found if len(w) > 2 and w not in ENGLISH_STOP_WORDS}


def _distinctive(texts: Sequence[str], member: NDArray[np.int64], k: int) -> list[set[str]]:
    """Return the stems of each cluster's held-out members that others seldom have: share x log ratio."""
    documents: list[Counter[str]] = [Counter() for _ in range(k + 1)]
    for text, c in zip(texts, member.tolist(), strict=True):
        documents[c].update(_stems(text))
    sizes = np.bincount(member, minlength=k + 1)
    everywhere = sum(documents, Counter())
    found = []
    for c in range(1, k + 1):
        score = {}
        for stem, n in documents[c].items():
            inside = (n + 0.5) / (sizes[c] + 1)
            outside = (everywhere[stem] - n + 0.5) / (sizes.sum() - sizes[c] + 1)
            score[stem] = inside * np.log(inside / outside)
        best = sorted(score, key=lambda stem: (-score[stem], stem))[:TOLD]
        found.append({stem for stem in best if documents[c][stem] > 1})
    return found


def _sheet(name: str, known: Any) -> None:
    """Print each name beside twelve members drawn at random."""
    from saetext.analysis.clusters import cluster

    result = cluster(known)
    rng = np.random.default_rng(1)
    texts = known.documents.select("text").collect()["text"].to_list()
    of = result.documents["cluster"].to_numpy()
    for row in result.table.iter_rows(named=True):
        print(f"\n[{name} {row['cluster']}] {row['size']}  {row['name']}")
        for at in rng.permutation(np.flatnonzero(of == row["cluster"]))[:12].tolist():
            print("   -", " ".join(texts[at].split())[:150])


if __name__ == "__main__":
    main()
