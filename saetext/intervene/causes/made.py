"""A and B written here: the model answers the same prompts under both conditions, and that is compared.

Not for: a diff that was made before (:mod:`saetext.intervene.causes.compared`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.analysis.differences import diff
from saetext.encoding.encoder import encode
from saetext.errors import InputError
from saetext.features.subject import open_subject
from saetext.intervene.causes.asked import shown
from saetext.intervene.causes.compared import Compared, compared_of
from saetext.intervene.causes.sides import Pen, Side

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.intervene.causes.request import WhyRequest
    from saetext.intervene.generator import Generator
    from saetext.reader.prompts import Messages


def compared_texts(
    generator: Generator,
    prompts: Sequence[str | Messages],
    sides: tuple[Side, Side],
    request: WhyRequest,
) -> tuple[Corpus, Compared]:
    """Write the texts of both sides, read and compare them.

    Returns
    -------
    Corpus
        Of all texts, with a column ``side``.
    Compared

    Raises
    ------
    InputError
        If the reader is the SAE that is edited, a side is empty, or nothing is confirmed.
    """
    _require_other(request.reader, generator)
    pen = Pen(generator, prompts, request, request.seed)
    rows: list[dict[str, Any]] = []
    for side in sides:
        for text in pen.write(side):
            if text.text.strip():
                rows.append(
                    {
                        "id": f"{side.key}-{text.prompt}-{text.sample}", "text": text.text,
                        "prompt": shown(prompts[text.prompt]), "asked": f"prompt {text.prompt}",
                        "side": side.name,
                    }
                )  # fmt: skip
    if len({row["side"] for row in rows}) < len(sides):
        raise InputError("the model writes nothing on one side: there is nothing to compare")
    corpus = encode(
        rows, None, reader=request.reader, id="id", text="text", prompt="prompt",
        on_progress=request.on_progress,
    )  # fmt: skip
    found = diff(
        corpus, by="side", values=[side.name for side in sides], group="asked", seed=request.seed, top=0,
        on_progress=request.on_progress,
    )  # fmt: skip
    return corpus, compared_of(found)


def _require_other(reader: str, generator: Generator) -> None:
    subject = open_subject(reader)
    if subject.corpus is not None:
        raise InputError(f"{reader} is a corpus: name a reader with --reader")
    assert generator.sae is not None
    if subject.load_encoder().weights_sha256 == generator.sae.encoder.weights_sha256:
        raise InputError(
            f"{reader} is the SAE that is edited, and no judge of its own edit: name another reader, --reader"
        )
