"""warn: issue a SaetextWarning at the user's line, whichever of our modules has something to say.

Not for: what there is to say (:mod:`saetext.corpus.notices`), or printing it, which the command line does.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from saetext.errors import SaetextWarning


def warn(message: str) -> None:
    """Issue a :class:`SaetextWarning` at the line outside this package that called into it."""
    root = sys.modules[__name__.partition(".")[0]].__file__ or ""
    package = str(Path(root).parent) + os.sep
    if sys.version_info >= (3, 12):
        warnings.warn(message, SaetextWarning, skip_file_prefixes=(package,))
    else:
        warnings.warn(message, SaetextWarning, stacklevel=_levels_within(package))


def _levels_within(package: str) -> int:
    """Return the stacklevel, for the function that calls this, of the first frame outside a folder."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    return level
