"""What a second reader sees of an edit: a diff of the edited and the unedited texts.

The SAE that was edited is never asked: it would only say that it was edited. Another reader takes the texts
as they are, beside words, format and themes. What a random direction of the same length changes as well is
the mark of any edit, not of this one. Not for: the share of words that is asked for
(:mod:`saetext.intervene.effects`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.analysis.differences import diff
from saetext.encoding.encoder import encode
from saetext.errors import InputError
from saetext.features.subject import open_subject
from saetext.intervene.summary import LEAST_PROMPTS

if TYPE_CHECKING:
    import polars as pl

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


def reader_of(asked: str, n: int, generator: Generator, unit: str = "prompt") -> str | None:
    """Return the reader that texts are read by, None for none.

    Parameters
    ----------
    asked : str
        A reader's name, ``auto`` (the embedded one where there are at least 8 units) or ``none``.
    n : int
        Number of units.
    generator : Generator
        Whose SAE is edited.
    unit : str
        What a unit of the statistics is called.

    Raises
    ------
    InputError
        If it is the SAE that is edited, or there are too few units for what was asked.
    ReaderError
        If there is no such reader.
    """
    if asked == "none" or (asked == "auto" and n < LEAST_PROMPTS):
        return None
    if n < LEAST_PROMPTS:
        raise InputError(
            f"a second reader needs {LEAST_PROMPTS} {unit}s, here there are {n}: leave --gauge out"
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
    arms: Mapping[str, str | None],
    base: str,
    reader: str,
    on_progress: OnProgress | None = None,
    *,
    unit: str = "prompt",
) -> pl.DataFrame:
    """Return what a reader finds to differ between the texts of some arms and the unedited ones.

    Texts of one unit stay together, and are compared within it (:func:`saetext.diff` with ``group``).

    Parameters
    ----------
    texts : polars.DataFrame
        As :attr:`SteerResult.texts`.
    arms : mapping of str to str or None
        The arms that are compared, each with that of a random direction: its difference stands beside each
        finding.
    base : str
        The arm that they are compared with.
    reader : str
        From :func:`reader_of`.
    unit : str
        Column with what texts belong together by.

    Returns
    -------
    polars.DataFrame
        Columns of :func:`seen_schema`, by arm, those confirmed on the other half of the units first. q is
        corrected over the findings of one arm.
    """
    import polars as pl

    names = [base, *arms, *(random for random in arms.values() if random is not None)]
    rows = texts.filter(pl.col("arm").is_in(names) & (pl.col("text").str.strip_chars() != "")).select(
        pl.format("{}-{}-{}", "prompt", "sample", "arm").alias("id"),
        "text", "arm", pl.format(f"{unit} {{}}", unit).alias("asked"),
    )  # fmt: skip
    there = set(rows["arm"])
    compared = [arm for arm in arms if {arm, base} <= there]
    if not compared:
        return pl.DataFrame(schema=seen_schema())
    corpus = encode(rows, None, reader=reader, id="id", text="text", on_progress=on_progress)

    def difference(one: str) -> pl.DataFrame | None:
        options: dict[str, Any] = {"by": "arm", "group": "asked", "top": MOST, "on_progress": on_progress}
        return diff(corpus, values=[one, base], **options).found

    tables = []
    for arm in compared:
        random = arms[arm] if arms[arm] in there else None
        tables.append(_beside_random(arm, difference(arm), None if random is None else difference, random))
    return pl.concat(tables)


def _beside_random(
    arm: str,
    found: pl.DataFrame | None,
    difference: Callable[[str], pl.DataFrame | None] | None,
    random: str | None,
) -> pl.DataFrame:
    """Return the findings of one arm, with the difference that a random direction makes."""
    import polars as pl

    if found is None:
        return pl.DataFrame(schema=seen_schema())
    kept = [pl.col(name).alias(_NAMES.get(name, name)) for name in (*_KEPT, "term", "feature")]
    shown = found.filter(pl.col("q") < 0.05).select(pl.lit(arm).alias("arm"), *kept).head(MOST)
    other = difference(random) if difference is not None and random is not None and shown.height else None
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
        "arm": pl.String,
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
