"""Workers that are actors of Ray, on this machine alone. Runs where Ray is installed, which few people need.

    pip install 'saetext[ray]' && python -m pytest tests/test_engine_ray.py

Ray starts seven processes, and gives up where that takes 15 seconds. It has 271 MB. So it is neither in the
extra ``dev`` nor among what CI installs. The driver is the same for all engines (test_engines.py).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_reader import contents, ready_reader, some_rows

from saetext.encoding.encoder import encode
from saetext.encoding.engines.on_ray import RayEngine
from saetext.errors import InputError
from saetext.io.progress import Progress

ray = pytest.importorskip("ray", reason="Ray: not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="platform: no SIGKILL")]


def test_a_cluster_that_is_not_there_is_one_line() -> None:
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with pytest.raises(InputError, match=f"no Ray cluster at '{address}': .*refused") as told:
            RayEngine(address=address).size()
        assert "\n" not in str(told.value)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("Ray: its daemons need the machine for themselves")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    try:
        ray.init(
            address="local", num_cpus=2, object_store_memory=100_000_000, include_dashboard=False,
            logging_level="ERROR", log_to_driver=False,
        )  # fmt: skip
    except RuntimeError as error:  # on a machine that is busy
        pytest.skip(f"Ray: it does not start here ({str(error)[:200]})")
    yield
    ray.shutdown()


def _actors(above: int) -> list[int]:
    """Return the processes below one that run our actor."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    found = []
    for pid, name in names.items():
        at = pid
        while at in parents and at != above:
            at = parents[at]
        if at == above and name.startswith("ray::Actor"):
            found.append(pid)
    return sorted(found)


def test_actors_make_the_bytes_of_one_run_though_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: None
) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    reader = ready_reader()
    rows = some_rows(41, empty_every=7)
    rows[20]["id"] = rows[3]["id"]
    whole = encode(rows, tmp_path / "whole.corpus", reader=reader, shard_rows=4)
    killed: list[int] = []

    def kill(p: Progress) -> None:
        if p.documents and not killed:
            killed.extend(_actors(os.getpid())[:1])
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    engine = RayEngine(workers=2)
    made = encode(rows, tmp_path / "m.corpus", reader=reader, shard_rows=4, engine=engine, on_progress=kill)
    assert len(killed) == 1
    assert contents(made.path) == contents(whole.path)
    with pytest.raises(InputError, match=r"a worker is to have 3 CPUs and no GPU, and the Ray cluster has 2"):
        encode(rows, tmp_path / "n.corpus", reader=reader, engine=RayEngine(cpus=3))
    with pytest.raises(InputError, match=r"to have 1 CPU and 1 GPU, and the Ray cluster has 2 CPUs and"):
        encode(rows, tmp_path / "n.corpus", reader=reader, engine=RayEngine(gpus=1))
