"""The list of published SAEs: sae-lens's own, read without sae-lens; loading one names the extra."""

from __future__ import annotations

import importlib.metadata
import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hidden import hide

from saetext.errors import ReaderError
from saetext.reader import published
from saetext.reader.published import pretrained_directory, read_sae_lens
from saetext.reader.registry import entries


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    pretrained_directory.cache_clear()
    yield
    pretrained_directory.cache_clear()


def shipped() -> dict:
    return json.loads(lzma.decompress(published.PATH.read_bytes()))


def test_the_shipped_list_is_that_of_sae_lens() -> None:
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    theirs = get_pretrained_saes_directory()
    ours = shipped()["releases"]
    assert shipped()["version"] == importlib.metadata.version("sae-lens"), "run benchmarks/list_published.py"
    assert list(ours) == list(theirs) and len(ours) > 150
    for name, entry in theirs.items():
        release = ours[name]
        assert (release["model"], release["repo_id"]) == (entry.model, entry.repo_id)
        assert release.get("conversion_func") == entry.conversion_func
        assert {sae["id"]: sae["path"] for sae in release["saes"]} == entry.saes_map
        pages = {sae["id"]: sae["neuronpedia"] for sae in release["saes"] if "neuronpedia" in sae}
        assert pages == {id: page for id, page in entry.neuronpedia_id.items() if page is not None}


def test_the_licence_is_beside_it() -> None:
    notice = published.PATH.with_name("LICENSE").read_text("utf-8")
    assert f"SAELens {shipped()['version']}" in notice
    assert "MIT License" in notice and "Joseph Bloom" in notice
    assert published.PATH.stat().st_size < 60_000


def test_readers_are_listed_without_sae_lens(monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = list(entries())
    pretrained_directory.cache_clear()
    hide(monkeypatch, "sae_lens", "yaml")
    assert list(entries()) == with_it and len(with_it) > 10_000


def test_another_version_of_sae_lens_has_its_own_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "sae_lens"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    about = tmp_path / "sae_lens-99.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sae-lens\nVersion: 99.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [n for n in sys.modules if n.split(".")[0] == "sae_lens"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ReaderError, match="cannot read sae-lens's list"):
        pretrained_directory()
    listed = "new:\n  model: m\n  repo_id: o/r\n  l: 1\n  saes:\n  - {id: 7, path: p, l0: 3}\n"
    (package / "pretrained_saes.yaml").write_text(listed)
    want = {"new": {"model": "m", "repo_id": "o/r", "saes": [{"id": "7", "path": "p"}]}}
    assert pretrained_directory() == want == read_sae_lens()


def test_loading_one_without_sae_lens_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.reader.weights import load_sae_release

    hide(monkeypatch, "sae_lens")
    with pytest.raises(ReaderError, match=r"needs sae-lens.*pip install 'saetext\[saelens\]'$"):
        load_sae_release("gpt2-small-mlp-tm", "blocks.3.hook_mlp_out")
    with pytest.raises(ReaderError, match="no release 'gpt2-small-mlp-tn'; closest"):
        load_sae_release("gpt2-small-mlp-tn", "x")
