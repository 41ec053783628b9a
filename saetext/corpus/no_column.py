"""The message for a column that is not there: what there is, and what was probably meant.

Not for: looking for it (:mod:`saetext.corpus.keys`, :mod:`saetext.corpus.where`).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from saetext.errors import InputError
from saetext.text.one_line import one_line, quoted

#: Columns that a corpus gets from clusters that were saved.
CLUSTER_COLUMNS = ("cluster", "cluster_name")
_SHOWN = 12  # columns that a message names


def no_column(name: str, columns: Sequence[str], of: str = "", more: str = "") -> InputError:
    """Return the error for a column that does not exist.

    Parameters
    ----------
    name : str
        What was asked for.
    columns : sequence of str
        What there is.
    of : str
        Where.
    more : str
        Something to add at the end.

    Examples
    --------
    >>> from saetext.corpus.no_column import no_column
    >>> print(no_column("modle", ["id", "model"], "a.corpus"))
    no column 'modle' in a.corpus; the columns are: id, model; did you mean model?
    """
    if name in CLUSTER_COLUMNS:
        more = f"{more}; of clusters that are saved: --clusters DIR (clusters= in Python)"
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f"; did you mean {one_line(near[0], 40)}?" if near else ""
    place = f" in {of}" if of else ""
    return InputError(f"no column {quoted(name)}{place}; {there_are(columns)}{hint}{more}")


def there_are(columns: Sequence[str]) -> str:
    """Return the columns there are, in words."""
    shown = [one_line(name, 20) or "''" for name in columns[:_SHOWN]]
    more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
    return f"the columns are: {', '.join(shown)}{more}"
