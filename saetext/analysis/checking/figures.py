"""A baseline: the figures of an old set of texts, without the texts, to check new ones against.

Not for: the file (:mod:`saetext.analysis.checking.baseline_file`), or comparing with it
(:mod:`saetext.analysis.checking.sides`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.checking.baseline_file import Stored, read, write
from saetext.analysis.checking.flags import Levels, flags, texts_of, tokens_of
from saetext.analysis.checking.keyed import Hashes, hashed, wanted
from saetext.analysis.checking.rules import Rule
from saetext.analysis.checking.subjects import Subject, standard, subjects_of
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.spec import ReaderSpec
from saetext.errors import IncompatibleError, InputError
from saetext.text.one_line import about
from saetext.text.passages import printable


@dataclass(frozen=True, eq=False, repr=False)
class Baseline:
    """What is kept of a set of texts: no texts, but which document has what, its length and hashed prompts.

    Attributes
    ----------
    name : str
        What the set is called.
    sae : str
        On which SAE.
    identity : mapping
        What makes the reader what it is, see :meth:`saetext.corpus.spec.ReaderSpec.identity`.
    where : str or None
        The condition by which documents were selected.
    subjects : tuple of Stored
        The columns of ``flags``.
    flags : bool[n, subjects]
        Which document has what.
    tokens : int64[n]
        Their lengths.
    keys : mapping
        Column to the hashed values by which rows pair or belong together; uint64[n].
    features : int64[d_sae]
        In how many documents each feature is present.
    levels : Levels
        From how many features on themes count, in the order of the themes among ``subjects``.
    made_by : str
        The version of saetext that counted.
    """

    name: str
    sae: str
    identity: Mapping[str, Any]
    where: str | None
    subjects: tuple[Stored, ...]
    flags: NDArray[np.bool_]
    tokens: Ints
    keys: Mapping[str, Hashes]
    features: Ints
    levels: Levels
    made_by: str

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return len(self.tokens)

    @property
    def called(self) -> str:
        """Its name as messages have it, without control characters."""
        return printable(self.name)

    def __repr__(self) -> str:
        return about(
            self, f"{self.called}: {self.n_documents:,} documents, {len(self.subjects)} figures of each"
        )

    def write(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the file, whole or not at all, and return its path; the same figures are the same bytes.

        Raises
        ------
        InputError
            If something is there that is no baseline, or is one and ``overwrite`` is false.
        """
        return write(self, Path(path), overwrite=overwrite)

    @classmethod
    def read(cls, path: str | Path) -> Baseline:
        """Read a file that :meth:`write` made.

        Raises
        ------
        InputError
            In one line that names the file and what is wrong with it.
        """
        return cls(**read(Path(path)))

    def require_for(self, spec: ReaderSpec, sae: str) -> None:
        """Raise :class:`IncompatibleError` unless it is of the reader of a new set."""
        mine, theirs = dict(self.identity), spec.identity(sae)
        differing = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
        if differing:
            told = "; ".join(f"{key.removeprefix('tap ')} is {mine.get(key)!r} in the baseline and "
                             f"{theirs.get(key)!r} now" for key in differing[:2])  # fmt: skip
            raise IncompatibleError(
                f"the baseline {self.called} was read by another reader: {told}; write it again with this one"
            )
        d_sae = spec.sae(sae).d_sae
        if len(self.features) != d_sae:
            raise IncompatibleError(
                f"the baseline {self.called} has {len(self.features):,} features and its reader {d_sae:,}: "
                "write it again"
            )

    def require_kinds(self, rules: Sequence[Rule]) -> None:
        """Raise :class:`IncompatibleError` if a rule names findings that are words, of which it has none."""
        for rule in rules:
            if rule.kind == "findings" and "word" in rule.of and not rule.all_kinds:
                raise IncompatibleError(
                    f"{rule.place}: the baseline {self.called} has no words, so findings of that kind cannot "
                    'be tested: check against the old texts, or leave out "word"'
                )

    def columns(self, subjects: Sequence[Subject]) -> NDArray[np.bool_]:
        """Return bool[n, subjects] of some subjects.

        Raises
        ------
        IncompatibleError
            If one is not in the baseline, or was another one then.
        """
        place = {(one.kind, one.key): at for at, one in enumerate(self.subjects)}
        for subject in subjects:
            if subject.id not in place:
                raise IncompatibleError(
                    f"the baseline {self.called} has no figures of {subject.kind} {printable(subject.title)}"
                    ": write it again with these rules ('saetext check OLD --rules RULES --write-baseline "
                    "FILE')"
                )
            if self.subjects[place[subject.id]].checksum != subject.checksum:
                raise IncompatibleError(
                    f"{subject.kind} {printable(subject.title)} is not what it was when the baseline "
                    f"{self.called} was written: write it again"
                )
        return self.flags[:, [place[subject.id] for subject in subjects]]

    def levels_of(self, subjects: Sequence[Subject]) -> Levels:
        """Return the levels of the themes among some subjects, in their order."""
        order = [one.key for one in self.subjects if one.kind == "theme"]
        at = [order.index(one.key) for one in subjects if one.kind == "theme"]
        return Levels(self.levels.edges, self.levels.least[:, at])


def baseline_of(
    corpus: CorpusLike,
    name: str,
    sae: str,
    rules: Sequence[Rule] = (),
    *,
    pair_on: str | None = None,
    group: str | None = None,
    where: str | None = None,
) -> Baseline:
    """Count a set: all that comes with its reader and has a name, and what rules watch beside that.

    Parameters
    ----------
    corpus : Corpus
        The old set.
    name : str
        What to call it.
    sae : str
        Which SAE.
    rules : sequence of Rule
        Their detectors' files, words and features are counted too.
    pair_on, group : str, optional
        Columns that are kept, hashed; as for :func:`saetext.diff`.
    where : str, optional
        The condition by which the documents were selected, to be kept.

    Raises
    ------
    InputError
        If it has no documents, or a rule or column cannot be had.
    """
    from importlib.metadata import version

    if not corpus.n_documents:
        raise InputError(f"{name} ({corpus.path}) has no documents, so there is nothing to keep")
    own = [one for one in subjects_of(rules, corpus.spec, sae) if one is not None]
    known = standard(corpus.spec, sae, texts=texts_of(corpus) is not None)
    subjects = list({one.id: one for one in [*known, *own]}.values())
    themes = [one.theme for one in subjects if one.theme is not None]
    levels = Levels.of([corpus], sae, themes)
    counts = np.zeros(corpus.spec.sae(sae).d_sae, np.int64)
    for block in corpus.rows(sae):
        counts += np.bincount(block.feature, minlength=len(counts))
    return Baseline(
        name=name,
        sae=sae,
        identity=corpus.spec.identity(sae),
        where=where,
        subjects=tuple(Stored(one.kind, one.key, one.title, one.checksum) for one in subjects),
        flags=flags(corpus, sae, subjects, levels).toarray() > 0,
        tokens=tokens_of(corpus),
        keys=hashed(corpus, wanted(corpus, pair_on, group)),
        features=counts,
        levels=levels,
        made_by=f"saetext {version('saetext')}",
    )
