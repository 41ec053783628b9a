"""Features as the files that Neuronpedia imports: labels, and texts with the value of every token.

The layout is that of its public data sets (``v1/MODEL/SOURCE``), which the import of a Neuronpedia instance
reads: ``model.jsonl``, ``sourceset.jsonl``, ``source.jsonl``, and numbered batches of gzipped JSON lines in
``features/``, ``activations/`` and ``explanations/``. Not for: labels that it publishes
(:mod:`saetext.features.labelling.neuronpedia`).
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from saetext.corpus.corpus import Corpus
from saetext.errors import CorpusError, InputError, ReaderError
from saetext.features.contexts import gather
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.shading import read_again
from saetext.features.subject import Subject
from saetext.io.files import atomic_directory, write_atomic, writing
from saetext.io.progress import OnProgress, Stages
from saetext.io.strict_json import dumps

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

_T = TypeVar("_T")

BATCH = 1024  # features in one file, as in the public data sets
#: Who made what is imported: the account that a new instance has, and that all public data sets name.
CREATOR = "clkht01d40000jv08hvalcvly"
_REACH = 64  # tokens on either side of the strongest one
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}/(\d{1,5}-[A-Za-z0-9][\w.-]{0,99})", re.ASCII)
_LAYER = re.compile(r"(?:blocks|layers?|h)\.(\d{1,5})")


def _of(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Written:
    """How much was written, for a line to the user."""

    name: str
    features: int
    examples: int
    explanations: int
    unread: int

    def __str__(self) -> str:
        left = (
            f"; {_of(self.unread, 'example')} could not be read again as they were, left out"
            if self.unread
            else ""
        )
        return (
            f"{_of(self.features, 'feature')}, {_of(self.examples, 'example')} and "
            f"{_of(self.explanations, 'label')} "
            f"as {self.name}{left}"
        )


def export_neuronpedia(
    corpus: Corpus,
    path: str | Path,
    *,
    reader: Reader | None,
    name: str | None = None,
    features: Sequence[int] | None = None,
    examples: int = 12,
    sae: str | None = None,
    labels: str | Path | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Written:
    """Write features of a corpus as a directory that Neuronpedia imports.

    Parameters
    ----------
    corpus : Corpus
        Where examples come from; it must store its texts.
    path : path
        The new directory.
    reader : Reader or None
        The reader that made the corpus: examples are read again for the value of every token.
    name : str, optional
        ``MODEL/SOURCE`` as Neuronpedia has it, the source beginning with the layer: ``gpt2-small/6-res-jb``.
        By default that of the SAE's metadata, else the model's name and ``LAYER-saetext``.
    features : sequence of int, optional
        Which; by default all that are present in the corpus.
    examples : int
        Most examples of each feature, a third of them the strongest, the others around the median and just
        above the threshold.
    sae : str, optional
        Which SAE, if there are several.
    labels : path, optional
        Labels to write instead of those known for the corpus.
    seed : int
        Of the choice among documents.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as texts are read.

    Returns
    -------
    Written
        How much there is.

    Raises
    ------
    InputError
        If the directory exists, the name is none, or there is no such feature.
    ReaderError
        If the reader is not there, or reads none of the examples as they were.
    CorpusError
        If it cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise InputError(f"{path} exists already; choose another name")
    if not corpus.stores_text:
        raise InputError(f"{corpus.path} stores no texts, so there are no examples to write")
    if reader is None:
        raise ReaderError(
            "examples are read again for the value of every token, and there is no reader for it"
        )
    spec = corpus.spec.sae(sae)
    table = labels_for(corpus, sae, labels)
    subject = Subject(str(corpus.path), spec, table, corpus.calibration(spec.name), corpus)
    called = _named(name or subject.neuronpedia_id, corpus.spec.model, spec.hook)
    wanted = sorted(set(features)) if features is not None else _present(corpus, spec.name)
    for feature in wanted:
        subject.require(feature)
    if not wanted:
        raise InputError(f"no feature is present in {corpus.path}: there is nothing to write")
    tell = Stages(on_progress, "texts")
    found, unread = _examples(corpus, spec.name, wanted, max(examples // 3, 1), seed, reader, tell)
    if unread and not any(found.values()):
        raise ReaderError(
            f"none of {unread:,} examples could be read again as they were: the texts are turns of chats, "
            "or the reader has changed"
        )
    model, _, source = called.partition("/")
    files = _Rows(model, source, corpus, spec.name, table)
    told = Written(
        called, len(wanted), sum(map(len, found.values())), sum(f in table for f in wanted), unread
    )
    with writing(path, CorpusError), atomic_directory(path) as beside:
        for file, about in files.about().items():
            write_atomic(beside / f"{file}.jsonl", f"{dumps(about)}\n".encode())
        for file, rows in files.tables(wanted, found):
            if lines := "".join(f"{dumps(row)}\n" for row in rows):
                (beside / file).parent.mkdir(exist_ok=True)
                write_atomic(beside / f"{file}.jsonl.gz", gzip.compress(lines.encode(), mtime=0))
    return told


def _named(given: str | None, model: str, hook: str) -> str:
    if given is not None:
        if not _NAME.fullmatch(given):
            raise InputError(
                f"{given!r} is no MODEL/SOURCE of Neuronpedia, such as gpt2-small/6-res-jb: the source "
                "begins with the layer and a dash"
            )
        return given
    layer = _LAYER.search(hook)
    short = re.sub(r"[^a-z0-9_-]+", "-", model.rstrip("/").rpartition("/")[2].lower()).strip("-.")[:100]
    return f"{short or 'model'}/{layer[1] if layer else 0}-saetext"


def _present(corpus: Corpus, sae: str) -> list[int]:
    count = np.zeros(corpus.spec.sae(sae).d_sae, np.int64)
    for rows in corpus.rows(sae):
        count += np.bincount(rows.feature, minlength=len(count))
    return np.flatnonzero(count).tolist()


@dataclass(frozen=True)
class _Example:
    """A stretch of a document: its tokens as text, the feature's value on each, and the strongest one."""

    document: str
    row: int
    tokens: tuple[str, ...]
    values: tuple[float, ...]
    at: int


def _examples(
    corpus: Corpus, sae: str, features: Sequence[int], per_level: int, seed: int, reader: Reader, tell: Stages
) -> tuple[dict[int, list[_Example]], int]:
    """Return the examples of each feature, strongest first, and how many could not be read again."""
    tell("choosing examples")
    chosen: dict[int, dict[int, int]] = defaultdict(dict)  # row -> feature -> place among its examples
    for feature, contexts in gather(corpus, sae, features, per_level=per_level, seed=seed).items():
        for place, context in enumerate(contexts.firing):
            chosen[context.row][feature] = place
    found: dict[int, dict[int, _Example]] = defaultdict(dict)
    unread = 0
    for done, (row, of_row) in enumerate(sorted(chosen.items())):
        tell("reading the examples", done, len(chosen))
        document = corpus.document(row)
        entries = read_again(reader, sae, document)
        if entries is None:
            unread += len(of_row)
            continue
        rows = document["entries"][sae]
        peaks = dict(zip(rows.feature.tolist(), rows.peak.tolist(), strict=True))
        order = np.argsort(entries.feature, kind="stable")
        ordered = entries.feature[order]
        for feature, place in of_row.items():
            mine = order[np.searchsorted(ordered, feature) : np.searchsorted(ordered, feature, "right")]
            values = dict(zip(entries.ordinal[mine].tolist(), entries.value[mine].tolist(), strict=True))
            found[feature][place] = _example(document, row, int(peaks[feature]), values)
    return {feature: [one for _, one in sorted(found[feature].items())] for feature in features}, unread


def _example(document: Mapping[str, Any], row: int, peak: int, values: Mapping[int, float]) -> _Example:
    text, ends = document["text"], document["token_end"].tolist()
    start, stop = max(peak - _REACH, 0), min(peak + _REACH + 1, len(ends))
    # a token begins where the one before it ended, so that together they are the text; pieces of one
    # character end at one place, and all but the first are empty
    at = int(document["token_start"][start])
    tokens = []
    for end in ends[start:stop]:
        tokens.append(text[at : max(end, at)])
        at = max(end, at)
    shown = tuple(round(values.get(ordinal, 0.0), 4) for ordinal in range(start, stop))
    return _Example(str(document["id"]), row, tuple(tokens), shown, peak - start)


@dataclass(frozen=True)
class _Rows:
    """The rows of one source, in Neuronpedia's columns; what is not known is left to its defaults."""

    model: str
    source: str
    corpus: Corpus
    sae: str
    labels: FeatureLabels

    def tables(
        self, features: Sequence[int], examples: Mapping[int, Sequence[_Example]]
    ) -> Iterator[tuple[str, Iterator[Mapping[str, Any]]]]:
        """Yield every file's path without its ending, with its rows."""
        density = self.corpus.calibration(self.sae).density
        for number, batch in enumerate(_cut(features)):
            yield (
                f"features/batch-{number}",
                (self._feature(f, examples[f], float(density[f])) for f in batch),
            )
            yield f"activations/batch-{number}", (self._activation(f, e) for f in batch for e in examples[f])
        labelled = [label for f in features if (label := self.labels.get(f)) is not None]
        for number, some in enumerate(_cut(labelled)):
            yield f"explanations/batch-{number}", map(self._explanation, some)

    def about(self) -> dict[str, dict[str, Any]]:
        """Return the three files that say what this is, a row each."""
        when, spec = self.corpus.manifest.updated, self.corpus.spec
        set_name = self.source.partition("-")[2]
        made = {"creatorId": CREATOR, "createdAt": when, "visibility": "PUBLIC"}
        return {
            "model": {
                "id": self.model,
                "displayName": self.model,
                "displayNameShort": self.model,
                "instruct": bool(spec.chat_template_sha256),
                "inferenceEnabled": False,
                "layers": 0,
                "neuronsPerLayer": 0,
                "owner": spec.model.rpartition("/")[0],
                "updatedAt": when,
                **made,
            },
            "sourceset": {
                "modelId": self.model,
                "name": set_name,
                "description": f"{spec.sae(self.sae).origin} at {spec.sae(self.sae).hook}",
                "type": "",
                "creatorName": "saetext",
                "urls": [],
                "hasDashboards": True,
                **made,
            },
            "source": {
                "id": self.source,
                "modelId": self.model,
                "setName": set_name,
                "hasDashboards": True,
                "inferenceEnabled": False,
                "dataset": self.corpus.path.resolve().name,
                "num_prompts": len(self.corpus),
                "num_tokens_in_prompt": 2 * _REACH + 1,
                **made,
            },
        }

    @property
    def _where(self) -> dict[str, Any]:
        return {"modelId": self.model, "layer": self.source}

    def _feature(self, feature: int, examples: Sequence[_Example], density: float) -> dict[str, Any]:
        return {
            **self._where,
            "index": str(feature),
            "sourceSetName": self.source.partition("-")[2],
            "creatorId": CREATOR,
            "createdAt": self.corpus.manifest.updated,
            "maxActApprox": max((one.values[one.at] for one in examples), default=0.0),
            "frac_nonzero": density if np.isfinite(density) else 0.0,
            "hasVector": False,
            **{column: [] for column in _EMPTY},
        }

    def _activation(self, feature: int, example: _Example) -> dict[str, Any]:
        return {
            "id": self._id("activation", feature, example.row),
            **self._where,
            "index": str(feature),
            "creatorId": CREATOR,
            "createdAt": self.corpus.manifest.updated,
            "tokens": list(example.tokens),
            "values": list(example.values),
            "maxValue": max(example.values),
            "maxValueTokenIndex": example.values.index(max(example.values)),
            "minValue": min(example.values),
            "qualifyingTokenIndex": example.at,
            "dataSource": self.corpus.path.resolve().name,
            "dataIndex": example.document,
            "dfaValues": [],
            "lossValues": [],
        }

    def _explanation(self, label: FeatureLabel) -> dict[str, Any]:
        by = f" by {label.score_method}" if label.score_method else ""
        scored = "" if label.score is None else f"; score {label.score:.2f}{by}"
        return {
            "id": self._id("explanation", label.feature, 0),
            **self._where,
            "index": str(label.feature),
            "authorId": CREATOR,
            "createdAt": self.corpus.manifest.updated,
            "description": f"{label.label}: {label.description}" if label.description else label.label,
            # these two must name rows of the instance, which has none of ours
            "typeName": None,
            "explanationModelName": None,
            "notes": f"saetext: {label.source or 'unknown source'}{scored}",
        }

    def _id(self, kind: str, feature: int, row: int) -> str:
        """Return an id of 25 characters that is the same each time, so that a second import adds nothing."""
        told = f"{self.corpus.fingerprint} {self.model}/{self.source} {kind} {feature} {row}"
        return "s" + hashlib.sha256(told.encode()).hexdigest()[:24]


_EMPTY = (
    "vector", "topkCosSimIndices", "topkCosSimValues", "neuron_alignment_indices", "neuron_alignment_values",
    "neuron_alignment_l1", "correlated_neurons_indices", "correlated_neurons_pearson",
    "correlated_neurons_l1", "correlated_features_indices", "correlated_features_pearson",
    "correlated_features_l1", "neg_str", "neg_values", "pos_str", "pos_values", "freq_hist_data_bar_heights",
    "freq_hist_data_bar_values", "logits_hist_data_bar_heights", "logits_hist_data_bar_values",
    "decoder_weights_dist",
)  # fmt: skip


def _cut(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
