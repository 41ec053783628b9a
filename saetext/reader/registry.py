"""What can be used as a reader: the embedded one and every SAE in sae-lens's directory, found offline.

Not for: loading (:class:`saetext.reader.reader.Reader`), or SAEs on the hub that sae-lens does not list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from saetext.reader import shipped
from saetext.reader.published import pretrained_directory

_HOOK = re.compile(r"blocks\.\d+\.(?:\w+\.)*?hook_(?:resid_pre|resid_mid|resid_post|attn_out|mlp_out|z)")
# architectures that saetext.reader.hooks refuses: mixtures of experts, and Qwen 3.5
_REFUSED_MODELS = re.compile(r"gpt-oss|qwen3\.5|qwen3-\d+b-a\d+b", re.IGNORECASE)
_LAYER = re.compile(r"(?:layer_?|^l)(\d+)")
_WIDTH = re.compile(r"(?:width_|-w|[-_])(\d+[km])(?![a-z\d])|width-2pow(\d+)|_(\d{4,6})$")


@dataclass(frozen=True)
class Entry:
    """One SAE that can be named as a reader; None where the directory does not say.

    ``hook`` is ``layer N`` where only the layer can be told; ``width`` is the number of features, ``16k``.
    """

    reader: str
    release: str
    model: str
    hook: str | None
    width: str | None


def entries(words: Sequence[str] = ()) -> Iterator[Entry]:
    """Yield what can be used as a reader and has all ``words`` in its name or its model's, in any case.

    Raises
    ------
    ReaderError
        If the list of an installed sae-lens cannot be read.
    """
    wanted = [word.casefold() for word in words]

    def fits(entry: Entry) -> bool:
        text = f"{entry.reader} {entry.model}".casefold()
        return all(word in text for word in wanted)

    yield from filter(fits, map(_shipped, shipped.READERS))
    for release, about in pretrained_directory().items():
        if about.get("conversion_func") == "temporal":
            continue  # attends over the context: refused, see sae_config.REFUSED
        if _REFUSED_MODELS.search(str(about["model"])):
            continue
        for sae in about["saes"]:
            id = str(sae["id"])
            entry = Entry(
                reader=f"{release}/{id}",
                release=release,
                model=str(about["model"]),
                hook=_hook(id),
                width=_width(id, str(sae.get("neuronpedia") or ""), release),
            )
            if fits(entry):
                yield entry


def _shipped(reader: shipped.Shipped) -> Entry:
    sae = reader.sae_spec
    return Entry(reader.name, reader.name, reader.model, sae.hook, f"{sae.d_sae:,}")


def _hook(id: str) -> str | None:
    if found := _HOOK.search(id):
        return found.group()
    found = _LAYER.search(id)
    return f"layer {found.group(1)}" if found else None


def _width(*names: str) -> str | None:
    for name in names:
        if found := _WIDTH.search(name):
            rounded, power, exact = found.groups()
            return rounded or (f"{2 ** int(power):,}" if power else f"{int(exact):,}")
    return None
