"""A pile seen from several sides: which views there are, how many groups each has, and clusters by one.

Not for: clusters by density (:mod:`saetext.analysis.clusters.fitting`).
"""
