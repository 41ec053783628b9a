"""The reader: tokens, language model, SAE. Torch lives here. Not for: files, the corpus, analyses."""
