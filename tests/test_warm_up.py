"""What is compiled before the workers begin was compiled."""

from __future__ import annotations

import os

from warm_up import FAILED, PARTS, run_all


def test_every_part_has_run() -> None:
    assert set(PARTS) == {"comparisons", "others"} and callable(run_all)
    assert os.environ.get(FAILED, "") == "", "it says why before the tests begin"
