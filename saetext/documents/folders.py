"""Which files a pattern or a folder stands for. Not for: opening them (``opening``)."""

from __future__ import annotations

import glob
import os
from itertools import islice
from pathlib import Path
from typing import Final

from saetext.documents.decoding import SUFFIXES
from saetext.documents.formats import DATA, known_format
from saetext.documents.several import natural
from saetext.documents.words import name_words, word_set
from saetext.errors import InputError

_LOOKED_AT: Final = 1000  # files in folders of a folder
_ABOUT: Final = ("readme", "license")
#: JSON files beside the shards of a data set that are about it.
_DESCRIBES: Final = word_set("info infos config metadata schema stats state package")


def fitting(pattern: str) -> list[Path]:
    """Return the files that a pattern stands for, ``part-9`` before ``part-10``."""
    found = {Path(each) for each in glob.iglob(pattern, recursive=True)}  # noqa: PTH207 # several ** repeat
    return sorted((each for each in found if each.is_file()), key=_by_name)


def _by_name(path: Path) -> list[tuple[int, int, str]]:
    return natural(os.fsencode(path).decode("utf-8", "replace"))


def data_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of texts in a folder, or in its ``data``, that are of one kind, and those left out.

    JSON files that describe a data set (``dataset_infos.json``) do not count beside others.

    Raises
    ------
    InputError
        If there are files of several kinds.
    """
    for place in (folder, folder / "data"):
        if not place.is_dir():
            continue
        kinds: dict[str, list[Path]] = {}
        for path in sorted(place.iterdir(), key=_by_name):
            kind = known_format(path)
            if kind is not None and not path.name.startswith((".", "_")) and path.is_file():
                kinds.setdefault(kind, []).append(path)
        rows = {kind: paths for kind, paths in kinds.items() if kind in DATA}
        texts = [path for path in kinds.get("txt", []) if path.stem.lower() not in _ABOUT]
        chosen = rows or ({"txt": texts} if texts else {})
        if len(chosen) > 1 and "json" in chosen:
            chosen["json"] = [path for path in chosen["json"] if not _DESCRIBES & set(name_words(path.stem))]
            chosen = {kind: paths for kind, paths in chosen.items() if paths}
        if len(chosen) > 1:
            names = ", ".join(f"{len(paths)} {kind}" for kind, paths in chosen.items())
            most = max(chosen.values(), key=len)
            raise InputError(
                f"{folder} holds files of several kinds ({names}); name those of one by a pattern, such as "
                f"'{place}/*{_ending(most[0])}'"
            )
        for paths in chosen.values():
            taken = {*paths}
            others = [path for each in kinds.values() for path in each if path not in taken]
            return paths, [path for path in others if path.stem.lower() not in _ABOUT]
    return [], []


def deeper_pattern(folder: Path) -> str | None:
    """Return a pattern for the files of texts in the folders of a folder, if some are soon found."""
    for found in islice(folder.glob("*/**/*"), _LOOKED_AT):
        hidden = any(part.startswith(".") for part in found.relative_to(folder).parts)
        if known_format(found) in DATA and not hidden and found.is_file():
            return f"{folder}/**/*{_ending(found)}"
    return None


def _ending(path: Path) -> str:
    """Return what tells a file's format: ``.jsonl``, ``.csv.gz``."""
    return "".join(path.suffixes[-2:] if path.suffix.lower() in SUFFIXES else path.suffixes[-1:])
