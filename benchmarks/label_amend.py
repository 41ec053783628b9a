"""Put labels that were written by reading the sheets of ``label_screen.py`` into the shipped table.

    python benchmarks/label_amend.py answers/ [--reader embedded] [--before labels.parquet]

``answers/*.txt`` have a line for each feature::

    416 wrong | emoji: the face or its first part | Fires on ... | format | emoji
    18 right
    18 right | | Fires on ...

which are feature, verdict on the label that there is (right, partial, wrong), and what is new: label,
description, kind, theme; what is left empty stays. A label that begins with ``loose:`` names nothing and
never leads. The theme is an id of the reader's themes; a feature is in one theme at most. A changed label
loses its score. Writes the table and the themes, and puts their new checksums into the reader's
``__init__.py``.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from label_screen import shipped_reader
from label_table import MORE_THEMES

from saetext.features.labels import FeatureLabels
from saetext.features.themes import OTHER, Theme, Themes
from saetext.io.cache import file_sha256
from saetext.reader.shipped import READERS

KINDS = {
    "w": "word form",
    "t": "topic",
    "s": "style",
    "d": "discourse",
    "f": "format",
    "o": "other",
}
VERDICTS = {"r": "right", "p": "partial", "w": "wrong"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a reader wrote of a feature; empty is unchanged."""

    feature: int
    verdict: str
    label: str = ""
    description: str = ""
    kind: str = ""
    theme: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("answers", type=Path)
    parser.add_argument("--before", type=Path, help="table to start from (default: the shipped one)")
    parser.add_argument("--reader", default="smollm2", choices=[shipped.name for shipped in READERS])
    args = parser.parse_args()
    shipped = shipped_reader(args.reader)
    given = {answer.feature: answer for answer in answers(args.answers)}
    before = FeatureLabels.read(args.before or shipped.labels_path)
    rows = [amended(row, given[row.feature]) if row.feature in given else row for row in before]
    changed = sum(a.label != b.label for a, b in zip(before, rows, strict=True))
    counts = Counter(answer.verdict for answer in given.values())
    about = {k: v for k, v in before.about.items() if k != "amended"}
    about["amended"] = {"read": len(given), "changed": changed, **dict(sorted(counts.items()))}
    FeatureLabels.from_rows(rows, about).write(shipped.labels_path)
    themes = moved(Themes.load(args.reader), given.values())
    themes.write(shipped.themes_path)
    code = shipped.home / "__init__.py"
    text = code.read_text("utf-8")
    for name, path in (("LABELS", shipped.labels_path), ("THEMES", shipped.themes_path)):
        text = re.sub(rf'{name}_SHA256 = "\w+"', f'{name}_SHA256 = "{file_sha256(path)}"', text)
    code.write_text(text, "utf-8")
    loose = sum(row.label.startswith("loose") for row in rows)
    print(f"{about['amended']}, {loose} loose, {sum(bool(r.description) for r in rows)} described")


def answers(folder: Path) -> Iterator[Answer]:
    """Yield what the files say, in order: a later line on a feature counts."""
    for path in sorted(folder.glob("*.txt")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if not line.strip():
                continue
            head, *rest = (" ".join(part.split()) for part in line.split("|"))
            try:
                feature, verdict = head.split()
                label, description, kind, theme = (*rest, "", "", "", "")[:4]
                if (
                    len(rest) > 4
                    or verdict[0] not in VERDICTS
                    or not (kind in KINDS or kind in KINDS.values() or not kind)
                ):
                    raise ValueError
            except ValueError:
                raise SystemExit(f"{path}:{number}: not an answer: {line}") from None
            yield Answer(int(feature), VERDICTS[verdict[0]], label, description, KINDS.get(kind, kind), theme)


def amended(row, answer: Answer):  # type: ignore[no-untyped-def]
    """Return a label with what is new; a changed one has no score."""
    new = dataclasses.replace(
        row,
        label=answer.label or row.label,
        description=answer.description or row.description,
        kind=answer.kind or row.kind,
    )
    if new.label != row.label:
        new = dataclasses.replace(new, score=None, score_method=None, trials=None)
    return new


def moved(themes: Themes, given) -> Themes:  # type: ignore[no-untyped-def]
    """Return the themes with features where the answers put them; loose ones are in none but ``other``."""
    to = {a.feature: OTHER if a.label.startswith("loose") else a.theme for a in given}
    to = {feature: theme for feature, theme in to.items() if theme}
    known = {theme.id: theme for theme in themes}
    first = {theme: feature for feature, theme in to.items()}  # a new theme begins with one of its features
    known |= {
        m[0]: Theme(*m, features=(first[m[0]],)) for m in MORE_THEMES if m[0] in first and m[0] not in known
    }
    known |= {OTHER: themes.named(OTHER)}
    if unknown := set(to.values()) - known.keys():
        raise SystemExit(f"no such theme: {', '.join(sorted(unknown))}")
    made = []
    for theme in known.values():
        features = {f for f in theme.features if to.get(f, theme.id) == theme.id}
        features |= {f for f, id in to.items() if id == theme.id}
        if features:
            made.append(dataclasses.replace(theme, features=tuple(sorted(features))))
    return Themes(tuple(sorted(made, key=lambda t: (t.id == OTHER, t.id))), themes.made_for)


if __name__ == "__main__":
    main()
