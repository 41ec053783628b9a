"""Reader: a language model up to its hooks, the rules of what counts, and the SAEs that read each hook.

``Reader("embedded")`` and ``Reader("smollm2")`` come with saetext, ``Reader("RELEASE/SAE_ID")`` is any of
SAELens's pretrained SAEs, ``Reader(directory, model=...)`` an SAE on disk. :meth:`Reader.read` turns texts
into pooled sparse rows. Not for: files (see :mod:`saetext.documents`), the corpus on disk, calibration.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from torch import Tensor

from saetext.corpus.calibration import Calibration
from saetext.corpus.protocol import Ints
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import Numerics, ReaderSpec, SaeSpec, differing_fields
from saetext.documents import Document
from saetext.errors import ReaderError, refuse_unused
from saetext.io.progress import OnProgress
from saetext.io.provided import provided
from saetext.reader import embedded, shipped
from saetext.reader.batches import Batch, Batcher
from saetext.reader.language_model import LanguageModel
from saetext.reader.loading import How, parts_by_name, parts_in_directories
from saetext.reader.parts import LoadedSae, Parts
from saetext.reader.reading import Reading, as_documents, without_blanks
from saetext.reader.running import Entries, OnTokens, Run, TokenEntries
from saetext.reader.tokenization import MASKS_VERSION, Prepared, Tokens
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    import polars as pl


class Reader:
    """A language model, what of a text counts, and one or more SAEs.

    Parameters
    ----------
    name : str, path, or sequence of them
        ``"embedded"`` (the default), ``"smollm2"``, ``"RELEASE/SAE_ID"`` as in SAELens, or a
        directory with an SAE. Several must share one language model, which then runs once for all of them.
    model : str or path, optional
        Hugging Face id or directory of the language model, where the SAE does not say it.
    device, dtype, trust_pickle, revision
        As for :meth:`load_many`.

    Raises
    ------
    ReaderError
        If something is missing, unknown, or does not fit together.

    Examples
    --------
    >>> import saetext
    >>> reader = saetext.Reader("embedded")
    >>> reader.spec.model, reader.spec.window
    ('sentence-transformers/all-MiniLM-L6-v2', 256)
    """

    def __init__(
        self,
        name: str | Path | Sequence[str | Path] = embedded.NAME,
        *,
        model: str | Path | None = None,
        device: str = "auto",
        dtype: str = "auto",
        trust_pickle: bool = False,
        revision: str | None = None,
    ) -> None:
        names = [name] if isinstance(name, str | Path) or not isinstance(name, Sequence) else list(name)
        if not names or not all(isinstance(n, str | Path) for n in names):
            raise ReaderError(f"which reader? expected a name, a directory, or a list of them, not {name!r}")
        how = How(device, dtype, trust_pickle, revision)
        self._take(parts_by_name([str(n) for n in names], model, how))

    @classmethod
    def of_parts(
        cls,
        model: LanguageModel,
        saes: Sequence[LoadedSae],
        tokens: Tokens,
        *,
        name: str,
        source: Mapping[str, Any],
        model_identity: tuple[str, str] | None = None,
        token_budget: int | None = None,
    ) -> Reader:
        """Return a reader of a language model and SAEs that are loaded already.

        Raises
        ------
        ReaderError
            If an SAE or its calibration does not fit the model.
        """
        parts = Parts(model, tuple(saes), tokens, name, dict(source), model_identity or ("", ""))
        return cls._of(parts, token_budget)

    @classmethod
    def _of(cls, parts: Parts, token_budget: int | None = None) -> Reader:
        reader = cls.__new__(cls)
        reader._take(parts, token_budget)
        return reader

    def _take(self, parts: Parts, token_budget: int | None = None) -> None:
        self._parts = parts
        self.name = parts.name
        self.model = parts.model
        self.saes = {sae.name: sae for sae in parts.saes}
        self.tokens = parts.tokens
        on_gpu = parts.model.device.type == "cuda"
        self._batcher = Batcher(parts.tokens, token_budget or (32_768 if on_gpu else 4096))
        self._run = Run(self.model, self._batcher, self.saes)

    def __repr__(self) -> str:
        d_sae = " + ".join(f"{sae.encoder.d_sae:,}" for sae in self.saes.values())
        state = "with thresholds" if self.calibrated else "without thresholds"
        return about(self, f"{quoted(self.name)}, {quoted(self.model.name, 50)}, {d_sae} features, {state}")

    def __copy__(self) -> Reader:
        """Return the reader itself: it does not change, and its weights are large."""
        return self

    def __deepcopy__(self, memo: object) -> Reader:
        """Return the reader itself."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it is, its thresholds and how it was opened (``device``, ``trust_pickle``).

        Weights are loaded again, and checked, where it is unpickled.

        Raises
        ------
        ReaderError
            If it was made from parts, and so cannot be loaded again by name.
        """
        spec = self.spec
        if shipped.of_source(spec.source) is None and spec.source.get("kind") not in ("release", "local"):
            raise ReaderError(f"the reader {self.name!r} was made from parts and cannot be pickled")
        how = self._parts.device, self._parts.trust_pickle
        return _reopened, (spec, self.calibrations if self.calibrated else None, *how)

    # ---- loading -------------------------------------------------------------------------------------

    @classmethod
    def load(
        cls,
        release: str | None = None,
        sae_id: str | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        trust_pickle: bool = False,
    ) -> Reader:
        """Load the embedded reader, or one of SAELens's pretrained SAEs with its language model.

        Parameters
        ----------
        release, sae_id : str, optional
            As in SAELens, e.g. ``"gemma-scope-2b-pt-res-canonical", "layer_12/width_65k/canonical"``.
            Without them the embedded reader is loaded: MiniLM and the SAE that ships with saetext.
        device : {"auto", "cpu", "cuda", "mps"}
        dtype : {"auto", "float32", "bfloat16", "float16"}
            Of the language model; the SAE always computes in float32.
        trust_pickle : bool
            Allow pickled model weights (they are then read with ``weights_only=True``).

        Raises
        ------
        ReaderError
            If something is missing, unknown, or does not fit together.
        """
        if release is None:
            refuse_unused("it belongs to a release, so name that too", sae_id=sae_id)
            return cls._of(parts_by_name([embedded.NAME], None, How(device, dtype)))
        if sae_id is None:
            raise ReaderError(f"which SAE of {release!r}? give its sae_id too")
        return cls.load_many([f"{release}/{sae_id}"], device=device, dtype=dtype, trust_pickle=trust_pickle)

    @classmethod
    def load_local(
        cls,
        sae_dir: str | Path | Sequence[str | Path],
        model: str | Path | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        trust_pickle: bool = False,
        revision: str | None = None,
    ) -> Reader:
        """Load one SAE directory (or several on the same model) and a Hugging Face model id or directory.

        ``model`` defaults to the ``model_name`` in the SAE's metadata; ``revision`` is a commit of a hub id.
        A ``card.arrow`` in the directory, as :func:`saetext.training.pipeline.train` leaves one, sets the
        thresholds.
        """
        single = isinstance(sae_dir, str | Path)
        directories = [Path(sae_dir)] if single else [Path(d) for d in sae_dir]  # type: ignore[arg-type,union-attr]
        return cls._of(parts_in_directories(directories, model, How(device, dtype, trust_pickle, revision)))

    @classmethod
    def load_many(
        cls,
        names: Sequence[str],
        model: str | Path | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        trust_pickle: bool = False,
        revision: str | None = None,
    ) -> Reader:
        """Load by the names the command line uses.

        Each name is ``embedded``, ``smollm2``, ``RELEASE/SAE_ID`` or a directory; several must
        share one language model, which then runs once for all of them. ``revision`` is a commit of the
        model's hub repository.

        Raises
        ------
        InputError
            If ``model`` or ``revision`` is given for the embedded reader.
        """
        return cls._of(parts_by_name(list(names), model, How(device, dtype, trust_pickle, revision)))

    @classmethod
    def from_spec(
        cls,
        spec: ReaderSpec,
        calibrations: Mapping[str, Calibration] | None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        trust_pickle: bool = False,
        names: Sequence[str] | None = None,
        model: str | Path | None = None,
    ) -> Reader:
        """Load the reader that made a corpus, with the corpus's calibrations (None: those it comes with).

        ``names`` and ``model`` say where its SAEs and language model are now, if not where they were; whether
        they are the same is checked. ``dtype`` is by default that in which the corpus was read.

        Raises
        ------
        ReaderError
            If it cannot be found again, or is not the same any more.
        """
        kind, own = spec.source.get("kind"), shipped.of_source(spec.source)
        if own is not None:
            refuse_unused(
                f"the {own.name} reader made this corpus; leave it out",
                names=names, model=model, trust_pickle=trust_pickle,
            )  # fmt: skip
        if dtype == "auto":  # another processor may be fast at another one, and some presences would flip
            dtype = spec.numerics.model_dtype
        if own is not None:
            reader = cls._of(parts_by_name([own.name], None, How(device, dtype)))
        elif kind in ("release", "local"):
            reader = cls.load_many(
                names or spec.source["saes"],
                model or spec.source.get("model") or None,
                device=device,
                dtype=dtype,
                trust_pickle=trust_pickle,
                revision=None if spec.revision.startswith("sha256:") else spec.revision,
            )
        else:
            raise ReaderError(f"this corpus does not say how its reader {spec.model!r} was loaded")
        if calibrations is not None:
            reader = reader.with_calibrations(calibrations)
        if reader.spec.identity() != spec.identity():
            fields = ", ".join(differing_fields(reader.spec, spec))
            raise ReaderError(f"the reader of this corpus has changed; it differs in: {fields}")
        return reader

    # ---- calibrations and spec -----------------------------------------------------------------------

    @property
    def calibrated(self) -> bool:
        """Whether every SAE has a calibration; :meth:`read` needs that."""
        return all(sae.calibration is not None for sae in self.saes.values())

    def with_calibrations(self, calibrations: Mapping[str, Calibration]) -> Reader:
        """Return this reader with other calibrations (one for every SAE); model and SAEs are shared."""
        missing = [name for name in self.saes if name not in calibrations]
        if missing:
            raise ReaderError(
                f"no calibration of {', '.join(missing)}; there is one of: {', '.join(calibrations)}"
            )
        saes = [dataclasses.replace(sae, calibration=calibrations[name]) for name, sae in self.saes.items()]
        return Reader._of(dataclasses.replace(self._parts, saes=tuple(saes)), self._batcher.budget)

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """The calibrations by SAE; ReaderError if the reader is not calibrated."""
        self._require_calibrations()
        return {name: sae.calibration for name, sae in self.saes.items() if sae.calibration is not None}

    @property
    def spec(self) -> ReaderSpec:
        """Everything that makes this reader's numbers what they are."""
        saes = [
            SaeSpec(
                name=sae.name,
                origin=sae.origin,
                architecture=sae.encoder.architecture,
                hook=sae.encoder.hook,
                d_in=sae.encoder.d_in,
                d_sae=sae.encoder.d_sae,
                weights_sha256=sae.encoder.weights_sha256,
                preprocessing=sae.encoder.preprocessing,
                calibration_sha256=sae.calibration.sha256 if sae.calibration else "",
                threshold_percentile=sae.calibration.percentile if sae.calibration else None,
                min_tokens=sae.calibration.min_tokens if sae.calibration else 1,
                settings=sae.encoder.config.settings(),
                norm_limit=sae.norm_limit,
            )
            for sae in self.saes.values()
        ]
        return ReaderSpec(
            model=self._parts.identity[0],
            revision=self._parts.identity[1],
            window=self.tokens.window,
            overlap=self.tokens.overlap,
            prefix_ids=self.tokens.prefix_ids,
            suffix_ids=self.tokens.suffix_ids,
            masks=MASKS_VERSION,
            chat_template_sha256=self.tokens.chat_template_sha256,
            pooling="max",
            saes=tuple(saes),
            numerics=Numerics(self.model.dtype, "float32", self.model.device.type, dict(_versions())),
            source=dict(self._parts.source),
            tokens_sha256=self.tokens.sha256,
        )

    def _require_calibrations(self) -> None:
        if not self.calibrated:
            raise ReaderError(
                f"the reader {self.name!r} has no thresholds yet: run 'saetext calibrate' or encode a corpus"
            )

    # ---- reading -------------------------------------------------------------------------------------

    def read(
        self,
        texts: str | Iterable[str | Document],
        *,
        role: str = "assistant",
        on_tokens: OnTokens | None = None,
    ) -> Reading:
        """Read a text, or several, into the features that are present in each.

        Parameters
        ----------
        texts : str, or iterable of str or Document
            What to read. Texts that occur several times are read once.
        role : str
            Whose turns of a chat count.
        on_tokens : callable, optional
            Called with the number of counted tokens that are done.

        Returns
        -------
        Reading
            ``.table`` has the features of every text, ``reading[0]`` the first text with its words marked. A
            text without anything to read stays in its place, without features.

        Raises
        ------
        InputError
            If a text is something else than a string.
        ReaderError
            If the reader has no thresholds and documents are to be read. Texts are read with those that an
            earlier corpus left in the cache, or without any: every activation above zero counts.
        """
        documents, plain = as_documents(texts)
        reader = self
        if plain and not self.calibrated:
            from saetext.reader.thresholds.policy import with_known_thresholds

            reader = with_known_thresholds(self) or self
        elif not plain:
            self._require_calibrations()
        prepared = self.tokens.prepare(documents, role)
        if plain:
            prepared = without_blanks(prepared)
        rows = reader._run.pooled([p for p in prepared if isinstance(p, Prepared)], on_tokens)
        return Reading(prepared, rows, reader)

    def pool(self, prepared: Sequence[Prepared], on_tokens: OnTokens | None = None) -> dict[str, PooledRows]:
        """Return one pooled row per prepared document and SAE."""
        self._require_calibrations()
        return self._run.pooled(prepared, on_tokens)

    def entries(self, prepared: Sequence[Prepared]) -> Iterator[tuple[Batch, dict[str, Entries]]]:
        """Return all activations above zero, batch by batch: SAE -> (token of the batch, feature, value)."""
        return self._run.encoded(prepared, dict.fromkeys(self.saes))

    def measured(
        self, prepared: Sequence[Prepared]
    ) -> Iterator[tuple[Batch, tuple[dict[str, Entries], dict[str, Tensor]]]]:
        """Return all activations above zero and each token's norm by SAE, whatever the calibrations say."""
        return self._run.measured(prepared)

    def token_entries(self, prepared: Prepared, sae: str | None = None) -> TokenEntries:
        """Return all activations above zero of one document's counted tokens, by token then feature."""
        return self._run.token_entries(prepared, self.spec.sae(sae).name)

    def token_entries_of(
        self,
        prepared: Sequence[Prepared],
        sae: str | None = None,
        features: Sequence[Ints] | None = None,
    ) -> list[TokenEntries]:
        """Return the same of several documents, read together in batches.

        ``features`` are for each document those that are wanted, int64; all by default.
        """
        return self._run.token_entries_of(prepared, self.spec.sae(sae).name, features)

    def feature_table(
        self, texts: Any = None, *, sae: str | None = None, on_progress: OnProgress | None = None
    ) -> pl.DataFrame:
        """Return the moments of every feature over the vocabulary, or over the tokens of texts.

        Over the vocabulary, each token that can stand in a text is read alone, behind BOS where the model
        has it; over texts, every counted token in its context. Thresholds have no part in it.
        :func:`saetext.features.token_table` has more options and says what the table is over.

        Parameters
        ----------
        texts : Corpus, DocumentSource, or iterable of str or Document, optional
            What to read; without it, the vocabulary.
        sae : str, optional
            Which SAE, if there are several.
        on_progress : callable, optional
            Called with a Progress as the work goes on.

        Returns
        -------
        polars.DataFrame
            One row per feature; the columns are those of :class:`saetext.features.TokenTable`.
        """
        found = provided("table_over_tokens")(self, texts, sae=sae, on_progress=on_progress)
        table: pl.DataFrame = found.table
        return table


_unpickled: dict[str, Reader] = {}
_MOST_UNPICKLED = 2


def _reopened(
    spec: ReaderSpec,
    calibrations: Mapping[str, Calibration] | None,
    device: str = "auto",
    trust_pickle: bool = False,
) -> Reader:
    """Return a reader that was pickled; a worker that gets it again and again loads it once."""
    key = f"{spec.fingerprint} {spec.numerics.model_dtype} {device}"
    if key not in _unpickled:
        made = Reader.from_spec(spec, calibrations, device=device, trust_pickle=trust_pickle)
        while len(_unpickled) >= _MOST_UNPICKLED:
            del _unpickled[next(iter(_unpickled))]
        _unpickled[key] = made
    return _unpickled[key]


@functools.cache
def _versions() -> Mapping[str, str]:
    """Return package -> version. The parsing of torch's metadata takes longer than all the rest of a spec."""
    return {package: importlib.metadata.version(package) for package in ("saetext", "torch", "transformers")}
