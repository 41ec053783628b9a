"""The errors saetext raises on purpose, each with a message of one line that says what to do; its warnings.

Not for: programming mistakes (those stay ``TypeError``/``ValueError``). The command line prints the
message of a :class:`SaetextError` and exits with 1; anything else is a bug and shows its traceback.
"""

from __future__ import annotations


class SaetextError(Exception):
    """Base of every error that the data or the request is to blame for.

    Examples
    --------
    >>> import saetext
    >>> try:
    ...     saetext.Corpus.open("nowhere.corpus")
    ... except saetext.SaetextError as error:
    ...     print(type(error).__name__)
    CorpusError
    """


class SaetextWarning(UserWarning):
    """The result stands, but something about the texts, the reader or the thresholds weakens it."""


class InputError(SaetextError):
    """An input file, column or option cannot be used."""


class ReaderError(SaetextError):
    """A language model or an SAE cannot be loaded, or the two do not fit."""


class CorpusError(SaetextError):
    """A corpus on disk is missing, unfinished, of another version, or damaged."""


class ShardCorruptError(CorpusError):
    """A file of a corpus does not have the bytes its manifest promises; the message names it."""


class IncompatibleError(SaetextError):
    """Two corpora cannot be compared; the message names the differing fields."""


class LabelError(SaetextError):
    """A table of labels cannot be read, written or made."""


class EndpointError(SaetextError):
    """A language model's endpoint cannot be used: it is down, refuses the key, or knows no such model."""


def refuse_unused(because: str, **given: object) -> None:
    """Raise :class:`InputError` if an argument was given that would change nothing.

    Parameters
    ----------
    because : str
        Why it would not, and what to do.
    **given : object
        Arguments by name; those that are None or False were not given.
    """
    names = [name for name, value in given.items() if value is not None and value is not False]
    if names:
        listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        raise InputError(f"{listed} would change nothing: {because}")
