"""``saetext features --vocabulary`` and ``--over``: statistics of every feature token by token.

Not for: what else can be asked of features (:mod:`saetext_cli.features`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.errors import InputError
from saetext_cli.analysing import finish
from saetext_cli.common import colored, describe_source, encoding, load_reader, note, waiting, width
from saetext_cli.features import FeaturesRequest, given_of, is_corpus, write_either
from saetext_cli.meters import progress_bar

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.documents import DocumentSource
    from saetext.features import TokenTable
    from saetext.features.labels import FeatureLabels
    from saetext.reader.reader import Reader
    from saetext_cli.options import Labelled, ModelChoice, Texts

DEFAULT_SORT = "max"


def tabulate_tokens(
    name: str, request: FeaturesRequest, labelled: Labelled, choice: ModelChoice, columns: Texts
) -> None:
    """Take the statistics, write them where a file is named, and print the first rows."""
    texts = None if request.over is None else _texts(request.over, columns)
    reader, sae, labels = _opened(name, labelled, choice)
    from saetext.analysis.base import Result
    from saetext.features import token_table
    from saetext.report.console.tokens import strongest_by

    with progress_bar() as show:
        found = token_table(reader, texts, sae=sae, labels=labels, on_progress=show)
    sort = request.sort or DEFAULT_SORT
    params = {"of": name, "sae": sae, "over": found.over}
    if request.table is not None:
        whole: Result = Result("features", found.table, params, found.about, found.notes)
        write_either(whole, request.table, request)
        note(f"{request.table}: {found.table.height:,} features over {found.about['tokens']:,} tokens")
    rows = strongest_by(found, sort, request.top or None)
    shown = {**params, "sort": sort, "top": request.top}
    finish(
        Result("features", rows, shown, found.about, found.notes),
        request,
        lambda: _rendered(found, name, sort, request.top or None),
    )


def _rendered(found: TokenTable, name: str, sort: str, top: int | None) -> str:
    from saetext.report.console.tokens import render_token_table

    return render_token_table(found, name, sort, top, width(), colored(), encoding=encoding())


def _texts(over: str, columns: Texts) -> Corpus | DocumentSource:
    """Return the texts of a file or those that a corpus stores."""
    if is_corpus(over):
        from saetext.corpus import Corpus

        if unused := given_of(columns):
            raise InputError(f"{unused} is about a file of texts, and {over} is a corpus")
        return Corpus.open(over)
    from saetext.documents import open_documents

    source = open_documents(over, **columns.given())
    describe_source(source)
    return source


def _opened(name: str, labelled: Labelled, choice: ModelChoice) -> tuple[Reader, str, FeatureLabels]:
    """Return the reader of that name, or the one that made the corpus, the SAE's name, and the labels."""
    from saetext.features.known_labels import reader_labels
    from saetext.reader import shipped

    if is_corpus(name):
        from saetext.features import open_subject

        subject = open_subject(name, sae=labelled.sae, labels=labelled.labels)
        with waiting("loading the reader"):
            reader = subject.load_reader(
                model=choice.model,
                device=choice.device,
                dtype=choice.dtype,
                trust_pickle=choice.trust_pickle,
            )
        return reader, subject.sae.name, subject.labels
    if labelled.sae is not None:
        raise InputError(f"--sae chooses one SAE of a corpus, and {name} is not a corpus")
    if choice.model is not None and shipped.by_name(name) is not None:
        raise InputError(f"--model belongs to an SAE, and the {name} reader has its own model")
    reader = load_reader(
        [name], choice.model, device=choice.device, dtype=choice.dtype, trust_pickle=choice.trust_pickle
    )
    if not reader.calibrated:
        from saetext.reader.thresholds.policy import with_known_thresholds

        reader = with_known_thresholds(reader) or reader
    spec = reader.spec.sae()
    return reader, spec.name, reader_labels(spec, reader.saes[spec.name].calibration, labelled.labels)
