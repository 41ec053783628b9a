"""What changed: the shares of clusters in several sets, or over dates and numbers.

Not for: how two sets differ in features (:mod:`saetext.analysis.differences`).
"""
