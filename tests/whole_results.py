"""The analyses with every finding kept and features alone: what tests of values look at.

A helper for tests, not a test.
"""

from __future__ import annotations

from functools import partial

import saetext

diff = partial(saetext.diff, top=None, families="features")
correlate = partial(saetext.correlate, top=None)
