"""A file or a folder elsewhere, in an object store: what is there, its bytes, and putting whole files there.

``s3://``, ``gs://`` and ``abfs://`` by pyarrow's own file systems, other URLs by fsspec if installed. Every
error is one line without the keys of the URL or the environment. What a store lists is never used as a
path here before it was compared with what is expected. Not for: what the files mean
(:mod:`saetext.corpus.transfer`, :mod:`saetext.documents.remote`).
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import xxhash

from saetext.errors import InputError
from saetext.io.extras import installed
from saetext.io.files import FileStamp
from saetext.io.hiding import Secret
from saetext.io.opener import read_bytes, require_regular, why
from saetext.io.urls import kind_of, shown_url, without_secrets
from saetext.text.one_line import one_line

T = TypeVar("T")

PYARROW: Final = {"s3", "gs", "gcs", "abfs", "abfss", "file", "mock"}
_READ_ONLY: Final = {"hf", "http", "https"}
PIECE: Final = 8 << 20  # bytes that are asked for at once; a lost connection costs no more
_IN_MEMORY: Final = 256 << 20  # larger files are mapped when they are put
MOST_FILES: Final = 1_000_000
WAITS = (0.5, 2.0, 5.0)  # seconds before another try, beside those that the file systems make themselves
_TRIES_OF_SDK: Final = 3
_GCS_SECONDS: Final = "30"  # pyarrow would try for a quarter of an hour
_S3_QUERY: Final = {
    *("region", "scheme", "endpoint_override", "anonymous", "force_virtual_addressing"),
    *("tls_ca_file_path", "allow_delayed_open"),
}
_NO_KEY: Final = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE; ?anonymous=true for public ones",
    "gs": "run 'gcloud auth application-default login', or write gs://anonymous@BUCKET for public ones",
    "abfs": "run 'az login', or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
}
_DENIED: Final = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN|UNRECOGNIZED_CLIENT|"
    r"HTTP status 40[13]|HTTP response code 40[13]|AccessDenied|InvalidAccessKeyId|Forbidden|"
    r"PermissionDenied|Unauthorized|EXPIRED_TOKEN|ExpiredToken|UNAUTHENTICATED|PERMISSION_DENIED|AuthenticationFailed",
)
_NO_BUCKET: Final = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist|ContainerNotFound")
_NO_LINE: Final = re.compile(
    r"curlCode: (?:5|6|7|28|35|60)\b|NETWORK_CONNECTION|resolve host|Could not connect"
)
_HOLDS_KEY: Final = re.compile(r"(AWS|GOOGLE|AZURE|HF)_[A-Z_]*(KEY|TOKEN|SECRET|PASSWORD)[A-Z_]*")
_ENDPOINT: Final = re.compile(r"(?:(?P<scheme>[A-Za-z]+):/+)?(?P<host>.*?)/*")  # a path keeps one slash
_NOISE: Final = re.compile(r"\(Request ID:[^)]*\)|Detail: .*|Request ID \S+", re.S)


@dataclass(frozen=True)
class There:
    """What is at a place: ``size`` in bytes, and ``version``, which changes with the content."""

    size: int
    version: str


class Store:
    """A file or folder elsewhere; made by :meth:`open`.

    Attributes
    ----------
    url : str
        As it was given; it may hold a key.
    shown : str
        As it may be printed.
    """

    def __init__(self, url: str, system: Any, path: str, secrets: tuple[Secret, ...] = ()) -> None:
        self.url, self.system, self.path, self._secrets = url, system, path.rstrip("/"), secrets
        self.shown = shown_url(url).rstrip("/")
        self.kind = kind_of(url)

    @classmethod
    def open(cls, url: str, *, write: bool = False) -> Store:
        """Return what a URL names; nothing is asked of the place yet, but an S3 bucket's region.

        Raises
        ------
        InputError
            If it is no URL that can be used.
        """
        shown, kind = shown_url(url), kind_of(url)
        if write and kind in _READ_ONLY:
            more = ": upload the folder with 'hf upload-large-folder'" if kind == "hf" else ""
            raise InputError(f"{shown}: {kind}:// can be read but not written here{more}")
        secrets = tuple(map(Secret, _keys_in(url)))
        if kind in PYARROW:
            _require_escaped(url)
        try:
            system, path = _system(url)
        except InputError:
            raise
        except Exception as error:  # what systems of files raise is their own
            raise InputError(f"{shown} cannot be used: {_said(error, secrets)}") from error
        if not path.strip("/"):
            raise InputError(f"{shown} names no bucket or file; expected {kind}://BUCKET/NAME")
        return cls(url, system, path, secrets)

    def name(self, name: str = "") -> str:
        """Return the URL of a file of this folder, as it may be printed."""
        return f"{self.shown}/{name}" if name else self.shown

    # ---- looking

    def look(self, name: str = "") -> There | None:
        """Return what file is there; None if there is none, or a folder."""
        info = self._try(name, lambda: self.system.get_file_info(self._at(name)))
        return _there(info) if info.is_file else None

    def is_folder(self) -> bool:
        """Return whether the place is a folder, or a beginning of names."""
        from pyarrow.fs import FileType

        return bool(self._try("", lambda: self.system.get_file_info(self.path)).type == FileType.Directory)

    def version(self, name: str = "") -> str:
        """Return what changes with a file's content: size and what the store calls its ETag, or its time."""
        found = self._require(name)
        etag = self._etag(name)
        return f"{found.size} {etag}" if etag else found.version

    def files(self) -> dict[str, There]:
        """Return the files in the folder and its folders, by their names from here; empty if there are none.

        The names are the store's: compare them with what is expected before they become paths.
        """
        from pyarrow.fs import FileSelector

        selector = FileSelector(self.path, recursive=True, allow_not_found=True)
        found, begins = {}, f"{self.path}/"

        def listed() -> list[Any]:
            try:
                return list(self.system.get_file_info(selector))
            except NotADirectoryError:  # what file:// says of a file; a store says that nothing begins so
                return []

        for info in self._try("", listed):
            if info.is_file and info.path.startswith(begins):
                found[info.path.removeprefix(begins)] = _there(info)
        if len(found) > MOST_FILES:
            raise InputError(f"{self.shown} holds {len(found):,} files; name a folder in it")
        return found

    def require_bucket(self) -> None:
        """Raise :class:`InputError` if the bucket is missing; where it may not be asked, it passes."""
        bucket = self.path.split("/")[0]
        if self.kind not in ("s3", "gs", "gcs", "abfs", "abfss"):
            return
        info = self._try("", lambda: self.system.get_file_info(bucket))
        if info.type.name == "NotFound":
            raise InputError(f"{self.shown}: there is no bucket {bucket}; make it first, or mend the name")

    # ---- bytes

    def pieces(self, name: str, size: int, first: int = 0) -> Iterator[bytes]:
        """Yield the ``size`` bytes of a file, or those from ``first`` on; a piece that fails is asked again.

        Raises
        ------
        InputError
            If they cannot be read, or are fewer.
        """
        file = self._try(name, lambda: self.system.open_input_file(self._at(name)))
        at = first
        while at < size:
            wanted = min(PIECE, size - at)

            def piece(at: int = at, wanted: int = wanted) -> bytes:
                file.seek(at)
                content: bytes = file.read(wanted)
                if len(content) != wanted:
                    raise OSError(f"it ended after {at + len(content):,} of {size:,} bytes")
                return content

            content = self._try(name, piece)
            at += len(content)
            yield content
        file.close()

    def read(self, name: str, most: int) -> bytes:
        """Return a file of at most ``most`` bytes; InputError if it is larger or missing."""
        size = self._require(name).size
        if size > most:
            raise InputError(f"{self.name(name)} has {size:,} bytes; at most {most:,} are read")
        return b"".join(self.pieces(name, size))

    def stamp(self, name: str, size: int, on_bytes: Callable[[int], None] | None = None) -> FileStamp:
        """Return size and checksum of the first ``size`` bytes of a file, read through."""
        digest, done = xxhash.xxh3_128(), 0
        for piece in self.pieces(name, size):
            digest.update(piece)
            done += len(piece)
            if on_bytes is not None:
                on_bytes(done)
        return FileStamp(done, digest.hexdigest())

    def put(self, name: str, content: bytes | Path) -> None:
        """Put a whole file there by one write: pyarrow ends an upload also when a second one would fail.

        Raises
        ------
        InputError
            If it cannot be written.
        OSError
            If a local file cannot be read.
        """
        import pyarrow as pa

        if isinstance(content, Path):
            if require_regular(content).st_size > _IN_MEMORY:
                whole = pa.memory_map(str(content)).read_buffer()
            else:
                whole = pa.py_buffer(read_bytes(content, _IN_MEMORY))
        else:
            whole = pa.py_buffer(content)
        path = self._at(name)

        def write() -> None:
            if self.kind not in ("s3", "gs", "gcs"):  # elsewhere folders are things
                self.system.create_dir(path.rpartition("/")[0], recursive=True)
            stream = self.system.open_output_stream(path, compression=None)  # or .gz is packed once more
            try:
                stream.write(whole)
                stream.close()
            except BaseException:
                with contextlib.suppress(Exception):  # or pyarrow closes it later, and writes a line of that
                    stream.close()
                raise

        self._try(name, write, "written")

    def delete(self, name: str = "") -> None:
        """Remove a file there; InputError if that fails."""
        self._try(name, lambda: self.system.delete_file(self._at(name)), "removed")

    def delete_folder(self, name: str) -> None:
        """Remove a folder there with all that is in it; InputError if that fails."""
        self._try(name, lambda: self.system.delete_dir(self._at(name)), "removed")

    # ---- inside

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path

    def _etag(self, name: str) -> str:
        def ask() -> str:
            with self.system.open_input_stream(self._at(name), compression=None) as stream:
                try:
                    known = stream.metadata() or {}
                except (NotImplementedError, AttributeError):  # a place that tells no more than size and time
                    return ""
            told = {os.fsdecode(key).casefold(): value for key, value in known.items()}
            return os.fsdecode(told.get("etag", b"")).strip('"')

        return self._try(name, ask)

    def _require(self, name: str) -> There:
        found = self.look(name)
        if found is None:
            self.require_bucket()
            raise InputError(f"{self.name(name)}: there is no such file")
        return found

    def _try(self, name: str, call: Callable[[], T], what: str = "read") -> T:
        """Call; once more after a failure that may pass; one line of what the store says otherwise."""
        for wait in chain(WAITS, (None,)):
            try:
                return call()
            except FileNotFoundError as error:
                raise InputError(f"{self.name(name)}: there is no such file") from error
            except InputError:
                raise
            except Exception as error:  # each system has exceptions of its own
                said = _said(error, self._secrets)
                raw = str(error)
                if _NO_BUCKET.search(raw):
                    bucket = self.path.split("/")[0]
                    raise InputError(
                        f"{self.shown}: there is no bucket {bucket}; make it first, or mend the name"
                    ) from error
                if isinstance(error, PermissionError) or _DENIED.search(raw):
                    advice = _NO_KEY.get({"gcs": "gs", "abfss": "abfs"}.get(self.kind, self.kind))
                    denied = f"access is denied; {advice}" if advice else "access is denied"
                    raise InputError(f"{self.name(name)} cannot be {what}: {denied}") from error
                if wait is None or isinstance(error, NotImplementedError | ValueError | TypeError):
                    if _NO_LINE.search(raw):
                        said = "the connection failed or was cut off; is the endpoint right?"
                    raise InputError(
                        f"{self.name(name)} cannot be {what}: {said}; run the same command again to go on"
                    ) from error
            time.sleep(wait or 0)
        raise AssertionError("the last try returns or raises")


def _there(info: Any) -> There:
    told = "" if info.mtime_ns is None else f" {info.mtime_ns}"
    return There(int(info.size), f"{info.size}{told}")


def _said(error: BaseException, secrets: tuple[Secret, ...]) -> str:
    line = without_secrets(_NOISE.sub("", str(error)) or type(error).__name__)
    for secret in secrets:
        line = secret.hide(line)
    return why(ValueError(line)).rstrip(" :.")


def _keys_in(url: str) -> list[str]:
    """Return what must not be printed: the user and password of a URL, its query, keys of the environment."""
    place = url.partition("://")[2]
    held, user, _ = re.split(r"[/?#]", place, maxsplit=1)[0].rpartition("@")
    found = held.split(":") if user else []
    plain = {"region", "scheme", "endpoint_override", "anonymous"}
    found += [value for key, value in parse_qsl(place.partition("?")[2]) if key not in plain]
    found += [value for key, value in os.environ.items() if _HOLDS_KEY.fullmatch(key) and len(value) > 7]
    return [key for one in found for key in {one, unquote(one)} if key.isascii() and key]


# ---- file systems


def _require_escaped(url: str) -> None:
    """Raise :class:`InputError` for marks that would be taken for the end of a name, or would be dropped.

    No part of a key is repeated: what is taken for the bucket may be the beginning of one.
    """
    kind, (plain, mark, _) = kind_of(url), url.partition("#")
    if mark:
        raise InputError(f"{shown_url(plain)}: write # in a name as %23")
    if kind == "file" and "?" in plain:
        raise InputError(f"{shown_url(plain)}: write ? in a name as %3F")
    place = re.split(r"[/?]", plain.partition("://")[2], maxsplit=1)
    _, colon, port = place[0].rpartition("@")[2].rpartition(":")
    no_port = kind in ("s3", "gs", "gcs") or not port.isdecimal() or "@" in "".join(place[1:])
    if colon and kind not in ("file", "mock") and no_port:
        raise InputError(
            f"{kind}://: what stands before @ cannot be told from the bucket; write / in a key as %2F, "
            f"? as %3F, @ as %40; keys in the environment need none of this"
        )


def _system(url: str) -> tuple[Any, str]:
    from pyarrow import fs

    kind = kind_of(url)
    if kind == "s3":
        return _s3(url)
    if kind in ("gs", "gcs"):
        url, _, query = url.partition("?")
        options = {"retry_limit_seconds": _GCS_SECONDS, **dict(parse_qsl(query, keep_blank_values=True))}
        return fs.FileSystem.from_uri(f"{_quoted(url)}?{urlencode(options)}")
    if kind in PYARROW:
        return fs.FileSystem.from_uri(_quoted(url))
    if not installed("fsspec"):
        raise InputError(
            f"{shown_url(url)}: no place {kind}:// is known here; known are s3://, gs:// and abfs://, and "
            "with pip install 'saetext[files]' those of fsspec"
        )
    import fsspec
    from fsspec.registry import known_implementations, registry

    if kind not in known_implementations and kind not in registry:
        raise InputError(f"{shown_url(url)}: no kind of place is called {kind}://; known are s3, gs and abfs")
    system, path = fsspec.core.url_to_fs(url)
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


def _quoted(url: str) -> str:
    """Return a URL as pyarrow takes it, who typed ``é`` or a space as they are; ``%20`` stays."""
    return quote(url, safe="%/:?&=@+,;~!$'()*[]#")


def _s3(url: str) -> tuple[Any, str]:
    """Return the S3 that a URL names, as pyarrow reads it: keys before ``@``, options in the query.

    pyarrow's own way from a URL tries a failing request ten times, and ends in half a minute.
    """
    from pyarrow import fs

    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(query) - _S3_QUERY):
        named = ", ".join(name for name in unknown if query[name]) or "what follows ?"  # it may be a key
        raise InputError(
            f"{shown_url(url)}: unknown in its query: {one_line(named, 200)}; known are "
            f"{', '.join(sorted(_S3_QUERY))}; write ? in a name as %3F"
        )
    bucket = parts.netloc.rpartition("@")[2]
    if not bucket:
        raise InputError(f"{shown_url(url)} names no bucket; expected s3://BUCKET/NAME")
    options: dict[str, Any] = {name: query[name] for name in ("scheme", "tls_ca_file_path") if name in query}
    if parts.username:
        options |= {
            "access_key": unquote(parts.username),
            "secret_key": unquote(parts.password or ""),
        }
    for name in ("anonymous", "force_virtual_addressing"):
        if query.get(name, "false").casefold() in ("true", "1"):
            options[name] = True
    endpoint = query.get("endpoint_override") or _endpoint_of_environment()
    if endpoint is not None:
        found = _ENDPOINT.fullmatch(endpoint)
        options["endpoint_override"] = endpoint if found is None else found["host"]
        if found is not None and found["scheme"] and "scheme" not in query:
            options["scheme"] = found["scheme"]
    if "region" in query:
        options["region"] = query["region"]
    elif not any(os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE")):
        options["region"] = "us-east-1" if endpoint or not bucket else fs.resolve_s3_region(bucket)
    system = fs.S3FileSystem(
        **options,
        connect_timeout=10,
        request_timeout=30,
        allow_delayed_open=True,  # small files by one request
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES_OF_SDK),
    )
    return system, f"{bucket}{unquote(parts.path)}"


def _endpoint_of_environment() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
