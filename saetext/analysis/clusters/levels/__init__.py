"""Coarse and fine: the tree of clusters cut at several heights, and the names of the parts.

Not for: names of the clusters themselves (:mod:`saetext.analysis.clusters.names`).
"""
