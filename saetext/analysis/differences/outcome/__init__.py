"""What goes with an outcome such as a score or a pass: ``saetext diff FILE --outcome COLUMN``.

Every description of a diff is tested, at equal length and within prompts. Not for: differences between sets
(:mod:`saetext.analysis.differences`).
"""
