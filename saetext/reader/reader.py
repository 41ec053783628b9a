"""Reader: a language model up to its hooks, the rules of what counts, and the SAEs that read each hook.

``Reader("embedded")`` is the one that ships with saetext, ``Reader("RELEASE/SAE_ID")`` any of SAELens's
pretrained SAEs, ``Reader(directory, model=...)`` an SAE on disk. :meth:`Reader.read` turns texts into pooled
sparse rows. Not for: files (see :mod:`saetext.documents`), the corpus on disk, calibration.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.corpus.calibration import Calibration
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import Numerics, ReaderSpec, SaeSpec
from saetext.documents import Document
from saetext.errors import InputError, ReaderError, refuse_unused
from saetext.reader import embedded
from saetext.reader.batches import Batch, Batcher
from saetext.reader.language_model import LanguageModel
from saetext.reader.pooling import Pooler
from saetext.reader.reading import Reading, as_documents, without_blanks
from saetext.reader.sae import SparseEncoder
from saetext.reader.tokenization import MASKS_VERSION, Prepared, Tokens
from saetext.reader.weights import load_sae_dir, load_sae_release
from saetext.text.one_line import about, quoted

OnTokens = Callable[[int], None]
Entries = tuple[Tensor, Tensor, Tensor]
T = TypeVar("T")


_OWN_MODEL = "the embedded reader has its own language model; leave it out, or name an SAE"


@dataclass(frozen=True)
class LoadedSae:
    """One SAE of a reader; ``calibration`` is None until the reader is calibrated."""

    name: str
    origin: str
    encoder: SparseEncoder
    calibration: Calibration | None


@dataclass(frozen=True)
class TokenEntries:
    """Activations of one document's counted tokens: ``value[i]`` of ``feature[i]`` at ``ordinal[i]``."""

    ordinal: NDArray[np.int32]
    feature: NDArray[np.int32]
    value: NDArray[np.float32]


class Reader:
    """A language model, what of a text counts, and one or more SAEs.

    Parameters
    ----------
    name : str, path, or sequence of them
        ``"embedded"`` (the default), ``"RELEASE/SAE_ID"`` as in SAELens, or a directory with an SAE. Several
        must share one language model, which then runs once for all of them.
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
        loaded = self.load_many(
            [str(n) for n in names], model, device=device, dtype=dtype, trust_pickle=trust_pickle,
            revision=revision,
        )  # fmt: skip
        vars(self).update(vars(loaded))

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
        reader = cls.__new__(cls)
        reader._assemble_parts(model, saes, tokens, name, source, model_identity, token_budget)
        return reader

    def _assemble_parts(
        self,
        model: LanguageModel,
        saes: Sequence[LoadedSae],
        tokens: Tokens,
        name: str,
        source: Mapping[str, Any],
        model_identity: tuple[str, str] | None,
        token_budget: int | None,
    ) -> None:
        self.name = name
        self.model = model
        self.saes = {sae.name: sae for sae in saes}
        self.tokens = tokens
        self._source = dict(source)
        self._identity = model_identity or (model.name, model.revision)
        self._batcher = Batcher(tokens, token_budget or (32_768 if model.device.type == "cuda" else 4096))
        for sae in saes:
            width = model.widths[sae.encoder.hook]
            if width != sae.encoder.d_in:
                raise ReaderError(
                    f"the SAE {sae.origin!r} reads {sae.encoder.d_in} values at {sae.encoder.hook}, "
                    f"but {model.name} has {width} there: the SAE belongs to another model"
                )
            if sae.calibration is not None and len(sae.calibration) != sae.encoder.d_sae:
                raise ReaderError(
                    f"the calibration has {len(sae.calibration)} features, "
                    f"SAE {sae.origin!r} has {sae.encoder.d_sae}"
                )

    def __repr__(self) -> str:
        d_sae = " + ".join(f"{sae.encoder.d_sae:,}" for sae in self.saes.values())
        state = "with thresholds" if self.calibrated else "without thresholds"
        return about(self, f"{quoted(self.name)}, {quoted(self.model.name, 50)}, {d_sae} features, {state}")

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
            return cls._load_embedded(device, dtype)
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
        if not directories:
            raise InputError("there is no SAE in an empty list: name a directory")
        encoders = [(d.resolve().name, load_sae_dir(d, trust_pickle=trust_pickle)) for d in directories]
        source = {"kind": "local", "saes": [str(d.resolve()) for d in directories], "model": _place(model)}
        reader = cls._assemble(encoders, model, source, device, dtype, trust_pickle, revision)
        files = [d / "card.arrow" for d in directories]
        if all(f.is_file() for f in files):  # left there by saetext train
            reader = reader.with_calibrations(
                {sae: Calibration.read(f) for sae, f in zip(reader.saes, files, strict=True)}
            )
        return reader

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

        Each name is ``embedded``, ``RELEASE/SAE_ID`` or a directory; several must share one language model,
        which then runs once for all of them. ``revision`` is a commit of the model's hub repository.

        Raises
        ------
        InputError
            If ``model`` or ``revision`` is given for the embedded reader.
        """
        if not names or list(names) == [embedded.NAME]:
            refuse_unused(_OWN_MODEL, model=model, revision=revision, trust_pickle=trust_pickle)
            return cls._load_embedded(device, dtype)
        if all(Path(n).is_dir() for n in names):
            directories = [Path(n) for n in names]
            return cls.load_local(
                directories, model, device=device, dtype=dtype, trust_pickle=trust_pickle, revision=revision
            )
        encoders = []
        for name in names:
            release, slash, sae_id = name.partition("/")
            if not slash or name.startswith((".", "/", "~")):
                raise ReaderError(
                    f"no reader called {name!r}: 'embedded', RELEASE/SAE_ID as in SAELens, or a directory"
                )
            encoders.append((name, load_sae_release(release, sae_id)))
        source = {"kind": "release", "saes": list(names), "model": _place(model)}
        return cls._assemble(encoders, model, source, device, dtype, trust_pickle, revision)

    @classmethod
    def from_spec(
        cls,
        spec: ReaderSpec,
        calibrations: Mapping[str, Calibration],
        *,
        device: str = "auto",
        dtype: str = "auto",
        trust_pickle: bool = False,
        names: Sequence[str] | None = None,
        model: str | Path | None = None,
    ) -> Reader:
        """Load the reader that made a corpus, with the corpus's calibrations.

        ``names`` and ``model`` say where its SAEs and language model are now, if not where they were; whether
        they are the same is checked. ``dtype`` is by default that in which the corpus was read.

        Raises
        ------
        ReaderError
            If it cannot be found again, or is not the same any more.
        """
        kind = spec.source.get("kind")
        if kind == "embedded":
            refuse_unused(
                "the embedded reader made this corpus; leave it out",
                names=names, model=model, trust_pickle=trust_pickle,
            )  # fmt: skip
        if dtype == "auto":  # another processor may be fast at another one, and some presences would flip
            dtype = spec.numerics.model_dtype
        if kind == "embedded":
            reader = cls._load_embedded(device, dtype)
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
        reader = reader.with_calibrations(calibrations)
        if reader.spec.identity() != spec.identity():
            from saetext.corpus.spec import differing_fields

            fields = ", ".join(differing_fields(reader.spec, spec))
            raise ReaderError(f"the reader of this corpus has changed; it differs in: {fields}")
        return reader

    @classmethod
    def _load_embedded(cls, device: str, dtype: str) -> Reader:
        encoder, calibration = embedded.load()
        model = LanguageModel.load(embedded.find_model(), [encoder.hook], device=device, dtype=dtype)
        embedded.check_weights(model.path)
        encoder = encoder.to(model.device)
        tokens = _tokens(model, [encoder])
        return cls.of_parts(
            model,
            [LoadedSae(embedded.NAME, embedded.NAME, encoder, calibration)],
            tokens,
            name=embedded.NAME,
            source={"kind": "embedded"},
            model_identity=(embedded.MODEL, f"sha256:{embedded.WEIGHTS_SHA256}"),
        )

    @classmethod
    def _assemble(
        cls,
        encoders: Sequence[tuple[str, SparseEncoder]],
        model: str | Path | None,
        source: Mapping[str, Any],
        device: str,
        dtype: str,
        trust_pickle: bool,
        revision: str | None,
    ) -> Reader:
        if model is None:
            named = {e.metadata.model_name for _, e in encoders if e.metadata.model_name}
            if len(named) != 1:
                found = ", ".join(sorted(named)) or "none"
                raise ReaderError(f"which language model? give it with --model (the SAEs name: {found})")
            model = named.pop()
        identity = None
        if str(model) == embedded.MODEL and revision is None:
            # as the embedded reader: from its package, where there is one, and known by its published weights
            model, identity = embedded.find_model(), (embedded.MODEL, f"sha256:{embedded.WEIGHTS_SHA256}")
        hooks = list(dict.fromkeys(e.hook for _, e in encoders))
        loaded = LanguageModel.load(
            model, hooks, revision=revision, device=device, dtype=dtype, trust_pickle=trust_pickle
        )
        if identity is not None:
            embedded.check_weights(loaded.path)
        saes: list[LoadedSae] = []
        for name, encoder in encoders:
            sae_name = _sae_name(encoder.hook, {t.name for t in saes})
            saes.append(LoadedSae(sae_name, name, encoder.to(loaded.device), None))
        tokens = _tokens(loaded, [e for _, e in encoders])
        return cls.of_parts(
            loaded,
            saes,
            tokens,
            name=" + ".join(n for n, _ in encoders),
            source=source,
            model_identity=identity,
        )

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
        return Reader.of_parts(
            self.model,
            saes,
            self.tokens,
            name=self.name,
            source=self._source,
            model_identity=self._identity,
            token_budget=self._batcher.budget,
        )

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
            )
            for sae in self.saes.values()
        ]
        versions = {p: importlib.metadata.version(p) for p in ("saetext", "torch", "transformers")}
        return ReaderSpec(
            model=self._identity[0],
            revision=self._identity[1],
            window=self.tokens.window,
            overlap=self.tokens.overlap,
            prefix_ids=self.tokens.prefix_ids,
            suffix_ids=self.tokens.suffix_ids,
            masks=MASKS_VERSION,
            chat_template_sha256=self.tokens.chat_template_sha256,
            pooling="max",
            saes=tuple(saes),
            numerics=Numerics(self.model.dtype, "float32", self.model.device.type, versions),
            source=self._source,
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
        rows = reader._pooled([p for p in prepared if isinstance(p, Prepared)], on_tokens)
        return Reading(prepared, rows, reader)

    def pool(self, prepared: Sequence[Prepared], on_tokens: OnTokens | None = None) -> dict[str, PooledRows]:
        """Return one pooled row per prepared document and SAE."""
        self._require_calibrations()
        return self._pooled(prepared, on_tokens)

    def _pooled(
        self, prepared: Sequence[Prepared], on_tokens: OnTokens | None = None
    ) -> dict[str, PooledRows]:
        """As :meth:`pool`; where an SAE has no calibration, whatever is above zero is present."""
        unique: dict[bytes, int] = {}
        first: list[Prepared] = []
        place: list[int] = []
        for p in prepared:
            key = p.ids.tobytes() + p.counted.tobytes()
            if key not in unique:
                unique[key] = len(first)
                first.append(p)
            place.append(unique[key])
        poolers: dict[str, Pooler] = {}
        cuts: dict[str, Tensor | None] = {}
        for name, sae in self.saes.items():
            poolers[name] = Pooler(
                sae.encoder.d_sae, 1 if sae.calibration is None else sae.calibration.min_tokens
            )
            cuts[name] = None
            if sae.calibration is not None:
                cuts[name] = torch.from_numpy(sae.calibration.thresholds.copy()).to(self.model.device)
        for batch, saes in self._encoded(first, cuts):
            for name, (token, feature, value) in saes.items():
                poolers[name].add(batch.rows, batch.ordinals, token, feature, value)
            if on_tokens is not None:
                on_tokens(len(batch.rows))
        rows = {name: pooler.finish(len(first)) for name, pooler in poolers.items()}
        if len(first) < len(prepared):
            rows = {name: r.take(place) for name, r in rows.items()}
        return rows

    def entries(
        self, prepared: Sequence[Prepared]
    ) -> Iterator[tuple[Batch, dict[str, tuple[Tensor, Tensor, Tensor]]]]:
        """Return all activations above zero, batch by batch: SAE -> (token of the batch, feature, value)."""
        return self._encoded(prepared, dict.fromkeys(self.saes))

    def token_entries(self, prepared: Prepared, sae: str | None = None) -> TokenEntries:
        """Return all activations above zero of one document's counted tokens, by token then feature."""
        name = self.spec.sae(sae).name
        parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        for batch, saes in self._encoded([prepared], {name: None}):
            token, feature, value = (t.cpu().numpy() for t in saes[name])
            parts.append((batch.ordinals[token], feature, value))
        ordinal, feature, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((feature, ordinal))
        return TokenEntries(
            ordinal[order].astype(np.int32), feature[order].astype(np.int32), value[order].astype(np.float32)
        )

    def _encoded(
        self, prepared: Sequence[Prepared], cuts: Mapping[str, Tensor | None]
    ) -> Iterator[tuple[Batch, dict[str, Entries]]]:
        def encode(hidden: dict[str, Tensor]) -> dict[str, Entries]:
            return {
                n: self.saes[n].encoder.entries(hidden[self.saes[n].encoder.hook], c) for n, c in cuts.items()
            }

        return hidden_states(self.model, self._batcher, prepared, encode)


def hidden_states(
    model: LanguageModel,
    batcher: Batcher,
    prepared: Sequence[Prepared],
    work: Callable[[dict[str, Tensor]], T],
) -> Iterator[tuple[Batch, T]]:
    """Run the language model over all windows and yield ``work`` of the counted tokens' states.

    ``work`` gets hook -> float32 [n_counted, width]. When the model or ``work`` runs out of GPU memory, the
    batch is halved and later ones are smaller.
    """
    pending = batcher.groups(prepared)
    while pending:
        group = pending.pop()
        batch = batcher.build(group)
        try:
            done = work(_counted_states(model, batch))
        except torch.OutOfMemoryError:
            smaller = batcher.split(group)
        else:
            yield batch, done
            continue
        # outside the handler: until it ends, the traceback keeps the tensors alive
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
        if smaller is None:
            raise ReaderError(
                "out of GPU memory with a single window: choose a smaller model or --device cpu"
            )
        pending.extend(smaller)


def _counted_states(model: LanguageModel, batch: Batch) -> dict[str, Tensor]:
    ids, mask, at = (torch.from_numpy(x).to(model.device) for x in (batch.ids, batch.mask, batch.positions))
    states = model.hidden(ids, mask)
    return {h: s.reshape(-1, s.shape[-1]).index_select(0, at).float() for h, s in states.items()}


def _tokens(model: LanguageModel, encoders: Sequence[SparseEncoder]) -> Tokens:
    """Build the counting rules that the SAEs' metadata asks for; they must not contradict each other."""
    bos = {e.metadata.prepend_bos is not False for e in encoders}
    slices = {tuple(e.metadata.seqpos_slice or (None,)) for e in encoders}
    if len(bos) > 1 or len(slices) > 1:
        raise ReaderError(
            "these SAEs were trained with different BOS or position rules: encode them one at a time"
        )
    sizes = [e.metadata.context_size for e in encoders if e.metadata.context_size]
    slice_ = slices.pop()
    # true, false and absent mean the same here: special tokens never count
    excluded = {
        x if isinstance(x, tuple) else () for x in (e.metadata.exclude_special_tokens for e in encoders)
    }
    if len(excluded) > 1:
        raise ReaderError("these SAEs were trained with different excluded tokens: encode them one at a time")
    return Tokens(
        model.tokenizer,
        max_positions=model.max_positions,
        context_size=min(sizes) if sizes else None,
        prepend_bos=bos.pop(),
        bidirectional=model.bidirectional,
        seqpos_slice=None if slice_ == (None,) else slice_,
        uncounted_ids=excluded.pop(),
    )


def _place(model: str | Path | None) -> str:
    """Return where a model can be found again from another working directory."""
    if model is None:
        return ""
    return str(Path(model).resolve()) if Path(model).is_dir() else str(model)


def _sae_name(hook: str, taken: set[str]) -> str:
    """Return the hook as a name that is safe as a directory name and not taken.

    Not the SAE's own name: a directory may be renamed, and its corpora stay comparable.
    """
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", hook).strip("-._")[:80] or "tap"
    candidate, i = slug, 2
    while candidate in taken:
        candidate, i = f"{slug}-{i}", i + 1
    return candidate
