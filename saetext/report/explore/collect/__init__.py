"""The drawer of an explorer: findings, passages and sets that were put aside, and how they leave it.

Not for: pages (:mod:`saetext.report.explore.rooms.collect`).
"""
