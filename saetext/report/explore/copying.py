"""A static copy of what the explorer shows: reports, documents, themes, features, and a page to begin with.

It needs no server, and each page reads nothing but itself. What it does not have is what is computed as one
asks: searches by property, conditions, comparisons of other sets. Not for: serving (``served.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from saetext.corpus import Corpus
from saetext.corpus.spec import require_comparable
from saetext.errors import InputError, SaetextError
from saetext.features.labels import FeatureLabels
from saetext.io.files import atomic_directory, make_directory, write_atomic, writing
from saetext.io.progress import OnProgress, Progress
from saetext.report.explore.copied_feature import Beside, feature_pages, file_of, with_pages
from saetext.report.explore.copied_features import features_page, themes_page
from saetext.report.explore.copied_texts import Documents, documents_of, texts_page
from saetext.report.explore.downloads import plain
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries import mapping, pairing
from saetext.report.explore.queries.choosing import choose
from saetext.report.explore.queries.comparing import Question, compare
from saetext.report.explore.queries.feature import sets_of
from saetext.report.explore.queries.shades import themes_of
from saetext.report.html.differences import render_diff_page
from saetext.report.html.map_gathering import map_page
from saetext.report.html.map_page import render_map_page
from saetext.report.html.pair_page import render_pair_page
from saetext.report.html.parts import draw
from saetext.text.passages import printable

KINDS = ("compare", "map", "pairs", "read", "features", "themes")
_MOST_COMPARED = 10  # pairs of corpora

#: Makes a page, and its first sentence; takes the folder in which the copy is made, for pages beside it.
Make = Callable[[Path, OnProgress | None], tuple[str, str]]


@dataclass(frozen=True)
class Copied:
    """A page of the copy: heading, file, first sentence, and why it is missing (empty if it is there)."""

    title: str
    file: str
    told: str = ""
    why: str = ""


@dataclass
class Shelf:
    """What the pages of one corpus tell each other: which files there will be, and what is in them.

    Attributes
    ----------
    loaded : Loaded
        The corpora.
    name : str
        Which of them.
    read, table : str
        File of the page with documents, and of the table of features; empty where none is asked for.
    pages : str
        Folder of the pages of single features.
    paged : tuple of int
        The features that have a page, once they are made.
    """

    loaded: Loaded
    name: str
    read: str = ""
    table: str = ""
    pages: str = ""
    paged: tuple[int, ...] = ()
    _documents: Documents | None = None

    @property
    def corpus(self) -> Corpus:
        """The corpus."""
        return self.loaded.corpus(self.name)

    @property
    def sae(self) -> str:
        """Its SAE."""
        return self.loaded.sae(self.name)

    @property
    def labels(self) -> FeatureLabels:
        """What features are called; looked up for each page, so that a damaged table is told on each."""
        return self.loaded.labels(self.name, self.sae)

    @property
    def documents(self) -> Documents:
        """The documents of the page of documents, gathered once, until they are put away."""
        if self._documents is None:
            self._documents = documents_of(self.corpus, self.sae, self.labels)
        return self._documents

    def put_away(self) -> None:
        """Let go of the documents: those of all corpora would be in memory at once."""
        self._documents = None

    def read_if_made(self) -> tuple[str, Documents | None]:
        """Return the page of documents and what is in it; nothing where there will be none."""
        with suppress(SaetextError):
            if self.read:
                return self.read, self.documents
        return "", None


def write_copy(
    loaded: Loaded,
    folder: str | Path,
    *,
    kinds: tuple[str, ...] = KINDS,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write the copy, whole or not at all, and return its first page.

    Each corpus gets its map, its pairs, its features, its themes and a bounded number of its documents, and
    each two corpora of one reader a comparison. What cannot be made, such as the map of a few documents, is
    named on the first page with the reason.

    Parameters
    ----------
    loaded : Loaded
        The corpora.
    folder : path
        A directory that is not there yet, or is empty.
    kinds : tuple of str
        Which pages: some of :data:`KINDS`.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as the work goes on.

    Raises
    ------
    InputError
        If the directory holds something, or cannot be written.
    """
    folder = Path(folder)
    require_free(folder)
    with writing(folder, InputError):
        make_directory(folder.parent)
        with atomic_directory(folder) as beside:
            wanted = _pages(loaded, kinds)
            pages: dict[str, Copied] = {}
            for shelf, group in wanted:
                # documents lead to the pages of features that there are, and themes too: features come first
                for title, name, make in sorted(group, key=lambda one: one[1].split("-", 2)[1] != "features"):
                    if on_progress is not None:
                        on_progress(Progress(title))
                    pages[name] = _page(beside, title, name, make, on_progress)
                if shelf is not None:
                    shelf.put_away()
            shown = [pages[name] for _, group in wanted for _, name, _ in group]
            write_atomic(beside / "index.html", _index(loaded.corpora, shown).encode())
    return folder / "index.html"


def require_free(folder: Path) -> None:
    """Raise :class:`InputError` if there is something where a copy is to be: before anything is computed."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; name a directory that is not, or an empty one")


def _page(beside: Path, title: str, name: str, make: Make, on_progress: OnProgress | None) -> Copied:
    try:
        text, first = make(beside, on_progress)
    except SaetextError as error:
        return Copied(title, name, why=str(error))
    write_atomic(beside / name, text.encode())
    return Copied(title, name, first)


def _pages(loaded: Loaded, kinds: tuple[str, ...]) -> list[tuple[Shelf | None, list[tuple[str, str, Make]]]]:
    """Return heading, file name and maker of each page, those of one corpus together with its shelf.

    No two have one file name.
    """
    found: list[tuple[str, str, Make]] = []
    parts: list[tuple[Shelf | None, int]] = []
    if "compare" in kinds:
        made = 0
        for a, b in combinations(loaded.names, 2):
            comparable = _comparable(loaded, a, b)  # what cannot be compared is told and takes no place
            made += comparable
            make = _too_many if comparable and made > _MOST_COMPARED else _comparing(loaded, a, b)
            found.append((f"{a} compared with {b}", f"compare-{plain(a)}-{plain(b)}", make))
    parts.append((None, len(found)))
    for name in loaded.names:
        if "map" in kinds:
            found.append((f"Map of {name}", f"map-{plain(name)}", _mapping(loaded, name)))
        if "pairs" in kinds:
            found.append((f"Pairs in {name}", f"pairs-{plain(name)}", _pairing(loaded, name)))
        shelf = Shelf(loaded, name)
        if "read" in kinds:
            shelf.read = f"{len(found) + 1:02d}-read-{plain(name)}.html"
            found.append((f"Read {name}", f"read-{plain(name)}", _reading(name, shelf)))
        if "features" in kinds:
            shelf.pages = f"{len(found) + 1:02d}-features-{plain(name)}"
            shelf.table = f"{shelf.pages}.html"
            found.append((f"Features of {name}", f"features-{plain(name)}", _table(loaded, name, shelf)))
        if "themes" in kinds and themes_of(shelf.corpus, shelf.sae):
            found.append((f"Themes of {name}", f"themes-{plain(name)}", _themes(name, shelf)))
        parts.append((shelf, len(found)))
    named = [(title, f"{at:02d}-{name}.html", make) for at, (title, name, make) in enumerate(found, start=1)]
    starts = [0, *(end for _, end in parts)]
    return [(shelf, named[start:end]) for start, (shelf, end) in zip(starts, parts, strict=False)]


def _comparable(loaded: Loaded, a: str, b: str) -> bool:
    try:
        require_comparable(loaded.corpus(a).spec, loaded.corpus(b).spec, loaded.sae(a), names=(a, b))
    except SaetextError:
        return False
    return True


def _too_many(beside: Path, on_progress: OnProgress | None) -> tuple[str, str]:
    raise InputError(f"{_MOST_COMPARED} comparisons are made at most: name fewer corpora to have this one")


def _comparing(loaded: Loaded, a: str, b: str) -> Make:
    def make(beside: Path, on_progress: OnProgress | None) -> tuple[str, str]:
        first, second = choose(loaded, a), choose(loaded, b)
        sae = loaded.sae(a)
        require_comparable(first.corpus.spec, second.corpus.spec, sae, names=(a, b))
        question = Question(first, second, sae)
        done = compare(question, loaded.labels(a, sae), loaded.reader(a), on_progress)
        told = done.page.summary[: 1 if done.page.findings else 2]  # where nothing was found, among how many
        return render_diff_page(done.page), " ".join(told)

    return make


def _mapping(loaded: Loaded, name: str) -> Make:
    def make(beside: Path, on_progress: OnProgress | None) -> tuple[str, str]:
        chosen, sae = choose(loaded, name), loaded.sae(name)
        labels = loaded.labels(name, sae)
        found = mapping.mapped(mapping.Question(chosen, sae), labels, on_progress)
        reader = loaded.reader(name)
        page = map_page(found.result, chosen.corpus, labels, reader=reader, on_progress=on_progress)
        return render_map_page(page), page.summary[0] if page.summary else ""

    return make


def _pairing(loaded: Loaded, name: str) -> Make:
    def make(beside: Path, on_progress: OnProgress | None) -> tuple[str, str]:
        sae = loaded.sae(name)
        question = pairing.Question(choose(loaded, name), sae)
        found = pairing.pairs(question, loaded.labels(name, sae), loaded.reader(name), on_progress)
        return render_pair_page(found.page), found.page.summary[0]

    return make


def _reading(name: str, shelf: Shelf) -> Make:
    def make(beside: Path, on_progress: OnProgress | None) -> tuple[str, str]:
        documents = shelf.documents
        page = texts_page(shelf.corpus, documents, name, pages=shelf.pages, paged=shelf.paged)
        return page, documents.told

    return make


def _table(loaded: Loaded, name: str, shelf: Shelf) -> Make:
    def make(beside: Path, on_progress: OnProgress | None) -> tuple[str, str]:
        corpus, sae, labels = shelf.corpus, shelf.sae, shelf.labels
        read, documents = shelf.read_if_made()
        features = with_pages(corpus, sae, labels)
        leads = Beside(
            f"../{shelf.table}",
            f"../{read}" if read else "",
            frozenset() if documents is None else documents.rows,
            {} if documents is None else documents.marked,
            features,
        )
        sets = sets_of(loaded, corpus, sae)
        made: dict[int, str] = {}
        for feature, page in feature_pages(corpus, sae, labels, name, leads, sets):
            made[feature] = page
            if on_progress is not None:
                on_progress(Progress(f"Features of {name}", len(made), len(features)))
        make_directory(beside / shelf.pages)
        for feature, page in made.items():  # all of them or none: they lead to each other
            write_atomic(beside / shelf.pages / file_of(feature), page.encode())
        shelf.paged = tuple(made)
        return features_page(
            corpus,
            sae,
            labels,
            name,
            read=read,
            marked=None if documents is None else documents.marked,
            pages=shelf.pages,
            paged=frozenset(shelf.paged),
        )

    return make


def _themes(name: str, shelf: Shelf) -> Make:
    def make(beside: Path, on_progress: OnProgress | None) -> tuple[str, str]:
        paged = frozenset(shelf.paged)
        return themes_page(shelf.corpus, shelf.sae, shelf.labels, name, pages=shelf.pages, paged=paged)

    return make


def _index(corpora: Mapping[str, Corpus], pages: list[Copied]) -> str:
    told = [
        {
            "name": printable(name),
            "documents": f"{corpus.n_documents:,}",
            "tokens": f"{int(corpus.n_tokens.sum()):,}",
            "reader": printable(", ".join(corpus.saes)),
        }
        for name, corpus in corpora.items()
    ]
    shown = [(printable(one.title), one.file, printable(one.told), printable(one.why)) for one in pages]
    return draw("explore/copy.html.j2", ("base.css", "explore/collected.css"), (), corpora=told, pages=shown)
