"""Where everything is to be there, a skipped test has failed: the rule, and the hooks that apply it.

A helper for tests, not a test. ``SAETEXT_REQUIRE_ALL=1`` says that the browser, the embedded model and every
optional package are installed, as in CI. Three kinds of skip stay: of data that are not part of the
repository, of what the platform or this Python cannot do, and of Ray, which is for who has a cluster.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

EXCUSED = ("../shared", "platform: ", "Python version: ", "Ray: ")


def is_excused(reason: str) -> bool:
    """Whether a test may be skipped for this reason though everything is installed."""
    return any(part in reason for part in EXCUSED)


def judge(report: Report) -> Report:
    """Make a failure of a skip for want of something that can be installed."""
    if not os.environ.get("SAETEXT_REQUIRE_ALL") or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not is_excused(reason):
        report.outcome = "failed"
        report.longrepr = f"{reason}\nSAETEXT_REQUIRE_ALL is set, so nothing may be missing."
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a test."""
    return judge((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge a file that is skipped as a whole."""
    return judge((yield))
