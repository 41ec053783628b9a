"""Packages that load their names when first used: the names are there, and only what was used is loaded."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PACKAGES = (
    "saetext.analysis.clusters",
    "saetext.analysis.cooccurrence",
    "saetext.analysis.differences",
    "saetext.analysis.search",
    "saetext.features",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_that_of_its_module(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) == set(module._HOMES)
    for name in module.__all__:
        home = importlib.import_module(f"{package}.{module._HOMES[name]}")
        assert getattr(module, name) is getattr(home, name) is vars(module)[name]
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_alone_loads_none_of_its_modules(package: str) -> None:
    program = f"import sys, {package}; print([n for n in sys.modules if n.startswith('{package}.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
