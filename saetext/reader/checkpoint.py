"""A model's files, in a local directory, in the cache or on the Hugging Face hub, and the tensors in them.

Only what is asked for is downloaded and read: the configuration, the tokenizer, and those weight files and
tensors that the layers up to the deepest hook need. Not for: building or running a model; see
:mod:`saetext.reader.language_model`.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import huggingface_hub
import torch
from huggingface_hub import errors as hub_errors
from safetensors import SafetensorError, safe_open
from torch import Tensor

from saetext.errors import ReaderError
from saetext.io.cache import file_sha256
from saetext.io.json_file import load, require_bounded
from saetext.io.opener import HUGE, LARGE, SMALL, require_regular, why
from saetext.io.shape import Table
from saetext.reader.added.adding import INSTALL, located
from saetext.reader.added.names import SMOLLM2
from saetext.reader.names import hub_id
from saetext.text.one_line import quoted

_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# tokenizer.json comes last: where the cache has it, it has the others, as far as they exist
_TOKENIZER = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "tokenizer.json")
_SLOW_TOKENIZER = ("vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "added_tokens.json")
_READ_IN_RUST = ("tokenizer.json", "vocab.json")  # large, and with a bound on their depth there
_SHA256 = re.compile(r"[0-9a-f]{64}")  # name of a large file in the hub's cache
_HUB_TIMEOUT = 5.0  # seconds
# huggingface_hub speaks through requests, httpx or httpx2, depending on its version, and not all of their
# connection errors are OSErrors: it re-exports the right HTTPError
_HUB_ERRORS: tuple[type[Exception], ...] = (
    *(OSError, hub_errors.HTTPError),
    *(hub_errors.HFValidationError, hub_errors.EntryNotFoundError),
)


class Checkpoint:
    """The files of one model.

    Parameters
    ----------
    model : str or Path
        A directory, an added model's name, a Hugging Face id, or an alias of one (see
        :func:`saetext.reader.names.hub_id`); looked for in this order.
    revision : str, optional
        Branch, tag or commit on the hub; not for directories or added models.

    Attributes
    ----------
    name : str
        The Hugging Face id, the added model's name, or the directory's.
    directory : Path
        Where the files are read from; for the hub, the snapshot in its cache.
    commit : str or None
        The hub's commit hash; None for a directory or an added model.

    Raises
    ------
    ReaderError
        If there is no such model, or it is not there while offline.
    """

    def __init__(self, model: str | Path, revision: str | None = None) -> None:
        self.commit: str | None = None
        self._stated_revision: str | None = None  # of an added model, whose files have been checked
        self._listing: set[str] | None = None  # what the hub has, once asked
        self._unreachable: ReaderError | None = None
        try:
            path = Path(model).expanduser()
        except RuntimeError as error:  # ~nobody
            raise ReaderError(f"there is no model directory {quoted(str(model))}: no such user") from error
        if path.is_dir():
            if revision is not None:
                raise ReaderError(f"{path} is a directory: it has no revision {revision!r}")
            self.name, self.directory = path.resolve().name, path
            if not (path / "config.json").is_file():
                raise ReaderError(f"{path} holds no model: there is no config.json in it")
            return
        added = located(str(model))
        if added is not None:
            if revision is not None:
                raise ReaderError(f"{added.name} is an added model: it has no revision {revision!r}")
            self.name, self.directory = added.name, added.derived.folder
            self._stated_revision = added.revision
            return
        self.name = hub_id(str(model))
        looks_like_path = str(model).startswith((".", "~")) or path.is_absolute() or self.name.count("/") > 1
        if looks_like_path or path.exists():
            raise ReaderError(f"there is no model directory {str(model)!r}")
        config = self._download("config.json", revision, cached=True)
        if config is None:
            has_config = "config.json" in self._list_hub(revision)
            config = self._download("config.json", self.commit) if has_config else None
        if config is None:
            raise ReaderError(f"{self.name} on the Hugging Face hub holds no model: it has no config.json")
        self.directory = config.parent
        self.commit = self.commit or config.parent.name  # the cache's folders are named for the commit

    def file(self, name: str) -> Path | None:
        """Return the path of a file, downloaded if need be; None if it is not to be had."""
        if not self.has(name):
            return None
        if self.commit is None:
            return self.directory / name
        return self._cached(name) or self._download(name, self.commit)

    def has(self, name: str) -> bool:
        """Return whether there is such a file, in the hub's case as far as the hub answers."""
        if "/" in name or "\\" in name or name.startswith("."):
            raise ReaderError(f"{self.name}: file name {name!r} points outside the directory of the model")
        if self.commit is None:
            return (self.directory / name).is_file()
        if self._cached(name) is not None:
            return True
        if self._listing is None and self._unreachable is None:
            try:
                self._list_hub(self.commit)
            except ReaderError as error:
                self._unreachable = error
        return self._listing is not None and name in self._listing

    def first_of(self, names: Sequence[str]) -> str | None:
        """Return the first of ``names`` that there is, without asking the hub if its cache has one."""
        if self.commit is not None and (cached := [n for n in names if self._cached(n) is not None]):
            return cached[0]
        return next((name for name in names if self.has(name)), None)

    def missing(self, message: str) -> ReaderError:
        """Return the error for a file that is missing: because of the network, or else ``message``."""
        return self._unreachable or ReaderError(message)

    def json(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON file that must be there and hold an object."""
        path = self.file(name)
        if path is None:
            raise self.missing(f"{self.name} has no {name}")
        try:
            return dict(load(path, Table(), most=LARGE, loose=True))  # transformers writes Infinity
        except (OSError, ValueError) as error:
            raise ReaderError(f"{path} cannot be read as JSON: {why(error)}") from error

    def fetch_tokenizer(self) -> None:
        """Have the tokenizer's files in :attr:`directory`."""
        if self.commit is None or self._cached("tokenizer.json") is not None:
            return
        for name in _TOKENIZER if self.has("tokenizer.json") else (*_TOKENIZER, *_SLOW_TOKENIZER):
            self.file(name)

    def require_bounded_tokenizer(self) -> None:
        """Raise :class:`ReaderError` if a tokenizer's file could block, fill the memory or nest too deep."""
        for name in (*_TOKENIZER, *_SLOW_TOKENIZER):
            path = self.directory / name
            if not os.path.lexists(path):
                continue
            try:
                if name.endswith(".json") and name not in _READ_IN_RUST:
                    require_bounded(path, LARGE)
                else:
                    require_regular(path, SMALL if name.endswith(".jinja") else HUGE)
            except (OSError, ValueError) as error:
                raise ReaderError(f"{path} cannot be used: {why(error)}") from error

    def revision(self, weight_files: list[str]) -> str:
        """Return what tells this model from others.

        The commit; ``sha256:`` of an added model's GGUF file; or for a directory ``sha256:`` over its
        configuration and the named files.

        Raises
        ------
        ReaderError
            If a weight file in the hub's cache is not the one that was downloaded.
        """
        if self.commit is not None:
            for name in weight_files:
                self._require_as_downloaded(name)
            return self.commit
        if self._stated_revision is not None:
            return self._stated_revision
        names = ["config.json", *sorted(weight_files)]
        hashes = {name: file_sha256(self.directory / name) for name in names}
        return "sha256:" + hashlib.sha256(json.dumps(hashes).encode()).hexdigest()

    def _require_as_downloaded(self, name: str) -> None:
        """The cache keeps large files by their SHA-256: a commit stands for bytes only if they are those."""
        path = (self.directory / name).resolve()
        if _SHA256.fullmatch(path.name) and file_sha256(path) != path.name:
            raise ReaderError(
                f"{name} of {self.name} in the Hugging Face cache is not what was downloaded: remove {path} "
                f"and run 'hf download {self.name}'"
            )

    def _cached(self, name: str) -> Path | None:
        return self._download(name, self.commit, cached=True)

    def _list_hub(self, revision: str | None) -> set[str]:
        """Ask the hub for the commit and the names of the files: one request, which fails fast if it must."""
        try:
            info = huggingface_hub.HfApi().model_info(self.name, revision=revision, timeout=_HUB_TIMEOUT)
        except _HUB_ERRORS as error:
            raise self._not_there(error, revision) from error
        self.commit = info.sha
        self._listing = {sibling.rfilename for sibling in info.siblings or ()}
        return self._listing

    def _download(self, name: str, revision: str | None, *, cached: bool = False) -> Path | None:
        """Return a file of the hub's model; with ``cached``, None unless it is in the cache already."""
        try:
            path = huggingface_hub.hf_hub_download(
                self.name, name, revision=revision, local_files_only=cached, etag_timeout=_HUB_TIMEOUT
            )
        except _HUB_ERRORS as error:
            if cached and isinstance(error, hub_errors.LocalEntryNotFoundError):
                return None
            raise self._not_there(error, revision) from error
        return Path(path)

    def _not_there(self, error: Exception, revision: str | None) -> ReaderError:
        name = self.name
        if isinstance(error, hub_errors.HFValidationError):
            return ReaderError(f"{name!r} is neither a directory nor a Hugging Face id")
        if isinstance(error, hub_errors.GatedRepoError):
            return ReaderError(
                f"{name} is gated: accept its licence at https://huggingface.co/{name} "
                "and log in with 'hf auth login'"
            )
        if isinstance(error, hub_errors.RepositoryNotFoundError):
            return ReaderError(f"there is neither a directory nor a model {name!r} on the Hugging Face hub")
        if isinstance(error, hub_errors.RevisionNotFoundError):
            return ReaderError(f"{name} has no revision {revision!r} on the Hugging Face hub")
        reason = getattr(error, "strerror", None) or type(error).__name__
        if name == hub_id(SMOLLM2):
            return ReaderError(
                f"{SMOLLM2} is not here and cannot be downloaded ({reason}): {INSTALL}; or "
                f"'saetext model add FILE.gguf'; or 'hf download {name}' with network access"
            )
        return ReaderError(
            f"{name} is not in the local Hugging Face cache and cannot be downloaded ({reason}): "
            f"run 'hf download {name}' with network access, or give a model directory"
        )


class Weights:
    """The tensors of a checkpoint, by the names they have in its files.

    Attributes
    ----------
    file_of : dict
        Tensor name -> file name.
    files_read : list of str
        Files opened for tensors so far, in order.

    Raises
    ------
    ReaderError
        If there are no weights, or only pickled ones and ``trust_pickle`` is false.
    """

    def __init__(self, checkpoint: Checkpoint, *, trust_pickle: bool = False) -> None:
        self._checkpoint = checkpoint
        self.files_read: list[str] = []
        name = checkpoint.first_of(_SAFETENSORS) or checkpoint.first_of(_PICKLES)
        if name is None:
            raise checkpoint.missing(
                f"{checkpoint.name} has no weights: expected {_SAFETENSORS[0]} or {_SAFETENSORS[1]}"
            )
        if name in _PICKLES and not trust_pickle:
            raise ReaderError(
                f"{checkpoint.name} has only pickled weights ({name}), which can run code when loaded: "
                "use a safetensors version, or --trust-pickle if you trust its source"
            )
        self.file_of = self._index(name) if name.endswith(".json") else dict.fromkeys(self._names(name), name)

    def read(
        self, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype, device: torch.device
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors named in ``shapes``, as ``dtype`` on ``device``, file by file.

        Raises
        ------
        ReaderError
            If a file is missing or damaged, or a tensor is missing or has another shape; it is named.
        """
        by_file: dict[str, list[str]] = {}
        for name in shapes:
            by_file.setdefault(self.file_of[name], []).append(name)
        for file, names in by_file.items():
            self.files_read.append(file)
            for name, tensor in self._tensors(file, names):
                if tuple(tensor.shape) != shapes[name]:
                    raise ReaderError(
                        f"{self._checkpoint.name}: tensor {name} in {file} has shape {list(tensor.shape)}, "
                        f"but its configuration asks for {list(shapes[name])}"
                    )
                # always a copy: the file is mapped, and may be overwritten while the model is in use
                yield name, tensor.to(device, dtype, copy=True)

    def _index(self, name: str) -> dict[str, str]:
        weight_map = self._checkpoint.json(name).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(f, str) for f in weight_map.values()):
            raise ReaderError(f"{self._checkpoint.name}: {name} has no weight_map of tensor names to files")
        return weight_map

    def _path(self, name: str) -> Path:
        path = self._checkpoint.file(name)
        if path is None:
            raise self._checkpoint.missing(f"{self._checkpoint.name}: weight file {name} is missing")
        return path

    def _names(self, file: str) -> list[str]:
        if not file.endswith(".safetensors"):
            return list(self._unpickle(file))
        try:
            require_regular(self._path(file))
            with safe_open(self._path(file), framework="pt") as tensors:
                return list(tensors.keys())
        except (SafetensorError, OSError) as error:
            raise self._damaged(file, error) from error

    def _tensors(self, file: str, names: list[str]) -> Iterator[tuple[str, Tensor]]:
        if not file.endswith(".safetensors"):
            unpickled = self._unpickle(file)
            if missing := [name for name in names if name not in unpickled]:
                raise self._damaged(file, KeyError(missing[0]))
            yield from ((name, unpickled[name]) for name in names)
            return
        try:
            require_regular(self._path(file))
            with safe_open(self._path(file), framework="pt") as tensors:
                for name in names:
                    yield name, tensors.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise self._damaged(file, error) from error

    def _unpickle(self, file: str) -> dict[str, Tensor]:
        path = self._path(file)
        try:
            require_regular(path)
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
            raise self._damaged(file, error) from error
        if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
            raise ReaderError(f"{self._checkpoint.name}: {file} does not hold a state dict")
        return content

    def _damaged(self, file: str, error: Exception) -> ReaderError:
        return ReaderError(f"{self._checkpoint.name}: weight file {file} cannot be read: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type's name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
