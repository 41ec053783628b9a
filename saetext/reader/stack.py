"""Imported before torch: says in one line that torch or transformers is missing.

Every module that imports one of them at its top imports this one first (the linter sorts it there). Not for:
modules that need neither, such as :mod:`saetext.reader.published`.
"""

from __future__ import annotations

from saetext.io.extras import require_reader

require_reader()
