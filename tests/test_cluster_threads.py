"""The same clusters with one thread and with two: in fresh processes, since what is loaded when matters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
LIMITED = """
from saetext.io.threads import one_thread
with one_thread():
    import scipy.linalg, sklearn.utils.extmath
    from threadpoolctl import threadpool_info
    print([pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"])
"""
FITTED = """
import hashlib, numpy as np
from cluster_factory import planted
from saetext.analysis.clusters.fitting import fit
from saetext.analysis.clusters.request import ClusterRequest
fitted, grouping, _, _ = fit(planted(500), "main", ClusterRequest(semantic=False), None, lambda *_: None)
for part in (fitted.vectors, fitted.points, fitted.places, fitted.cluster, grouping.outlier):
    print(part.shape, hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest())
"""
VIEWED = """
import hashlib, numpy as np
from cluster_factory import distinct
from saetext.analysis.clusters.request import ClusterRequest
from saetext.analysis.clusters.views import looking as views
from saetext.analysis.clusters.views.fitting import fit_view
from saetext.analysis.clusters.views.looking import look
from threadpoolctl import threadpool_info
fit_basis, used = views.fit_basis, set()
def counted(*given, **more):
    used.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    return fit_basis(*given, **more)
views.fit_basis = counted
asked, corpus = ClusterRequest(semantic=False, epochs=20, view="features"), distinct(500)
[view] = look(corpus, "main", asked, np.arange(500), lambda *_: None, "features").every
fitted, grouping, _ = fit_view(corpus, "main", asked, "features", view.found.k, lambda *_: None)
print(view.found, used)
for part in (view.groups, fitted.vectors, fitted.places, fitted.cluster, grouping.outlier):
    print(part.shape, hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest())
"""
#: numba's threads are started by the first of UMAP's functions that is run
KEPT = """
import torch
from cluster_factory import planted
from saetext.analysis.clusters.fitting import fit
from saetext.analysis.clusters.request import ClusterRequest
before = torch.get_num_threads()
fit(planted(200), "main", ClusterRequest(semantic=False, epochs=5), None, lambda *_: None)
import numba
print(before, torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS, numba.threading_layer())
"""


def told(program: str, threads: int, numbas: int | None = None) -> str:
    """Return what a program prints with so many threads, or another number of numba's."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    env |= {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")}
    env["NUMBA_NUM_THREADS"] = str(numbas or threads)
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_library_that_is_loaded_within_the_limit_keeps_to_it() -> None:
    """The OpenBLAS of scipy was loaded within it and used all threads: 35 clusters became 34."""
    found = told(LIMITED, 2)
    assert found.strip("[] \n") and set(found.strip("[] \n").split(", ")) == {"1"}


def test_clusters_do_not_depend_on_the_number_of_threads() -> None:
    one = told(FITTED, 1)
    assert one.count("\n") == 5 and one == told(FITTED, 2)


def test_views_do_not_depend_on_the_number_of_threads() -> None:
    one = told(VIEWED, 1)
    assert one.count("\n") == 6 and one == told(VIEWED, 2)


def test_torch_keeps_its_threads_where_numba_starts_more() -> None:
    before, after, numbas, layer = told(KEPT, 1, numbas=2).split()
    assert (before, after, numbas) == ("1", "1", "2") and layer  # which says that numba's are there
