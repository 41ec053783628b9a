"""ReaderSpec: everything that makes a reader's numbers what they are, and its fingerprint.

*Identity* fields decide what is read and what counts: two corpora are comparable only when these agree.
*Numerics* (dtype, device, library versions) may differ between comparable corpora and are recorded next to
them. Not for: loading anything; this module is plain data and knows neither torch nor Arrow.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saetext.corpus import shapes
from saetext.errors import IncompatibleError
from saetext.io.json_file import plain
from saetext.io.shape import check

#: Fields that corpora store under another name, which is also what fingerprints are computed of.
_STORED = {
    "saes": "taps",
    "origin": "sae",
    "calibration_sha256": "card_sha256",
    "threshold_percentile": "floor_percentile",
}
_FIELD = {stored: field for field, stored in _STORED.items()}


@dataclass(frozen=True)
class SaeSpec:
    """One hook of the language model with the SAE that reads it.

    Attributes
    ----------
    name : str
        Short name, safe as a directory name, unique within its reader.
    origin : str
        What the user calls the SAE: ``embedded``, ``RELEASE/SAE_ID`` or the directory's name. Not identity:
        the weights' hash is.
    architecture : str
        sae-lens's name: ``standard``, ``jumprelu``, ``topk``, ...
    hook : str
        Hook name as in transformer-lens, ``blocks.4.hook_resid_pre``.
    d_in, d_sae : int
        Width of the hook and number of features.
    weights_sha256 : str
        SHA-256 of the SAE's weights.
    preprocessing : str
        What happens to activations before the SAE: ``none``, ``centre`` or a normalisation's name.
    calibration_sha256 : str
        Hash of the thresholds and ``min_tokens``: what counts as present.
    threshold_percentile : float or None
        Percentile of non-zero token activations the thresholds are; None for ``--threshold 0``.
    min_tokens : int
        Tokens above the threshold that make a feature present.
    settings : str
        What besides the weights decides the activations (``k``, ``apply_b_dec_to_input``, ...), as JSON.
    norm_limit : float or None
        Norm of the hidden state above which a token is an attention sink and has no activations; None where
        there is no such rule. Identity only where there is one.
    """

    name: str
    origin: str
    architecture: str
    hook: str
    d_in: int
    d_sae: int
    weights_sha256: str
    preprocessing: str
    calibration_sha256: str
    threshold_percentile: float | None
    min_tokens: int
    settings: str = ""
    norm_limit: float | None = None


@dataclass(frozen=True)
class Numerics:
    """How the numbers were computed; may differ between comparable corpora."""

    model_dtype: str
    sae_dtype: str
    device: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReaderSpec:
    """A reader: the language model, what of the text counts, and its SAEs.

    Attributes
    ----------
    model : str
        Hugging Face id, or the name of the local directory.
    revision : str
        Commit of the hub repository, or ``sha256:...`` over a local directory's weights.
    window : int
        Tokens in one forward pass, special tokens included.
    overlap : int
        Body tokens shared by neighbouring windows of a long document.
    prefix_ids, suffix_ids : tuple of int
        Special tokens around every window (CLS ... SEP, or BOS).
    masks : str
        Version of the rules that say which tokens count.
    chat_template_sha256 : str
        Hash of the tokenizer's chat template, empty when there is none.
    tokens_sha256 : str
        Hash of the vocabulary and of the ids and positions that never count.
    pooling : str
        ``max``.
    source : mapping
        What ``Reader.load_spec`` needs to build the reader again (kind, release, paths). Not identity.
    """

    model: str
    revision: str
    window: int
    overlap: int
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    masks: str
    chat_template_sha256: str
    pooling: str
    saes: tuple[SaeSpec, ...]
    numerics: Numerics
    source: Mapping[str, Any] = field(default_factory=dict)
    tokens_sha256: str = ""

    def identity(self, sae: str | None = None) -> dict[str, Any]:
        """Return the identity fields as a flat dict; with ``sae``, only that SAE's besides the model's.

        The keys are those that corpora store. :func:`differing_fields` has the keys for messages.
        """
        flat: dict[str, Any] = {
            "model": self.model,
            "revision": self.revision,
            "window": self.window,
            "overlap": self.overlap,
            "prefix_ids": list(self.prefix_ids),
            "suffix_ids": list(self.suffix_ids),
            "masks": self.masks,
            "chat_template_sha256": self.chat_template_sha256,
            "tokens_sha256": self.tokens_sha256,
            "pooling": self.pooling,
        }
        if self.revision.startswith("sha256:"):
            flat.pop("model")  # a local directory may be renamed or moved; its weights decide
        for t in self.saes:
            if sae is None or t.name == sae:
                for key, value in _stored(dataclasses.asdict(t)).items():
                    if key not in ("name", "sae"):
                        flat[f"tap {t.name}: {key}"] = value
        return flat

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the identity fields."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()

    def sae(self, name: str | None = None) -> SaeSpec:
        """Return the SAE called ``name``, or the only one.

        Raises
        ------
        IncompatibleError
            If there is no such SAE, or several and none was named.
        """
        names = ", ".join(t.name for t in self.saes)
        if name is None:
            if len(self.saes) == 1:
                return self.saes[0]
            raise IncompatibleError(f"several SAEs, choose one with --sae: {names}")
        for t in self.saes:
            if t.name == name:
                return t
        raise IncompatibleError(f"no SAE named {name!r}; there are: {names}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        data = _stored(dataclasses.asdict(self))
        data["taps"] = [_stored(one) for one in data["taps"]]
        return dict(plain(data))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ReaderSpec:
        """Build a spec from :meth:`to_dict`'s output; unknown keys (a newer minor version) are ignored.

        Raises
        ------
        ValueError
            In one line that names the field, if it is not as :data:`shapes.READER_SPEC` says.
        """

        def known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
            names = {f.name for f in dataclasses.fields(kind)}
            named = {_FIELD.get(k, k): v for k, v in values.items()}
            return {k: v for k, v in named.items() if k in names}

        check(shapes.READER_SPEC, data, "spec")
        saes = [known(SaeSpec, sae) for sae in data["taps"]]
        for sae in saes:
            check(shapes.SAE_SPEC, sae, f"SAE {sae.get('name')}")
        values = known(cls, data)
        values["prefix_ids"] = tuple(values["prefix_ids"])
        values["suffix_ids"] = tuple(values["suffix_ids"])
        values["saes"] = tuple(SaeSpec(**sae) for sae in saes)
        values["numerics"] = Numerics(**known(Numerics, data["numerics"]))
        return cls(**values)


def _stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields under the names that corpora store, in the same order; a limit only if there is one."""
    there = {key: value for key, value in fields.items() if key != "norm_limit" or value is not None}
    return {_STORED.get(key, key): value for key, value in there.items()}


def _told(key: str) -> str:
    """Return the key of an identity field as messages have it: ``SAE main: calibration_sha256``."""
    if not key.startswith("tap "):
        return key
    name, _, stored = key.removeprefix("tap ").partition(": ")
    return f"SAE {name}: {_FIELD.get(stored, stored)}"


def differing_fields(a: ReaderSpec, b: ReaderSpec, sae: str | None = None) -> dict[str, tuple[Any, Any]]:
    """Return the identity fields in which two readers differ, with both values."""
    left, right = a.identity(sae), b.identity(sae)
    return {
        _told(key): (left.get(key), right.get(key))
        for key in {**left, **right}
        if left.get(key) != right.get(key)
    }


def require_comparable(
    a: ReaderSpec, b: ReaderSpec, sae: str | None = None, *, names: tuple[str, str]
) -> None:
    """Raise :class:`IncompatibleError` naming the differing fields unless ``a`` and ``b`` agree."""
    differing = differing_fields(a, b, sae)
    if not differing:
        return
    shown = "; ".join(
        f"{key} is {left!r} in {names[0]} and {right!r} in {names[1]}"
        for key, (left, right) in list(differing.items())[:3]
    )
    more = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
    raise IncompatibleError(
        f"these corpora were made by different readers: {shown}{more}; "
        f"encode one again with --reader-of {names[0]}"
    )
