"""Pairs of what anyone can read: words, marks of format, properties and themes, tested as features are.

Not for: pairs of features (:mod:`saetext.analysis.cooccurrence.pairs`).
"""
