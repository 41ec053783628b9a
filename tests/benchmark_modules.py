"""Benchmarks as modules, for tests of their parts. A helper for tests, not a test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@contextmanager
def importing() -> Iterator[Callable[[str], ModuleType]]:
    """Yield what imports a benchmark by name; ``benchmarks`` is on the path only so long."""
    sys.path.insert(0, str(BENCHMARKS))
    ours = {path.stem for path in BENCHMARKS.glob("*.py")}
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name in ours & set(sys.modules):
            del sys.modules[name]
