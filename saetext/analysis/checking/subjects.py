"""What rules watch, looked up in what a reader has: detectors, themes, marks, words, features.

Not for: in which documents they are (:mod:`saetext.analysis.checking.flags`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saetext.analysis.checking.rules import Rule, is_file, nearest
from saetext.corpus.spec import ReaderSpec
from saetext.errors import InputError
from saetext.features.detectors import Detector, shipped
from saetext.features.themes import Theme, Themes
from saetext.io import strict_json
from saetext.text.marks import MARKS
from saetext.text.words import spelled

#: Kinds of subjects that need the texts.
OF_TEXTS = ("format", "words")


@dataclass(frozen=True, eq=False)
class Subject:
    """What a document has or has not.

    Attributes
    ----------
    kind : str
        ``detector``, ``theme``, ``format``, ``words`` or ``feature``.
    key : str
        What identifies it among those of its kind.
    title : str
        What it is called among findings.
    checksum : str
        What it is made of, hashed: another detector of one name is another subject. Empty for marks, words
        and features, which are what they say.
    detector, theme : optional
        Where it is one.
    phrases : tuple of str
        Of words.
    """

    kind: str
    key: str
    title: str
    checksum: str = ""
    detector: Detector | None = None
    theme: Theme | None = None
    phrases: tuple[str, ...] = ()

    @property
    def id(self) -> tuple[str, str]:
        """What tells it from others."""
        return self.kind, self.key


def subjects_of(rules: Sequence[Rule], spec: ReaderSpec, sae: str) -> list[Subject | None]:
    """Return what each rule watches; None for those on findings or length.

    Raises
    ------
    InputError
        If the reader has no such thing; the message has the nearest name.
    IncompatibleError
        If a detector's file is of another reader.
    """
    known = Known(spec, sae)
    return [known.of(rule) for rule in rules]


def require_known(rules: Sequence[Rule], spec: ReaderSpec | None, sae: str | None) -> None:
    """Raise an error for rules that cannot be kept to, before anything is encoded.

    Parameters
    ----------
    rules : sequence of Rule
        The rules.
    spec : ReaderSpec or None
        The reader, if it is known already; otherwise names are looked for in all that ships with saetext.
    sae : str, optional
        Which of its SAEs, if it has several.
    """
    if spec is not None:
        subjects_of(rules, spec, spec.sae(sae).name)
        return
    known = Known(None, None)
    for rule in rules:
        known.of(rule)


def standard(spec: ReaderSpec, sae: str, *, texts: bool) -> list[Subject]:
    """Return what comes with a reader and has a name, and the marks of format where there are texts."""
    known = Known(spec, sae)
    marks = [Subject("format", name, name) for name in MARKS] if texts else []
    return [*map(of_detector, known.detectors), *map(_of_theme, known.themes), *marks]


def of_detector(detector: Detector) -> Subject:
    """Return a detector as a subject."""
    return Subject("detector", detector.name, detector.title, _hash(detector.to_json()), detector=detector)


class Known:
    """What there is to be watched with a reader.

    Parameters
    ----------
    spec : ReaderSpec or None
        The reader; None for everything that ships with saetext.
    sae : str or None
        Which of its SAEs.
    """

    def __init__(self, spec: ReaderSpec | None, sae: str | None) -> None:
        self._sae = None if spec is None else spec.sae(sae)
        self.detectors = shipped(spec, sae)
        themes = Themes.load("embedded") if spec is None else Themes.for_spec(spec, sae)
        self.themes: tuple[Theme, ...] = tuple(themes or ())

    def of(self, rule: Rule) -> Subject | None:
        """Return what a rule watches."""
        match rule.kind:
            case "detector":
                return self._detector(rule)
            case "theme":
                return self._theme(rule)
            case "format":
                if rule.of[0] not in MARKS:
                    self._refuse(rule, f"no mark of format {rule.of[0]!r}", list(MARKS))
                return Subject("format", rule.of[0], rule.of[0])
            case "words":
                return self._words(rule)
            case "feature":
                if self._sae is not None and int(rule.of[0]) >= self._sae.d_sae:
                    raise InputError(f"{rule.place}: there are features 0 to {self._sae.d_sae - 1:,} only")
                return Subject("feature", rule.of[0], f"feature {rule.of[0]}")
        return None

    def _detector(self, rule: Rule) -> Subject:
        name = rule.of[0]
        if is_file(name):
            try:
                detector = Detector.read(Path(rule.folder) / name)
            except InputError as error:
                raise InputError(f"{rule.place}: {error}") from None
            if self._sae is not None:
                detector.require_for(self._sae)
            return of_detector(detector)
        for detector in self.detectors:
            if name in (detector.name, detector.title):
                return of_detector(detector)
        names = [detector.name for detector in self.detectors]
        if not names:
            raise InputError(
                f"{rule.place}: no detectors come with this reader; name one's file, "
                "that 'saetext detector make' wrote: detector = \"NAME.json\""
            )
        self._refuse(rule, f"no detector {name!r}", names)
        raise AssertionError

    def _theme(self, rule: Rule) -> Subject:
        for theme in self.themes:
            if rule.of[0] in (theme.id, theme.name):
                return _of_theme(theme)
        if not self.themes:
            raise InputError(f"{rule.place}: no themes come with this reader")
        self._refuse(rule, f"no theme {rule.of[0]!r}", [theme.id for theme in self.themes])
        raise AssertionError

    def _words(self, rule: Rule) -> Subject:
        for phrase in rule.of:
            if not spelled(phrase):
                raise InputError(f"{rule.place}: {phrase!r} has no word in it")
        return Subject("words", strict_json.dumps(sorted(rule.of)), rule.name, phrases=rule.of)

    @staticmethod
    def _refuse(rule: Rule, what: str, known: Sequence[str]) -> None:
        raise InputError(f"{rule.place}: {what}{nearest(rule.of[0], known)}")


def _of_theme(theme: Theme) -> Subject:
    return Subject("theme", theme.id, theme.name, _hash(strict_json.dumps(list(theme.features))), theme=theme)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
