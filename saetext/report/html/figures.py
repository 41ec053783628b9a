"""Numbers of a result's row as a page shows them: rounded, with a true minus, a dash where nothing is known.

Not for: the terminal (:mod:`saetext.report.console.lines`), or numbers to calculate with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Real

from saetext.text.passages import printable

MISSING = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Row = Mapping[str, object]


def finite(value: object) -> float | None:
    """Return a number that can be drawn; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return None
    return float(value)


def number_of(row: Row, name: str, otherwise: float | None = None) -> float | None:
    """Return a finite number of a row."""
    value = finite(row.get(name))
    return otherwise if value is None else value


def text_of(row: Row, name: str) -> str:
    """Return a printable text of a row; empty where it is not known."""
    value = row.get(name)
    return "" if value is None or value != value else printable(str(value)).strip()


def flag_of(row: Row, name: str) -> bool | None:
    """Return a truth value of a row; None where it is not known."""
    value = row.get(name)
    return None if value is None or value != value else bool(value)


def signed(points: float, digits: int) -> str:
    """Return a number with its sign, unless it rounds to nothing."""
    if not round(abs(points), digits):
        return f"{0:.{digits}f}"
    return f"{points:+.{digits}f}".replace("-", "−")


def digits_of(points: float) -> int:
    """Return with how many decimals percentage points are told."""
    return 1 if abs(points) >= 0.95 or not points else 2


def difference(row: Row, name: str) -> str:
    """Return a difference of shares in percentage points."""
    value = number_of(row, name)
    return MISSING if value is None else signed(100 * value, digits_of(100 * value))


def interval(row: Row, name: str, low: str, high: str) -> str:
    """Return an interval in percentage points, with as many decimals as the difference it is around."""
    ends = number_of(row, low), number_of(row, high)
    if ends[0] is None or ends[1] is None:
        return ""
    digits = digits_of(100 * (number_of(row, name, ends[0]) or 0.0))
    return f"{signed(100 * ends[0], digits)} to {signed(100 * ends[1], digits)}"


def percent(rate: float | None) -> str:
    """Return a share such as ``41.2 %``."""
    if rate is None:
        return MISSING
    return f"{100 * rate:.{digits_of(100 * rate)}f} %".replace("-", "−")


def decimal(row: Row, name: str) -> str:
    """Return a share such as ``.87``; a dash where it is not known."""
    value = number_of(row, name)
    return MISSING if value is None else _shorter(f"{round(value, 2) + 0.0:.2f}")


def with_interval(value: str, low: str, high: str) -> str:
    """Return ``value (low to high)``, without the interval where an end is not known."""
    return value if MISSING in (low, high) else f"{value} ({low} to {high})"


def odds(value: object) -> str:
    """Return an odds ratio."""
    if isinstance(value, Real) and float(value) == math.inf:
        return "∞"
    ratio = finite(value)
    if ratio is None:
        return MISSING
    if ratio >= 1000:
        return f"{ratio:,.0f}" if ratio < 1e6 else "> 10⁶"
    return f"{ratio:.3g}" if ratio >= 0.001 or ratio <= 0 else "< 0.001"


def probability(value: float | None) -> str:
    """Return a probability as ``.012``, below ``.001`` as ``3×10⁻⁹``."""
    if value is None:
        return MISSING
    if value >= 0.9995:
        return "1"
    if value >= 0.0009995:
        return f"{value:.3f}"[1:]
    if value < 1e-99:
        return "< 10⁻⁹⁹"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def times(value: object) -> str:
    """Return a factor such as ``3.2`` or ``0.31``; empty where it is not known."""
    factor = finite(value)
    if factor is None or factor < 0:
        return ""
    if factor >= 9.95:
        return f"{factor:,.0f}" if factor < 1e6 else "over a million"
    return f"{factor:.2g}" if factor >= 0.001 or not factor else "under 0.001"


def count(value: object) -> str:
    """Return a number of texts such as ``1,234``; empty where it is not known."""
    number = finite(value)
    return "" if number is None else f"{number:,.0f}"


def _shorter(value: str) -> str:
    return re.sub(r"(?<!\d)0\.", ".", value).replace("-", "−")
