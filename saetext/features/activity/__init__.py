"""How each feature behaves token by token, over a model's vocabulary or over the tokens of texts.

Not for: how often it is present in documents, which a corpus stores (:mod:`saetext.features.table`).
"""

from saetext.features.activity.table import SCHEMA, SORTED_BY, TOP_TOKENS, TokenTable, token_table

__all__ = ["SCHEMA", "SORTED_BY", "TOP_TOKENS", "TokenTable", "token_table"]
