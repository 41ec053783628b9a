"""Words, passages and quoting: what can be said about a text without a model."""
