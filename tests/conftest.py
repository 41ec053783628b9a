"""Settings for the whole suite: the same examples on every run, and one thread in each of several workers."""

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

if "PYTEST_XDIST_WORKER" in os.environ:
    # workers share the cores: threads that wait for each other cost more than the work. Before numpy or torch
    # is imported, and for the processes that tests start too
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")
