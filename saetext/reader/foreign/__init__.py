"""SAEs as other libraries save them: EleutherAI's sparsify, and dictionary_learning.

:mod:`saetext.reader.foreign.kinds` tells whose a directory is, :mod:`saetext.reader.foreign.loading` loads
any. Not for: sae-lens's directories themselves (:mod:`saetext.reader.weights`).
"""
