"""Settings for the whole suite: hypothesis draws the same examples on every run."""

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")
