"""What a second reader sees of an edit: a diff of the steered and the unedited texts.

The SAE that was edited is never asked: it would only say that it was edited. Another reader takes the texts
as they are, beside words, format and themes. What a random direction of the same length changes as well is
the mark of any edit, not of this one. Not for: the share of words that is asked for
(:mod:`saetext.intervene.effects`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.analysis.differences import diff
from saetext.encoding.encoder import encode
from saetext.errors import InputError
from saetext.features.subject import open_subject
from saetext.intervene.summary import LEAST_PROMPTS

if TYPE_CHECKING:
    import polars as pl

    from saetext.analysis.differences import DiffResult
    from saetext.intervene.generator import Generator
    from saetext.io.progress import OnProgress

DEFAULT = "embedded"
MOST = 20  # findings that are kept
_KEPT = ("name", "kind", "rate_a", "rate_b", "diff", "q", "confirmed", "snippet_a", "snippet_b")
_NAMES = {
    "rate_a": "rate",
    "rate_b": "rate_unedited",
    "snippet_a": "snippet",
    "snippet_b": "snippet_unedited",
}


def reader_of(asked: str, prompts: int, generator: Generator) -> str | None:
    """Return the reader that texts are read by, None for none.

    Parameters
    ----------
    asked : str
        A reader's name, ``auto`` (the embedded one where there are at least 8 prompts) or ``none``.
    prompts : int
    generator : Generator
        Whose SAE is edited.

    Raises
    ------
    InputError
        If it is the SAE that is edited, or there are too few prompts for what was asked.
    ReaderError
        If there is no such reader.
    """
    if asked == "none" or (asked == "auto" and prompts < LEAST_PROMPTS):
        return None
    if prompts < LEAST_PROMPTS:
        raise InputError(
            f"a second reader needs {LEAST_PROMPTS} prompts, here there are {prompts}: leave --gauge out"
        )
    name = DEFAULT if asked == "auto" else asked
    subject = open_subject(name)
    if subject.corpus is not None:
        raise InputError(f"{name} is a corpus: name a reader with --gauge")
    edited = None if generator.sae is None else generator.sae.encoder.weights_sha256
    if subject.load_encoder().weights_sha256 == edited:
        raise InputError(
            f"{name} is the SAE that is edited, and no judge of its own edit: name another reader, --gauge"
        )
    return name


def seen(
    texts: pl.DataFrame,
    arm: str,
    base: str,
    random: str | None,
    reader: str,
    on_progress: OnProgress | None = None,
) -> pl.DataFrame:
    """Return what a reader finds to differ between the texts of an arm and the unedited ones.

    Samples of one prompt stay together, and are compared within the prompt
    (:func:`saetext.diff` with ``group``).

    Parameters
    ----------
    texts : polars.DataFrame
        As :attr:`SteerResult.texts`.
    arm, base : str
        The arms that are compared.
    random : str, optional
        The arm of a random direction: its difference stands beside each finding.
    reader : str
        From :func:`reader_of`.

    Returns
    -------
    polars.DataFrame
        Columns of :func:`seen_schema`, those confirmed on the other half of the prompts first.
    """
    import polars as pl

    arms = [name for name in (arm, base, random) if name is not None]
    rows = texts.filter(pl.col("arm").is_in(arms) & (pl.col("text").str.strip_chars() != "")).select(
        pl.format("{}-{}-{}", "prompt", "sample", "arm").alias("id"),
        "text", "arm", pl.format("prompt {}", "prompt").alias("asked"),
    )  # fmt: skip
    if len(set(rows["arm"]) & {arm, base}) < 2:
        return pl.DataFrame(schema=seen_schema())
    corpus = encode(rows, None, reader=reader, id="id", text="text", on_progress=on_progress)

    def compared(one: str) -> DiffResult:
        return diff(corpus, by="arm", values=[one, base], group="asked", top=MOST, on_progress=on_progress)

    found = compared(arm).found
    if found is None:
        return pl.DataFrame(schema=seen_schema())
    kept = [pl.col(name).alias(_NAMES.get(name, name)) for name in (*_KEPT, "term", "feature")]
    shown = found.filter(pl.col("q") < 0.05).select(kept).head(MOST)
    other = compared(random).found if random is not None and random in rows["arm"] and shown.height else None
    if other is None:
        return shown.with_columns(diff_random=pl.lit(None, pl.Float64)).select(list(seen_schema()))
    beside = other.select("kind", "term", "feature", diff_random="diff")
    joined = shown.join(
        beside, on=["kind", "term", "feature"], how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.select(list(seen_schema()))


def seen_schema() -> dict[str, Any]:
    """Return the columns of :func:`seen`."""
    import polars as pl

    return {
        "name": pl.String,
        "kind": pl.String,
        "rate": pl.Float64,
        "rate_unedited": pl.Float64,
        "diff": pl.Float64,
        "q": pl.Float64,
        "confirmed": pl.Boolean,
        "diff_random": pl.Float64,
        "snippet": pl.String,
        "snippet_unedited": pl.String,
    }
