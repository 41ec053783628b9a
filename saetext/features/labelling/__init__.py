"""Making labels for features and scoring them: from words, a language model, published tables, or files.

Not for: the table itself (:mod:`saetext.features.labels`) or which one is shown
(:mod:`saetext.features.known_labels`).
"""
