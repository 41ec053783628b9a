"""What is worked out once for a corpus, before anybody asks: postings, counts of features, columns, lengths.

Not for: keeping it (queries/).
"""

from __future__ import annotations

import contextlib
import threading

from saetext.errors import SaetextError
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries.about import columns_of, lengths_of
from saetext.report.explore.queries.counts import counts_of
from saetext.report.explore.queries.features import named


def index(loaded: Loaded) -> None:
    """Open the postings of every corpus, building them where they are missing."""
    for corpus in loaded.corpora.values():
        for sae in corpus.saes:
            corpus.postings(sae)


def warm(loaded: Loaded) -> threading.Thread:
    """Begin to work out what every page needs, in a thread that ends with the process."""
    thread = threading.Thread(target=_warm, args=(loaded,), name="saetext-explore-warm", daemon=True)
    thread.start()
    return thread


def _warm(loaded: Loaded) -> None:
    for name, corpus in loaded.corpora.items():
        # a damaged file is told by the page that needs it
        with contextlib.suppress(SaetextError, OSError):
            for sae in corpus.saes:
                counts_of(corpus, sae)
                named(corpus, sae, loaded.labels(name, sae))
            lengths_of(corpus)
            columns_of(corpus)
