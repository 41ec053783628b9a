"""Where added models lie in the cache, and what is recorded of each.

``models/NAME/`` has ``model.json``, sealed, which says from which GGUF file the model was made, and the
model itself in a derived directory with checksums (:mod:`saetext.io.derived`). The record is written last.
Not for: making the model (:mod:`saetext.reader.added.adding`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from saetext.errors import ReaderError
from saetext.io.cache import cache_dir
from saetext.io.derived import Derived
from saetext.io.files import write_atomic
from saetext.io.json_file import load
from saetext.io.opener import why
from saetext.io.sealed import require_seal, sealed
from saetext.io.shape import INT32, Record, Table, Text, Whole
from saetext.reader.added.families import Sizes
from saetext.reader.added.names import as_name

RECORD = "model.json"
FORMAT = 1  # of what a conversion writes
_COUNT = Whole(1, INT32)
_SHAPE = Record(
    {
        "format": Whole(1, 1000),
        "name": Text(longest=64),
        "sha256": Text(pattern=r"[0-9a-f]{64}", means="a SHA-256"),
        "bytes": Whole(1),
        "file": Text(longest=10_000),
        "sizes": Record(
            {
                "family": Text(longest=64),
                "layers": _COUNT,
                "width": _COUNT,
                "vocabulary": _COUNT,
                "window": _COUNT,
            },
            closed=True,
        ),
        "versions": Table(Text(longest=100)),
    }
)


@dataclass(frozen=True)
class Added:
    """An added model.

    Attributes
    ----------
    name : str
        What it is called wherever a model is named.
    sha256 : str
        Of the GGUF file, hex.
    bytes : int
        Of the GGUF file.
    file : str
        Where that file was.
    sizes : Sizes
        Family, layers, width, tokens in the vocabulary, window.
    versions : mapping
        Package -> version, of what made it.
    """

    name: str
    sha256: str
    bytes: int
    file: str
    sizes: Sizes
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        """What tells this model from another of its name: the same for the same GGUF file, everywhere."""
        return f"sha256:{self.sha256}"

    @property
    def derived(self) -> Derived:
        """The model as a directory that Hugging Face's libraries load."""
        return Derived(home_of(self.name), "converted", f"GGUF file {self.sha256}, format {FORMAT}")

    def size(self) -> int:
        """Return the bytes that it takes on disk."""
        return sum(path.stat().st_size for path in home_of(self.name).rglob("*") if path.is_file())

    def write(self) -> None:
        """Write the record, whole or not at all; OSError if that cannot be."""
        told = sealed({"format": FORMAT, **asdict(self)})
        write_atomic(home_of(self.name) / RECORD, json.dumps(told, indent=1).encode())


def home() -> Path:
    """Return the directory that holds all of them."""
    return cache_dir() / "models"


def home_of(name: str) -> Path:
    """Return the directory of one."""
    return home() / name


def find(name: str) -> Added | None:
    """Return an added model, None where none has this name.

    Raises
    ------
    ReaderError
        If its record is damaged.
    """
    if as_name(name) != name:
        return None
    path = home_of(name) / RECORD
    try:
        told = load(path, _SHAPE)
        if not require_seal(told):
            raise ValueError("it has no checksum")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ReaderError(
            f"{path} is damaged ({why(error)}): remove the model with 'saetext model remove {name}' and add "
            "it again"
        ) from error
    return Added(
        name, told["sha256"], told["bytes"], told["file"], Sizes(**told["sizes"]), dict(told["versions"])
    )


def names() -> list[str]:
    """Return the names of all added models, damaged ones too, sorted."""
    try:
        found = [path.name for path in home().iterdir() if (path / RECORD).is_file()]
    except OSError:
        return []
    return sorted(name for name in found if as_name(name) == name)


def remove(name: str) -> None:
    """Remove what there is of an added model; the GGUF file is left alone. OSError if that cannot be."""
    (home_of(name) / RECORD).unlink(missing_ok=True)  # first: what is left of it is no model
    shutil.rmtree(home_of(name))
