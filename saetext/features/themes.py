"""Themes: features gathered under names that anyone understands, such as "Hedging and caution" or "Sport".

A JSON file, one theme a line. The embedded reader ships one; anyone may write another. Not for: counting
themes in documents (:mod:`saetext.features.theme_counts`), or groups that a result makes of its own
features (:mod:`saetext.features.groups`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saetext.corpus.shapes import MOST_FEATURES
from saetext.corpus.spec import ReaderSpec, SaeSpec
from saetext.errors import IncompatibleError, InputError
from saetext.io.cache import file_sha256
from saetext.io.files import atomic_file, writing
from saetext.io.json_file import load
from saetext.io.opener import LARGE, why
from saetext.io.shape import INT32, List, Record, Shape, Text, Whole, check
from saetext.io.strict_json import dumps
from saetext.reader import shipped
from saetext.text.one_line import about, quoted

KINDS = ("topic", "style", "format", "discourse", "form")
OTHER = "other"  # the theme of features without a sensible one; never shown
VERSION = 1
_LINE = Text(longest=10_000)
_KEYS = ("id", "name", "description", "kind", "features")
_MADE_FOR: dict[str, Shape] = {
    "sae": _LINE,
    "hook": _LINE,
    "d_sae": Whole(1, MOST_FEATURES),
    "weights_sha256": _LINE,
}
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MOST = INT32  # features are int32 in a corpus
_FILE = Record({"version": Whole(1, INT32)})
_THEME = Record(
    {"id": _LINE, "name": _LINE, "features": List(Whole(0, _MOST), least=1)},
    {"description": _LINE, "kind": Text(choices=KINDS)},
    closed=True,
)
_CONTENT = Record(
    {"version": Whole(1, INT32), "themes": List(_THEME)},
    {"made_for": Record({}, _MADE_FOR, closed=True)},
    closed=True,
)


@dataclass(frozen=True)
class Theme:
    """Features under one name.

    Attributes
    ----------
    id : str
        Short name for files and code: small letters, digits and hyphens. :data:`OTHER` is never shown.
    name : str
        Two to four plain words.
    description : str
        One line; may be empty.
    kind : str
        One of :data:`KINDS`: what a text is about, how it is written, how it looks, what it does with what it
        says, or which forms of words it has.
    features : tuple of int
        Indices in the SAE, ascending, each once.

    Examples
    --------
    >>> Theme("refusal", "Refusals", "", "discourse", (257, 3172)).features
    (257, 3172)

    Raises
    ------
    InputError
        If one of these is not as said.
    """

    id: str
    name: str
    description: str
    kind: str
    features: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check it, and put the features in order."""
        for key in ("id", "name", "description", "kind"):
            value = getattr(self, key)
            if not isinstance(value, str):
                raise InputError(f"the {key} of a theme is text, not {quoted(repr(value))}")
            if not value.isprintable():
                raise InputError(f"the {key} of a theme is one printable line, not {quoted(repr(value))}")
        if not _ID.fullmatch(self.id):
            raise InputError(f"a theme's id has small letters, digits and hyphens: not {quoted(self.id)}")
        if not self.name.strip():
            raise InputError(f"theme {self.id} has no name")
        if self.kind not in KINDS:
            raise InputError(f"theme {self.id} is of kind {quoted(self.kind)}; kinds are {', '.join(KINDS)}")
        object.__setattr__(self, "features", self._checked())

    def _checked(self) -> tuple[int, ...]:
        given: Any = self.features
        if not isinstance(given, (list, tuple)) or not given:
            raise InputError(f"theme {self.id} has no list of features")
        for feature in given:
            if isinstance(feature, bool) or not isinstance(feature, int) or not 0 <= feature <= _MOST:
                raise InputError(f"theme {self.id} names {quoted(repr(feature))}, which is no feature")
        if double := _double(given):
            raise InputError(f"theme {self.id} names feature {double} twice")
        return tuple(sorted(given))


@dataclass(frozen=True, repr=False)
class Themes(Sequence[Theme]):
    """The themes of one SAE, in order of their ids, :data:`OTHER` last.

    Attributes
    ----------
    all : tuple of Theme
        With :data:`OTHER`. The sequence itself, its length and its items are the themes that are shown.
    made_for : mapping
        ``sae``, ``hook``, ``d_sae`` and ``weights_sha256`` of the SAE, as far as they are known.

    Raises
    ------
    InputError
        If two themes have the same id or name, or a feature is outside the SAE.

    Examples
    --------
    >>> from saetext.features import Themes
    >>> themes = Themes.load("embedded")
    >>> themes.named("apology").name
    'Apology and regret'
    """

    all: tuple[Theme, ...]
    made_for: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check them, and put them in order."""
        for key in ("id", "name"):
            if double := _double([getattr(theme, key) for theme in self.all]):
                raise InputError(f"two themes have the {key} {quoted(double)}")
        d_sae = self.made_for.get("d_sae")
        if d_sae is not None:
            self._require_below(d_sae, str(self.made_for.get("sae", "the SAE")))
        order = sorted(self.all, key=lambda theme: (theme.id == OTHER, theme.id))
        object.__setattr__(self, "all", tuple(order))

    def __repr__(self) -> str:
        first = f", first: {quoted(self[0].name)}" if len(self) else ""
        return about(self, f"{len(self):,} theme{'s' * (len(self) != 1)}{first}")

    def __len__(self) -> int:
        """Return the number of themes that are shown."""
        return len(self.shown)

    def __getitem__(self, at: Any) -> Any:
        """Return the themes that are shown, by place."""
        return self.shown[at]

    def __iter__(self) -> Iterator[Theme]:
        """Yield the themes that are shown."""
        return iter(self.shown)

    @property
    def shown(self) -> tuple[Theme, ...]:
        """All but :data:`OTHER`."""
        return self.all[:-1] if self.all and self.all[-1].id == OTHER else self.all

    def named(self, id: str) -> Theme:
        """Return the theme with an id.

        Raises
        ------
        InputError
            If there is none.
        """
        for theme in self.all:
            if theme.id == id:
                return theme
        raise InputError(f"there is no theme {quoted(id)}")

    def of(self, feature: int) -> tuple[Theme, ...]:
        """Return the themes that a feature is in and that are shown; may be empty."""
        return tuple(theme for theme in self.shown if feature in theme.features)

    def require_for(self, sae: SaeSpec, name: str = "these themes") -> None:
        """Raise :class:`IncompatibleError` if the themes belong to another SAE than ``sae``'s."""
        made_for = self.made_for.get("weights_sha256")
        if made_for is not None and made_for != sae.weights_sha256:
            raise IncompatibleError(
                f"{name} are of another SAE's features ({self.made_for.get('sae', 'another SAE')}), "
                f"not of {sae.origin}"
            )
        try:
            self._require_below(sae.d_sae, sae.origin)
        except InputError as error:
            raise IncompatibleError(f"{name} do not fit: {error}") from error

    def _require_below(self, d_sae: int, sae: str) -> None:
        for theme in self.all:
            if theme.features[-1] >= d_sae:
                raise InputError(
                    f"theme {theme.id} names feature {theme.features[-1]}, but {sae} has only {d_sae:,}"
                )

    # ---- files ---------------------------------------------------------------------------------------

    @classmethod
    def load(cls, source: str | Path) -> Themes:
        """Return the themes that ship with a reader, by its name (``"embedded"``), or those of a file.

        Raises
        ------
        InputError
            If the file is missing, damaged, or not as :meth:`read` says.
        """
        own = shipped.by_name(source) if isinstance(source, str) else None
        if own is None:
            return cls.read(Path(source))
        path = own.themes_path
        if path.is_file() and file_sha256(path) != own.themes_sha256:
            raise InputError(f"{path} is damaged: reinstall saetext")
        return cls.read(path)

    @classmethod
    def for_spec(cls, spec: ReaderSpec, sae: str | None = None) -> Themes | None:
        """Return the themes that ship with a reader's SAE, known by the hash of its weights, or None.

        Parameters
        ----------
        spec : ReaderSpec
            The reader.
        sae : str, optional
            Which of its SAEs, where it has several.
        """
        own = shipped.of_sae(spec.sae(sae).weights_sha256)
        return None if own is None else cls.load(own.name)

    @classmethod
    def read(cls, path: Path) -> Themes:
        """Read a file of themes, your own or one that :meth:`write` made.

        It holds a JSON object with ``version`` (1), ``themes``, and ``made_for`` if you know it
        (:attr:`made_for`). A theme is an object with ``id``, ``name``, ``features`` and, if you like,
        ``description`` and ``kind`` ("topic" by default). Other keys are errors, for they would be ignored.

        Raises
        ------
        InputError
            In one line that names the file and what is wrong with it.
        """
        try:
            return cls._from_json(load(path, _FILE, most=LARGE))
        except FileNotFoundError as error:
            raise InputError(f"there is no file {path}") from error
        except InputError as error:
            raise InputError(f"{path} is not a file of themes: {error}") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a file of themes: {why(error)}") from error

    @classmethod
    def _from_json(cls, whole: Mapping[str, Any]) -> Themes:
        if whole["version"] > VERSION:
            raise InputError(f"it is of version {whole['version']}: upgrade saetext")
        check(_CONTENT, whole)
        return cls(tuple(map(_theme, whole["themes"])), whole.get("made_for", {}))

    def write(self, path: Path) -> None:
        """Write the file, in one step: the same themes always become the same bytes.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        with writing(path, InputError), atomic_file(path) as file:
            file.write(self.text().encode())

    def text(self) -> str:
        """Return what :meth:`write` writes: JSON, a theme a line."""
        lines = ",\n".join("  " + dumps({key: getattr(theme, key) for key in _KEYS}) for theme in self.all)
        made_for = dumps({key: self.made_for[key] for key in _MADE_FOR if key in self.made_for})
        return f'{{"version": {VERSION},\n"made_for": {made_for},\n"themes": [\n{lines}\n]}}\n'


def _theme(row: Mapping[str, Any]) -> Theme:
    return Theme(**{"description": "", "kind": KINDS[0], **row})


def _double(values: Sequence[Any]) -> str | None:
    """Return the first value that occurs twice, as text."""
    return next((str(value) for value, n in Counter(values).items() if n > 1), None)
