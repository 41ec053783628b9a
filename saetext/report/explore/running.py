"""The lock under which models run: their buffers are shared, so two threads may not use one at a time.

Not for: what is changed by users (:class:`saetext.report.explore.loaded.Loaded` has a lock for that).
"""

from __future__ import annotations

import threading

#: Held while a reader or a sentence model runs.
RUNNING = threading.RLock()
