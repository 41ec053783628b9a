"""Language models made from GGUF files, and known by a name: added once, kept in the cache.

A GGUF file is read into a directory as Hugging Face has it, which every reader and trainer then loads by the
model's name. Not for: models that are such directories already, or on the hub.
"""
