"""Loaded: the corpora that are open, sets of their documents, their labels, and readers once they are needed.

One for all tabs and users of an explorer; what is changed here is changed under a lock. Not for: showing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.errors import InputError, SaetextError
from saetext.features.labels import FeatureLabels
from saetext.report.explore.queries.conditions import view_of
from saetext.report.explore.writers import Writers
from saetext.text.one_line import quoted

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

_VIEWS = 32  # conditions whose rows are kept
_MOST_SETS = 200
_LONGEST_NAME = 80


@dataclass(frozen=True, eq=False)
class SavedSet:
    """Documents of one corpus under a name, for as long as the explorer runs.

    Attributes
    ----------
    name : str
        What it was called.
    corpus : str
        The name of the corpus they are of.
    rows : int64 array
        Their rows in it, increasing.
    told : str
        How they were chosen, in words.
    """

    name: str
    corpus: str
    rows: NDArray[np.int64]
    told: str = ""


class Loaded:
    """The corpora of an explorer.

    Parameters
    ----------
    corpora : mapping
        By name, in the order they are shown.
    device : str
        Where a reader runs, once one is needed.
    reads : bool
        Whether readers may be loaded at all: to shade every token, not only the strongest.
    writers : Writers, optional
        The models in which features are turned; by default those that read the corpora.

    Attributes
    ----------
    lock : RLock
        Held while labels or sets are changed.
    reads : bool
        Whether readers may be loaded.
    """

    def __init__(
        self,
        corpora: Mapping[str, Corpus],
        *,
        device: str = "auto",
        reads: bool = True,
        writers: Writers | None = None,
    ) -> None:
        if not corpora:
            raise InputError("name a corpus to look at")
        self.corpora = dict(corpora)
        self.lock = threading.RLock()
        self.reads, self._device = reads, device
        self.writers = writers or Writers(device=device)
        self._views: OrderedDict[tuple[str, str], Corpus] = OrderedDict()
        self._sets: dict[str, SavedSet] = {}
        self._readers: dict[str, Reader | None] = {}
        self._loading: dict[str, threading.Lock] = {name: threading.Lock() for name in self.corpora}
        self._why_not: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The corpora's names."""
        return tuple(self.corpora)

    def corpus(self, name: str | None = None) -> Corpus:
        """Return a corpus by its name, or the whole corpus of a saved set; the first one if none is named.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        return self.corpora[self.home_of(name)]

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of corpora and of saved sets."""
        return (*self.names, *(saved.name for saved in self.sets))

    def home_of(self, name: str | None) -> str:
        """Return the name of the open corpus that is named, or that a saved set is of; the first for none."""
        if not name:
            return self.names[0]
        with self.lock:
            home = self._sets[name].corpus if name in self._sets else name
        if home not in self.corpora:
            raise InputError(
                f"no corpus {quoted(name)} is open; there are {', '.join(map(quoted, self.names[:8]))}"
            )
        return home

    def name_of(self, name: str | None) -> str:
        """Return the name of a corpus that is open, or of a saved set: the one given, or the first."""
        self.home_of(name)
        return name or self.names[0]

    def view(self, name: str | None, where: str | None = None) -> Corpus:
        """Return a corpus or a saved set, or its documents under a condition; kept for who asks again."""
        home = self.home_of(name)
        with self.lock:
            saved = self._sets.get(name or "")
        corpus = self.corpora[home] if saved is None else self.documents_of(saved)
        if not where:
            return corpus
        key = (corpus.fingerprint if saved else home, where)
        with self.lock:
            if key in self._views:
                self._views.move_to_end(key)
                return self._views[key]
        found = view_of(corpus.whole, where)
        if saved is not None:
            assert found.selection is not None  # a condition was asked
            both = np.intersect1d(saved.rows, found.selection, assume_unique=True)
            found = corpus.whole.select(both)
        with self.lock:
            self._views[key] = found
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
        return found

    # ---- sets ----------------------------------------------------------------------------------------------

    @property
    def sets(self) -> tuple[SavedSet, ...]:
        """The saved sets, the oldest first."""
        with self.lock:
            return tuple(self._sets.values())

    def saved(self, name: str) -> SavedSet:
        """Return a saved set.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        with self.lock:
            if name not in self._sets:
                raise InputError(f"there is no set {quoted(name)}")
            return self._sets[name]

    def documents_of(self, saved: SavedSet) -> Corpus:
        """Return the documents of a saved set as a view of their corpus."""
        return self.corpus(saved.corpus).select(saved.rows)

    def save(
        self, name: str, corpus: str, rows: Sequence[int] | NDArray[np.int64], told: str = ""
    ) -> SavedSet:
        """Save documents under a name that is not taken yet.

        Raises
        ------
        InputError
            If the name is taken or no name, or the rows are none of the corpus.
        """
        name = " ".join(name.split())
        if not name or len(name) > _LONGEST_NAME:
            raise InputError(f"a set's name has 1 to {_LONGEST_NAME} characters")
        chosen = np.unique(np.asarray(rows, np.int64))
        if not len(chosen):
            raise InputError("a set has at least one document")
        self.corpus(corpus).select(chosen)  # says so if there are no such rows
        with self.lock:
            if name in self._sets or name in self.corpora:
                raise InputError(f"there is a set or corpus {quoted(name)} already: choose another name")
            if len(self._sets) >= _MOST_SETS:
                raise InputError(f"{_MOST_SETS} sets are kept at most: remove one")
            made = self._sets[name] = SavedSet(name, self.home_of(corpus), chosen, told)
        return made

    def forget(self, name: str) -> None:
        """Remove a saved set; one that is gone already is no error."""
        with self.lock:
            self._sets.pop(name, None)

    # ---- labels and readers --------------------------------------------------------------------------------

    def sae(self, corpus: str | None, sae: str | None = None) -> str:
        """Return the name of an SAE of a corpus: the one given, or the first.

        Raises
        ------
        InputError
            If the corpus has none of that name.
        """
        names = self.corpus(corpus).saes
        if sae and sae not in names:
            raise InputError(f"there is no SAE {quoted(sae)}; there are {', '.join(map(quoted, names[:8]))}")
        return sae or names[0]

    def labels(self, corpus: str | None, sae: str | None = None) -> FeatureLabels:
        """Return what an SAE's features are called, as of now."""
        with self.lock:
            return self.corpus(corpus).labels(self.sae(corpus, sae))

    def reader(self, corpus: str | None) -> Reader | None:
        """Return the reader that made a corpus, loading it the first time; None if it cannot be had."""
        name = self.home_of(corpus)
        if not self.reads:
            return None
        with self._loading[name]:
            if name not in self._readers:
                self._readers[name] = self._loaded_reader(name)
            return self._readers[name]

    def reads_fast(self, corpus: str | None) -> bool:
        """Return whether a corpus's reader may be used unasked: it is small, or was loaded before."""
        name = self.home_of(corpus)
        small = self.corpora[name].spec.source.get("kind") == "embedded"
        return small or self._readers.get(name) is not None

    def why_no_reader(self, corpus: str | None) -> str:
        """Return why a corpus's reader cannot be had; empty if it can, or nobody has asked for it yet."""
        return self._why_not.get(self.home_of(corpus), "")

    def _loaded_reader(self, name: str) -> Reader | None:
        from saetext.reader.reader import Reader

        corpus = self.corpora[name]
        for other, reader in list(self._readers.items()):  # corpora of one reader share it
            if reader is not None and self.corpora[other].spec.identity() == corpus.spec.identity():
                return reader
        try:
            calibrations = {sae: corpus.calibration(sae) for sae in corpus.saes}
            return Reader.from_spec(corpus.spec, calibrations, device=self._device)
        except (SaetextError, OSError) as error:
            self._why_not[name] = str(error)
            return None


def names_of(paths: Sequence[str | Path]) -> list[str]:
    """Return a name for each corpus, from the end of its path; of two alike, the second gets a number."""
    names: list[str] = []
    for path in paths:
        plain = Path(path).name.removesuffix(".corpus") or "corpus"
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain} {number}"
        names.append(name)
    return names
