"""What every version has left on disk still opens, with the same answers; what a newer one leaves is named.

``tests/compat/make.py`` writes a version's folder; what is there is never changed.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.meta import docs_table
from saetext.corpus.upgrading import upgrade
from saetext.errors import SaetextError
from saetext.features.labels import FeatureLabels
from saetext.io.sealed import sealed
from saetext.io.sealed_table import SEAL

COMPAT = Path(__file__).parent / "compat"
sys.path.insert(0, str(COMPAT))

from answers import answers  # noqa: E402

VERSIONS = sorted(path.name for path in COMPAT.iterdir() if (path / "answers.json").exists())

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=VERSIONS)
def written(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a version has written."""
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(COMPAT / request.param, tmp_path / "written"))


def test_this_version_is_kept() -> None:
    assert version("saetext") in VERSIONS, "run python tests/compat/make.py and commit what it writes"


def test_what_a_version_wrote_gives_the_answers_it_gave(written: Path) -> None:
    expected = json.loads((written / "answers.json").read_text("utf-8"))
    found = json.loads(json.dumps(answers(written)))
    for name, answer in expected.items():
        assert found[name] == pytest.approx(answer) if isinstance(answer, float) else found[name] == answer
    assert found == expected


def test_without_its_index_the_answers_are_the_same(written: Path) -> None:
    """What is derived can be made again."""
    import saetext

    expected = json.loads((written / "answers.json").read_text("utf-8"))
    shutil.rmtree(written / "corpus" / "index", ignore_errors=True)
    saetext.build_index(Corpus.open(written / "corpus"), dense=False)
    assert json.loads(json.dumps(answers(written))) == expected


def test_its_corpus_is_whole_and_can_be_appended_to(written: Path) -> None:
    corpus = Corpus.open(written / "corpus")
    corpus.verify()
    before, spec = corpus.n_documents, corpus.spec
    calibrations = {sae: corpus.calibration(sae) for sae in corpus.saes}
    row = next(iter(corpus.rows(corpus.saes[0])))
    n = len(row)
    docs = docs_table(
        ids=[f"new {i}" for i in range(n)],
        texts=["new"] * n,
        prompts=[None] * n,
        n_tokens=[1] * n,
        n_unknown=[0] * n,
        token_start=[[0]] * n,
        token_end=[[3]] * n,
        metas=[{}] * n,
    )
    with CorpusWriter.append(corpus.path, plan={}, spec=spec, calibrations=calibrations) as writer:
        writer.write_shard(docs, {corpus.saes[0]: row}, rejects=[], input_rows=n, input_hash="", stats={})
        grown = writer.finish()
    grown.verify()
    assert grown.manifest.schema == corpus.manifest.schema  # an append is no upgrade
    assert grown.n_documents == before + n and grown["new 0"].text == "new"
    old = json.loads((written / "answers.json").read_text("utf-8"))["corpus"]
    assert grown.ids.to_pylist()[:before] == old["ids"]


def test_an_upgrade_gives_the_bytes_that_are_kept(tmp_path: Path) -> None:
    made = Path(shutil.copytree(COMPAT / "0.1.0" / "corpus", tmp_path / "corpus"))
    kept = COMPAT / "0.1.0-columns" / "corpus"
    assert Corpus.open(made).manifest.schema == "1.0" and upgrade(made) == "1.1"
    for file in (path for path in kept.rglob("*") if path.is_file()):
        assert (made / file.relative_to(kept)).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("path", sorted(COMPAT.glob("*/attribution.json")), ids=lambda path: path.parent.name)
def test_an_attribution_that_a_version_saved_is_read_as_it_is(path: Path) -> None:
    """Compared with the file's JSON, read without the code under test."""
    from saetext.intervene.attribution import AttributionResult

    told, found = json.loads(path.read_text("utf-8")), AttributionResult.load(path)
    for name, columns in told["tables"].items():
        for column, values in columns.items():
            assert getattr(found, name)[column].to_list() == values
    assert dict(found.params) == told["params"] and dict(found.metrics) == told["metrics"]
    assert [dict(row) for row in found.meta] == told["meta"] and list(found.notes) == told["notes"]
    assert {str(feature): label for feature, label in found.labels.items()} == told["labels"]


# ---- what a newer version wrote ----------------------------------------------------------------------------


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def _newer_labels(folder: Path) -> None:
    import pyarrow.parquet as pq

    path = folder / "labels.parquet"
    table = pq.read_table(path)
    found = table.schema.metadata
    (key,) = (k for k in found if k.startswith(b"saetext") and k != SEAL)
    # whatever a newer version takes for a checksum, this one cannot know
    meta = {**json.loads(found[key]), "version": 99}
    pq.write_table(table.replace_schema_metadata({**found, key: json.dumps(meta)}), path)


def _open_clusters(folder: Path) -> object:
    from saetext.analysis.clusters.model import load_model

    return load_model(folder / "clusters")


def _open_query(folder: Path) -> object:
    from saetext.analysis.search.query import FeatureQuery

    return FeatureQuery.read(folder / "query.json", Corpus.open(folder / "corpus").spec.sae(None))


NEWER: dict[str, tuple[Callable[[Path], object], Callable[[Path], object], str]] = {
    "corpus": (
        lambda folder: _edit(folder / "corpus" / "manifest.json", schema="2.3"),
        lambda folder: Corpus.open(folder / "corpus"),
        r"corpus has schema 2\.3 and this saetext reads up to 1\.\d+; upgrade saetext",
    ),
    "clusters": (
        lambda folder: _edit(folder / "clusters" / "manifest.json", schema="7.0"),
        _open_clusters,
        r"clusters was written by a newer saetext \(schema 7\.0\): update saetext",
    ),
    "labels": (
        _newer_labels,
        lambda folder: FeatureLabels.read(folder / "labels.parquet"),
        r"labels\.parquet is a table of labels of version 99: upgrade saetext",
    ),
    "query": (
        lambda folder: _edit(folder / "query.json", version=99),
        _open_query,
        r"query\.json is a query of version 99: upgrade saetext",
    ),
}


def test_an_attribution_of_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    from saetext.intervene.attribution import AttributionResult

    path = tmp_path / "attribution.json"
    told = json.loads((COMPAT / "0.1.0" / "attribution.json").read_text("utf-8"))
    path.write_text(json.dumps({**told, "version": 99, "tables": {}, "seal": "another"}))
    with pytest.raises(SaetextError, match=r"attribution of version 99: upgrade saetext"):
        AttributionResult.load(path)


@pytest.mark.parametrize("kind", NEWER)
def test_what_a_newer_version_wrote_is_refused_by_name(written: Path, kind: str) -> None:
    change, look, message = NEWER[kind]
    change(written)
    with pytest.raises(SaetextError, match=message) as error:
        look(written)
    assert "\n" not in str(error.value) and len(str(error.value).replace(str(written), "")) < 300


@pytest.mark.parametrize("schema", ["1.99", "1.0"])
def test_a_corpus_of_a_newer_minor_version_opens(written: Path, schema: str) -> None:
    """Only keys were added, which this version does not know."""
    manifest = written / "corpus" / "manifest.json"
    _edit(manifest, schema=schema, **{"of tomorrow": [1]} if schema == "1.99" else {})
    told = json.loads(manifest.read_text("utf-8"))
    if "seal" in told:  # a minor version is read as it is, so its checksum is made as today's
        manifest.write_text(json.dumps(sealed(told)), "utf-8")
    assert Corpus.open(written / "corpus").n_documents == len(
        json.loads((written / "answers.json").read_text("utf-8"))["corpus"]["ids"]
    )
