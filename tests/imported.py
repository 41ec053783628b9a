"""Import whatever commands import, so that forks of this process do without the seconds of it.

A helper for tests, not a test. Besides all of saetext that is what its functions import late, and what
libraries do.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil

#: What the verbs import while they run, where it takes long.
LATE = (
    "encodings.utf_8_sig", "faiss", "hdbscan", "matplotlib.figure", "networkx", "pandas", "polars",
    "pyarrow.dataset", "pydantic.fields", "pydantic.type_adapter", "rich.cells",
    "sklearn.feature_extraction", "sklearn.linear_model", "sklearn.pipeline", "tokenizers",
    "transformers.models.bert.modeling_bert", "transformers.models.bert.tokenization_bert", "typer._adapters",
    "umap",
)  # fmt: skip


def everything() -> None:
    """Import all modules of saetext and of its command line, and what is in ``LATE``."""
    gc.disable()  # a fifth of the time went into looking for garbage among what stays
    _import_all()
    gc.enable()
    gc.freeze()  # nor do forks look there, which would copy its pages


def _import_all() -> None:
    import saetext_cli
    from numba.core.registry import cpu_target

    import saetext

    for package in (saetext, saetext_cli):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)
    cpu_target.typing_context.refresh()  # what the first call of a kernel does
    cpu_target.target_context.refresh()
