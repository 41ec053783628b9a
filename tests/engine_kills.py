"""A reader that kills its worker on a certain text, as a real one may by its memory; loaded in workers.

A helper for tests, not a test. Nothing of it is imported by the driver's process but its name.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

DEADLY = "deadly nightshade"
WRONG = "wrong in a worker"


def deadly(opened: Callable[[], Any]) -> Any:
    """Load a reader that ends its process with SIGKILL where it meets the words."""
    reader = opened()
    real = reader.tokens.prepare

    def prepare(documents: Any, role: str) -> Any:
        texts = [document.text or "" for document in documents]
        if any(DEADLY in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        if any(WRONG in text for text in texts):
            raise ZeroDivisionError(WRONG)
        return real(documents, role)

    reader.tokens.prepare = prepare
    return reader
