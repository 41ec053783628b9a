"""Write what this version leaves on disk, small, with the answers it gives: ``python tests/compat/make.py``.

Run it once, when a version is released (or a layout changes), and commit the folder ``tests/compat/VERSION``.
What is there is never changed: tests/test_compat.py opens every folder for ever. All texts are made here.

``0.1.0-first`` was written by the code before SAEs, thresholds and calibrations had their names of today,
``0.1.0-unsealed`` before derived files had checksums. Their answers, but for the names of clusters, equal
those of ``0.1.0``. Their corpora have schema 1.0; ``0.1.0-columns`` is ``0.1.0`` with a corpus of 1.1, as
``saetext upgrade`` makes it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[1] / "cli")]

from answers import answers  # noqa: E402
from tiny_reader import some_rows, tiny, write_jsonl  # noqa: E402

import saetext  # noqa: E402
from saetext.analysis.clusters.model import save_clusters  # noqa: E402
from saetext.documents import open_documents  # noqa: E402
from saetext.encoding.encoder import append, encode  # noqa: E402
from saetext.reader.reader import Reader  # noqa: E402
from saetext.reader.thresholds.policy import ready  # noqa: E402
from tests.fuzz.ready import attribution  # noqa: E402

N, MORE = 24, 6


def make(folder: Path) -> None:
    """Fill a new folder: a corpus that was appended to, its index, labels, clusters, a query, and two SAEs.

    Beside them a saved attribution.
    """
    folder.mkdir()
    os.chdir(folder)  # what is written says where it was: beside each other, and no more
    os.environ["SAETEXT_CACHE"] = tempfile.mkdtemp()
    rows = some_rows(N, seed=5, longest=12, empty_every=11)
    reader = ready(tiny().reader(), open_documents(some_rows(60, seed=9)))
    here = {"kind": "local", "saes": ["standard.sae"], "model": "model"}
    reader = Reader._of(dataclasses.replace(reader._parts, source=here))
    path = Path("corpus")
    encode(rows, path, reader=reader, shard_rows=16)
    corpus = append(some_rows(MORE, seed=6, longest=12), path, reader=reader, id="")
    for name in ("plan.json", ".lock"):  # which say where this was run, and are not read again
        (path / name).unlink(missing_ok=True)
    saetext.build_index(corpus, dense=False)
    saetext.label(corpus, "words").labels.write(folder / "labels.parquet")
    clusters = saetext.cluster(corpus, min_cluster_size=5, semantic=False)
    save_clusters(clusters, corpus.spec, folder / "clusters")
    found = saetext.search(corpus, features={3: 1.5, 5: -1.0})
    (folder / "query.json").write_text(found.query.to_json(corpus.spec.sae(None)) + "\n", "utf-8")
    (folder / "attribution.json").write_bytes(attribution())
    _trained(folder / "trained.sae")
    shutil.copytree(tiny().sae, folder / "standard.sae")


def _trained(output: Path) -> None:
    source = write_jsonl(Path(tempfile.mkdtemp()) / "texts.jsonl", some_rows(300, seed=8))
    saetext.train(
        open_documents(source),
        output,
        model=str(tiny().model),
        hook="blocks.1.hook_resid_pre",
        d_sae=32,
        k=4,
        batch=128,
        steps=20,
        max_tokens=3000,
        valid_tokens=500,
        calibration_tokens=500,
    )


def main() -> None:
    """Write the folder of this version, or of the name given."""
    name = sys.argv[1] if len(sys.argv) > 1 else version("saetext")
    folder, made = HERE / name, Path(tempfile.mkdtemp()) / name
    make(made)  # elsewhere: what is written names its place
    told = json.dumps(answers(made), indent=1, ensure_ascii=False)
    (made / "answers.json").write_text(told + "\n", "utf-8")
    shutil.copytree(made, folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
