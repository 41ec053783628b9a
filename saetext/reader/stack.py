"""Imported before torch: says in one line that torch or transformers is missing.

Also has OpenMP's threads sleep while they wait for each other, unless ``OMP_WAIT_POLICY`` says what they do:
otherwise they spin, which burns the time of whoever else needs the cores (docs/log.md has what it cost).

Every module that imports one of them at its top imports this one first (the linter sorts it there). Not for:
modules that need neither, such as :mod:`saetext.reader.published`.
"""

from __future__ import annotations

import os
import sys

from saetext.io.extras import require_reader

if "torch" not in sys.modules:  # it looks at this once
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
require_reader()
