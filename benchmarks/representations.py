"""What the embedded reader's features are worth: probes against other representations, and the threshold.

    python benchmarks/representations.py ../shared/data
    python benchmarks/representations.py ../shared/data --thresholds

The first measures, on 18 properties of six public datasets (``probe_data.py``), the test AUC of a linear
probe and of the best single feature for the reader's features and for what could be used instead: the same
layer's hidden states without an SAE, MiniLM's own sentence embedding, TF-IDF. ``--thresholds`` measures what
the threshold does: the same probes, features and bytes per document, and how well the differences between
two sets of answers found on one half of the prompts come back on the other. Other SAEs: ``compare_saes.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
import probe_data
import probes
from common import RESULTS, environment, save, say
from rich.progress import Progress
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from saetext import stats
from saetext.corpus.calibration import Calibration
from saetext.documents import Document
from saetext.reader.batches import Batcher
from saetext.reader.reader import Reader
from saetext.reader.running import hidden_states
from saetext.reader.sentences import Embedder
from saetext.reader.tokenization import Prepared

PERCENTILES = (0.0, 25.0, 50.0, 75.0, 90.0, 95.0)
# pairs of models whose answers to the same prompts are compared: two styles of one, and two of like length
PAIRS = (
    ("gpt-3.5-turbo-1106_concise", "gpt-3.5-turbo-1106_verbose"),
    ("gemma-7b-it", "vicuna-7b"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--thresholds", action="store_true")
    parser.add_argument("--sae", type=Path, help="SAE directory; default: the embedded reader's")
    parser.add_argument("--save", type=Path, default=RESULTS / "representations.json")
    args = parser.parse_args()
    reader = Reader.load(dtype="float32")
    texts = probe_data.load(args.data)
    if args.thresholds:
        _thresholds(reader, texts, args)
        return
    found: dict[str, probes.Scores] = {}

    def measure(name: str, x: np.ndarray | csr_matrix, single: bool) -> None:
        found[name] = probes.score(x, texts.tasks, single=single)
        print(name, found[name].means, flush=True)

    values = read(reader, texts.texts, None)
    measure("features, above zero", values, True)
    thresholds = reader.calibrations["embedded"].thresholds
    measure("features, above the threshold", above(values, thresholds), True)
    measure("same layer, mean of the hidden states", _mean_hidden(reader, texts.texts), False)
    measure("MiniLM sentence embedding", Embedder.load().embed(texts.texts), False)
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    measure("TF-IDF, 1- and 2-grams", words.fit_transform(texts.texts).tocsr(), True)
    say(
        "mean test AUC over 18 properties",
        [["representation", "linear probe", "best single"]]
        + [[n, s.means["linear"], s.means.get("single", "")] for n, s in found.items()],
    )
    tasks = {n: {"linear": dict(s.linear), "single": dict(s.single)} for n, s in found.items()}
    means = {n: s.means for n, s in found.items()}
    save(args.save, "representations", {**environment(), "mean_auc": means, "tasks": tasks})


def _thresholds(reader: Reader, texts: probe_data.Texts, args: argparse.Namespace) -> None:
    answers = pl.read_parquet(args.data / "alpaca_eval_outputs.parquet").sort("prompt_id")
    sides = [answers.filter(pl.col("model") == name)["text"].to_list() for pair in PAIRS for name in pair]
    corpus = pl.read_parquet(args.data / "sae_corpus.parquet").filter(pl.col("split") == "valid")
    values = read(reader, texts.texts, None)
    answered = [read(reader, side, None) for side in sides]
    reference = _token_values(reader, corpus["text"].to_list())
    tokens = sum(p.n_tokens for s in sides for p in _prepared(reader, s))
    rows = []
    for percentile in PERCENTILES:
        thresholds = _percentile(reference, percentile)
        scores = probes.score(above(values, thresholds), texts.tasks)
        kept = [above(x, thresholds) for x in answered]
        row: dict[str, float] = {
            "percentile": percentile,
            **{f"{k}_auc": v for k, v in scores.means.items()},
            "features_per_answer": round(sum(x.nnz for x in kept) / sum(x.shape[0] for x in kept), 1),
            # five columns of four bytes
            "kb_per_100_tokens": round(sum(x.nnz for x in kept) * 20 / 1000 / (tokens / 100), 2),
        }
        for name, a, b in zip(("styles", "models"), kept[::2], kept[1::2], strict=True):
            row |= {f"{name}_{k}": v for k, v in _replication(a, b).items()}
        rows.append(row)
        print(row, flush=True)
    say("thresholds", [list(rows[0]), *[list(r.values()) for r in rows]])
    save(args.save, "thresholds", {**environment(), "pairs": PAIRS, "rows": rows})


def _replication(a: csr_matrix, b: csr_matrix, splits: int = 10) -> dict[str, float]:
    """Return how many differences half of the pairs show, and the share that the other half confirms."""
    rng = np.random.default_rng(0)
    found, back = [], []
    for _ in range(splits):
        order = rng.permutation(a.shape[0])
        halves = [_test(a[rows], b[rows]) for rows in np.array_split(order, 2)]
        (q, sign), (q_other, sign_other) = halves
        first = q < 0.05
        found.append(int(first.sum()))
        if first.any():
            back.append(float(((q_other < 0.05) & (sign == sign_other))[first].mean()))
    return {"found": round(float(np.mean(found)), 1), "confirmed": round(float(np.mean(back or [0])), 3)}


def _test(a: csr_matrix, b: csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    x, y = (a > 0).tocsc(), (b > 0).tocsc()
    only_a = np.asarray((x > y).sum(0)).ravel()
    only_b = np.asarray((y > x).sum(0)).ravel()
    p = stats.mcnemar_exact_p(only_a, only_b)
    enough = only_a + only_b >= 5
    q = np.ones(len(p))
    q[enough] = stats.benjamini_hochberg(p[enough])
    return q, np.sign(only_a - only_b)


def read(reader: Reader, texts: list[str], thresholds: np.ndarray | None) -> csr_matrix:
    """Return each text's maximum activations, 0 where not above zero (or a threshold)."""
    calibration = reader.calibrations["embedded"].without_thresholds()
    if thresholds is not None:
        calibration = Calibration.from_arrays(thresholds, percentile=None)
    bare = reader.with_calibrations({"embedded": calibration})
    indptr, feature, value = [np.zeros(1, np.int64)], [], []
    with Progress(transient=True) as bar:
        for start in bar.track(range(0, len(texts), 512), description="reading"):
            rows = bare.read(_documents(texts[start : start + 512])).rows["embedded"]
            indptr.append(rows.indptr[1:] + indptr[-1][-1])
            feature.append(np.array(rows.feature))
            value.append(np.array(rows.value))
    data = np.log1p(np.concatenate(value))
    shape = (len(texts), len(calibration))
    return csr_matrix((data, np.concatenate(feature), np.concatenate(indptr)), shape=shape)


def above(x: csr_matrix, thresholds: np.ndarray) -> csr_matrix:
    """Return the entries above the thresholds (``x`` holds log(1 + value))."""
    kept = x.copy()
    kept.data[kept.data <= np.log1p(thresholds)[kept.indices]] = 0
    kept.eliminate_zeros()
    return kept


def _documents(texts: list[str]) -> list[Document]:
    return [Document(str(i), t, None, None, {}, i, "") for i, t in enumerate(texts)]


def _prepared(reader: Reader, texts: list[str]) -> list[Prepared]:
    return [p for p in reader.tokens.prepare(_documents(texts)) if isinstance(p, Prepared)]


def _mean_hidden(reader: Reader, texts: list[str]) -> np.ndarray:
    hook = next(iter(reader.saes.values())).encoder.hook
    sums = np.zeros((len(texts), reader.model.widths[hook]))
    prepared = _prepared(reader, texts)
    batcher = Batcher(reader.tokens, 4096)
    for start in range(0, len(prepared), 512):
        chunk = prepared[start : start + 512]
        for batch, states in hidden_states(reader.model, batcher, chunk, lambda found: found[hook].cpu()):
            np.add.at(sums, np.asarray(batch.rows) + start, states.numpy())
    return (sums / np.array([p.n_tokens for p in prepared])[:, None]).astype(np.float32)


def _token_values(reader: Reader, texts: list[str]) -> list[np.ndarray]:
    """Return each feature's activations above zero on tokens, ascending."""
    features, values = [], []
    for start in range(0, len(texts), 128):
        for _, saes in reader.entries(_prepared(reader, texts[start : start + 128])):
            _, feature, value = saes["embedded"]
            features.append(np.array(feature.numpy(), np.int16))
            values.append(np.array(value.numpy(), np.float32))
    feature, value = np.concatenate(features), np.concatenate(values)
    order = np.lexsort((value, feature))
    bounds = np.searchsorted(feature[order], np.arange(1, len(reader.calibrations["embedded"])))
    return np.split(value[order], bounds)


def _percentile(values: list[np.ndarray], percentile: float) -> np.ndarray:
    if percentile == 0:
        return np.zeros(len(values), np.float32)
    return np.array([np.percentile(v, percentile) if len(v) else 0 for v in values], np.float32)


if __name__ == "__main__":
    main()
