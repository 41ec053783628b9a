"""Files, caches, progress, declared options and the client of language models: what everything stands on."""
