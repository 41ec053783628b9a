"""What is on disk keeps the names of schema 1.0, whatever the code says: literals of an earlier version."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from corpus_factory import make_corpus

from saetext import Corpus
from saetext.analysis.search.query import Clause, FeatureQuery, Term
from saetext.corpus.calibration import Calibration
from saetext.corpus.spec import Numerics, ReaderSpec, SaeSpec, differing_fields, require_comparable
from saetext.errors import IncompatibleError
from saetext.reader.thresholds.estimation import calibration_path

#: As an earlier version wrote a reader of two SAEs into a manifest, byte for byte.
SPEC = (
    '{"model": "tiny", "revision": "main", "window": 128, "overlap": 8, "prefix_ids": [1], '
    '"suffix_ids": [2], "masks": "1", "chat_template_sha256": "", "pooling": "max", '
    '"taps": [{"name": "main", '
    '"sae": "release/main", "architecture": "topk", "hook": "blocks.0.hook_resid_pre", "d_in": 8, '
    f'"d_sae": 12, "weights_sha256": "{"a" * 64}", "preprocessing": "none", "card_sha256": "{"b" * 64}", '
    '"floor_percentile": 75.0, "min_tokens": 1, "settings": "{\\"k\\": 4}"}, {"name": "b", '
    '"sae": "release/b", "architecture": "topk", "hook": "blocks.1.hook_resid_pre", "d_in": 8, '
    f'"d_sae": 12, "weights_sha256": "{"c" * 64}", "preprocessing": "none", "card_sha256": "{"d" * 64}", '
    '"floor_percentile": null, "min_tokens": 2, "settings": "{\\"k\\": 4}"}], "numerics": {"model_dtype": '
    '"float32", "sae_dtype": "float32", "device": "cpu", "versions": {"saetext": "0.1.0"}}, "source": '
    '{"kind": "release", "saes": ["release/main", "release/b"]}, '
    f'"tokens_sha256": "{"e" * 64}"}}'
)
#: What that version computed of it.
FINGERPRINT = "9716aab9c57d2ba82b875870e70d5be63f8db55547f3aae869723599f09e599e"
CACHED = "cdcae823c58cc2440610fba6.arrow"


def spec() -> ReaderSpec:
    saes = (
        SaeSpec("main", "release/main", "topk", "blocks.0.hook_resid_pre", 8, 12, "a" * 64, "none", "b" * 64,
                75.0, 1, '{"k": 4}'),
        SaeSpec("b", "release/b", "topk", "blocks.1.hook_resid_pre", 8, 12, "c" * 64, "none", "d" * 64,
                None, 2, '{"k": 4}'),
    )  # fmt: skip
    return ReaderSpec(
        "tiny", "main", 128, 8, (1,), (2,), "1", "", "max", saes,
        Numerics("float32", "float32", "cpu", {"saetext": "0.1.0"}),
        {"kind": "release", "saes": ["release/main", "release/b"]}, "e" * 64,
    )  # fmt: skip


def test_a_reader_is_written_and_read_byte_for_byte_as_before() -> None:
    assert json.dumps(spec().to_dict()) == SPEC
    assert ReaderSpec.from_dict(json.loads(SPEC)) == spec()
    assert spec().fingerprint == FINGERPRINT
    encoder = SimpleNamespace(metadata=SimpleNamespace(norm_limit=None))
    reader: Any = SimpleNamespace(spec=spec(), saes={"b": SimpleNamespace(encoder=encoder)})
    assert calibration_path(reader, "b", 75.0, 1).name == CACHED


def test_a_corpus_has_the_files_and_keys_it_had(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "c", seed=3, sizes=(2, 1), d_sae=12, saes=("main", "b"))
    manifest = json.loads((corpus.path / "manifest.json").read_text("utf-8"))
    assert list(manifest) == [
        "schema", "created", "updated", "spec", "reader_fingerprint", "fingerprint", "stores_text", "counts",
        "meta", "cards", "rejects", "runs", "extra", "shards", "seal",
    ]  # fmt: skip
    assert list(manifest["cards"]) == [one["name"] for one in manifest["spec"]["taps"]] == ["main", "b"]
    assert (
        manifest["reader_fingerprint"] == "edf602e96a5a5e45afed69b10f72694540d3a7be0233e63d8c3fe3f3b89575ae"
    )
    stored = json.loads((corpus.path / "plan.json").read_text("utf-8"))["spec"]
    assert stored == manifest["spec"]
    assert {p.relative_to(corpus.path).as_posix() for p in corpus.path.rglob("*.arrow")} == {
        "cards/main.arrow", "cards/b.arrow", "docs/part-00000.arrow", "docs/part-00001.arrow",
        "features/main/part-00000.arrow", "features/main/part-00001.arrow",
        "features/b/part-00000.arrow", "features/b/part-00001.arrow",
    }  # fmt: skip
    with pa.ipc.open_file(str(corpus.path / "cards" / "b.arrow")) as file:
        table = file.read_all()
    assert table.column_names == ["feature", "floor", "density", "mean", "max", "top_words"]
    assert list(table.schema.metadata) == [b"saetext.card", b"saetext.checksum"]
    read = Calibration.read(corpus.path / "cards" / "b.arrow")
    assert read.sha256 == "740938fa5dfe44b40f020785919ecb656be7676025ba05c981c9f890421fdfcf"
    assert Corpus.open(corpus.path).calibration("b").thresholds.tolist() == table["floor"].to_pylist()


def test_messages_have_the_words_of_today() -> None:
    changed = replace(spec().sae("b"), calibration_sha256="f" * 64, threshold_percentile=50.0)
    other = replace(spec(), saes=(spec().sae("main"), changed), window=64)
    assert differing_fields(spec(), other) == {
        "window": (128, 64),
        "SAE b: calibration_sha256": ("d" * 64, "f" * 64),
        "SAE b: threshold_percentile": (None, 50.0),
    }
    with pytest.raises(IncompatibleError, match="SAE b: calibration_sha256 is 'd"):
        require_comparable(spec(), other, "b", names=("x", "y"))
    assert differing_fields(spec(), other, "main").keys() == {"window"}


def test_a_query_saved_with_the_earlier_name_still_opens(tmp_path: Path) -> None:
    query = FeatureQuery((Clause((Term(3, 1.0, 2.0, "dogs", 0.5),), "dog"),), {})
    path = tmp_path / "query.json"
    now = query.to_json(spec().sae("b"))
    path.write_text(now.replace('"similarity": 0.5', '"likeness": 0.5'))
    assert "likeness" in path.read_text() and "likeness" not in now
    assert FeatureQuery.read(path, spec().sae("b")) == query
