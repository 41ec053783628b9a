"""Training that is killed, runs out of disk, or finds its files changed: the same SAE or one line.

The command is :func:`saetext.training.pipeline.train`; its language model is loaded once for all runs.
"""

from __future__ import annotations

import functools
import json
import os
import random
import resource
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from faults import KILLED, Faults, die, full, in_fork, killed_after
from filelock import FileLock
from test_training import documents
from tiny_models import save_model

from saetext.errors import InputError, SaetextError, SaetextWarning
from saetext.reader.language_model import LanguageModel
from saetext.training import activations, optimisation, pipeline
from saetext.training.config import TrainConfig
from saetext.training.pipeline import train
from saetext.training.threads import torch_threads

OPTIONS: dict[str, Any] = {
    "d_sae": 16,
    "k": 2,
    "batch": 16,
    "steps": 6,
    "layer": 1,
    "window": 32,
    "valid_tokens": 60,
    "max_tokens": 700,
    "calibration_tokens": 200,
}


class Stop(BaseException):
    pass


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    model = save_model("bert", tmp_path_factory.mktemp("model") / "m", num_hidden_layers=2)
    return {**OPTIONS, "model": model}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Several blocks, a checkpoint after every step, and one language model for all runs."""
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path_factory.getbasetemp() / "faults-cache"))
    monkeypatch.setattr(activations, "_CHUNK", 16)
    monkeypatch.setattr(pipeline, "train_sae", functools.partial(optimisation.train_sae, every=0))
    monkeypatch.setattr(LanguageModel, "load", staticmethod(_load))


_REAL = LanguageModel.load


@functools.cache
def _loaded(place: str, hooks: tuple[str, ...], dtype: str) -> LanguageModel:
    return _REAL(place, hooks, dtype=dtype, device="cpu")


def _load(model: Any, hooks: Any, *, dtype: str = "float32", **_: Any) -> LanguageModel:
    return _loaded(str(model), tuple(hooks), dtype)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A fork has none of the threads that torch began before it, and would wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def texts() -> list[Any]:
    return documents(48)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def run(texts: list[Any], output: Path, options: dict[str, Any], **more: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SaetextWarning)
        train(texts, output, **options, **more)


@pytest.fixture
def whole(texts: list[Any], options: dict[str, Any], tmp_path: Path) -> dict[str, bytes]:
    """What an undisturbed run leaves."""
    run(texts, tmp_path / "whole", options)
    assert not (tmp_path / "whole.training").exists()
    return contents(tmp_path / "whole")


def points(texts: list[Any], options: dict[str, Any], output: Path) -> int:
    with Faults().installed() as counted:
        run(texts, output, options)
    assert set(counted.what) == {"mkdir", "write", "tensors", "sync", "rename"}
    return counted.count


def test_killed_at_any_write_sync_or_rename_it_ends_with_the_same_bytes(
    texts: list[Any], options: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    """One point in four, or every one with ``SAETEXT_ALL_KILLS=1``; a third are killed again on their way."""
    n = points(texts, options, tmp_path / "counted")
    assert n > 80
    draw = random.Random(0)
    step = 1 if os.environ.get("SAETEXT_ALL_KILLS") else 4
    for at in range(1 + draw.randrange(step), n + 1, step):
        output = tmp_path / f"killed{at}"

        def killed(at: int, output: Path = output) -> int:
            with Faults(at, die).installed():
                return in_fork(lambda: run(texts, output, options))

        assert killed(at) == KILLED, at
        if draw.random() < 0.3 and not (output / "cfg.json").exists():
            assert killed(draw.randrange(1, 12)) == KILLED, at
        if (output / "cfg.json").exists():  # killed while it tidied up
            with pytest.raises(InputError, match="already holds an SAE"):
                run(texts, output, options)
        else:
            run(texts, output, options)
        assert contents(output) == whole, at
        assert not output.with_name(f"{output.name}.training").exists(), at


def test_a_full_disk_at_any_point_is_one_line_and_the_same_command_goes_on(
    texts: list[Any], options: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    n = points(texts, options, tmp_path / "counted")
    passed_over = 0
    for at in range(1, n + 1, 1 if os.environ.get("SAETEXT_ALL_KILLS") else 3):
        output = tmp_path / f"full{at}"
        try:
            with Faults(at, full).installed():
                run(texts, output, options)
        except SaetextError as error:
            message = str(error)
            assert "\n" not in message and len(message) < 400, message
            assert "No space left on device; free space and run the same command again" in message, message
        else:
            passed_over += 1  # the hash of a file, kept in the cache so that it need not be computed again
        if not (output / "cfg.json").exists():
            run(texts, output, options)
        assert contents(output) == whole, at
    assert passed_over <= (5 if os.environ.get("SAETEXT_ALL_KILLS") else 2)


def test_a_disk_that_is_really_full(texts: list[Any], options: dict[str, Any], tmp_path: Path) -> None:
    """A limit on the size of files: the system refuses the writes of safetensors' own code too."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        try:
            run(texts, tmp_path / "a", options)
        except SaetextError as error:
            assert "File too large; free space" in str(error), error
            os._exit(3)

    assert in_fork(limited) == 3


def test_real_kills_at_random_moments(
    texts: list[Any], options: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    began = time.monotonic()
    assert in_fork(lambda: run(texts, tmp_path / "timed", options)) == 0
    length = time.monotonic() - began
    draw, kills = random.Random(1), 0
    for number in range(4):
        output = tmp_path / f"k{number}"
        for _ in range(6):
            if (output / "cfg.json").exists():
                break
            kills += killed_after(lambda o=output: run(texts, o, options), draw.uniform(0, length)) == -9
        if not (output / "cfg.json").exists():
            run(texts, output, options)
        assert contents(output) == whole
    assert kills >= 1  # how many depends on how busy the machine is


# --- what lies there between stop and resume ----------------------------------------------------------------


def stopped(texts: list[Any], output: Path, options: dict[str, Any], stage: str, share: float = 0.4) -> Path:
    def interrupt(progress: Any) -> None:
        if progress.stage == stage and progress.share >= share:
            raise Stop

    with pytest.raises(Stop):
        run(texts, output, options, on_progress=interrupt)
    return output.with_name(f"{output.name}.training")


def flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "halved": lambda data: data[: len(data) // 2],
    "zeroed": lambda data: bytes(len(data)),
    "one bit": flipped,
    "empty": lambda data: b"",
    "first byte": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "last byte": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["texts.f16", "held-out.f16", "texts.f16.json", "held-out.f16.json"])
def test_damaged_activations_are_named_and_made_again(
    texts: list[Any], options: dict[str, Any], whole: dict[str, bytes], tmp_path: Path, name: str, damage: str
) -> None:
    work = stopped(texts, tmp_path / "a", options, "training")
    when = (work / name).stat()
    (work / name).write_bytes(DAMAGE[damage]((work / name).read_bytes()))
    os.utime(work / name, ns=(when.st_atime_ns, when.st_mtime_ns))
    last = damage == "last byte" and name.endswith(".json")  # its line break
    if last:
        (work / name).write_bytes((work / name).read_bytes()[:-10])
    with pytest.warns(SaetextWarning, match=rf"{name.removesuffix('.json')}.*damaged.*read again"):
        train(texts, tmp_path / "a", **options)
    assert contents(tmp_path / "a") == whole


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused_in_one_line(
    texts: list[Any], options: dict[str, Any], whole: dict[str, bytes], tmp_path: Path, damage: str
) -> None:
    work = stopped(texts, tmp_path / "a", options, "training", 0.9)
    file = work / "checkpoint.safetensors"
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(SaetextError, match=r"checkpoint.safetensors is damaged.*remove it") as caught:
        run(texts, tmp_path / "a", options)
    assert "\n" not in str(caught.value)
    file.unlink()
    run(texts, tmp_path / "a", options)
    assert contents(tmp_path / "a") == whole


def test_a_bit_of_a_checkpoint(tmp_path: Path) -> None:
    """One bit of each fifth byte flipped: refused, or the state is read as it was written."""
    x = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    config = TrainConfig(d_sae=2, k=1, batch=8, steps=4)
    whole = optimisation.train_sae(x, config)
    file = tmp_path / "c"

    def interrupt(step: int, steps: int, figures: object) -> None:
        raise Stop

    with pytest.raises(Stop):
        optimisation.train_sae(x, config, interrupt, checkpoint=file, every=0)
    good = file.read_bytes()
    refused = tried = 0
    for at in range(0, len(good), 1 if os.environ.get("SAETEXT_ALL_KILLS") else 5):
        file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        try:
            again = optimisation.train_sae(x, config, checkpoint=file, every=1e9)
        except SaetextError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert torch.equal(again.w_enc, whole.w_enc), at
        tried += 1
    assert refused > 0.9 * tried > 200


def test_activations_changed_under_a_checkpoint_are_refused(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((1000, 4)).astype(np.float32)
    config = TrainConfig(d_sae=8, k=1, batch=32, steps=20)

    def interrupt(step: int, steps: int, figures: object) -> None:
        raise Stop

    with pytest.raises(Stop):
        optimisation.train_sae(x, config, interrupt, checkpoint=tmp_path / "c", every=0)
    x[777, 3] *= 0.5
    with pytest.raises(SaetextError, match="checkpoint of another run"):
        optimisation.train_sae(x, config, checkpoint=tmp_path / "c")


def test_what_an_earlier_version_left_is_refused_in_one_line(
    texts: list[Any], options: dict[str, Any], tmp_path: Path
) -> None:
    work = stopped(texts, tmp_path / "a", options, "training")
    plan = json.loads((work / "plan.json").read_text())
    del plan["format"], plan["threads"]
    (work / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(SaetextError, match=r"another version of saetext: remove it to start again"):
        run(texts, tmp_path / "a", options)
    x = np.zeros((64, 2), np.float32)
    torch.save({"done": 3}, tmp_path / "checkpoint.pt")
    with pytest.raises(SaetextError, match=r"no checkpoint of this version: remove it to start again"):
        optimisation.train_sae(
            x, TrainConfig(d_sae=2, k=1, batch=8, steps=4), checkpoint=tmp_path / "checkpoint.pt"
        )


# --- two at once --------------------------------------------------------------------------------------------


def test_a_second_training_on_one_output_gets_one_line(
    texts: list[Any], options: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    refused = 0

    def second(progress: Any) -> None:
        nonlocal refused
        with pytest.raises(InputError, match="another process is training into") as caught:
            run(texts, tmp_path / "a", options)
        refused += "\n" not in str(caught.value)

    run(texts, tmp_path / "a", options, on_progress=second)
    assert refused > 3 and contents(tmp_path / "a") == whole


def test_processes_that_start_at_once(
    texts: list[Any], options: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    children = []
    for _ in range(5):
        child = os.fork()
        if not child:
            code = 1
            try:
                run(texts, tmp_path / "a", options)
                code = 0
            except InputError as error:
                code = 3 if "another process" in str(error) or "already holds" in str(error) else 1
                (tmp_path / f"{os.getpid()}.txt").write_text(repr(error))
            except BaseException:
                (tmp_path / f"{os.getpid()}.txt").write_text(traceback.format_exc())
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sorted(codes) == [0, 3, 3, 3, 3], [path.read_text() for path in tmp_path.glob("*.txt")]
    assert contents(tmp_path / "a") == whole


@pytest.mark.parametrize("other", ["makes its lock", "was quicker", "left a file"])
def test_a_training_that_is_done_does_not_fail_over_what_others_do_while_it_tidies_up(
    texts: list[Any],
    options: dict[str, Any],
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    other: str,
) -> None:
    work, remove = tmp_path / "a.training", os.rmdir
    seen: list[str] = []

    def rmdir(path: Any, **kept: Any) -> None:
        if (kept or str(path) == str(work)) and not seen and [*work.iterdir()] == []:  # all but the last step
            seen.append(other)
            if other == "was quicker":
                remove(work)
            else:
                (work / (".lock" if other == "makes its lock" else "mine.txt")).touch()
        remove(path, **kept)

    monkeypatch.setattr(os, "rmdir", rmdir)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train(texts, tmp_path / "a", **options)
    assert seen and contents(tmp_path / "a") == whole
    about = [str(one.message) for one in told if "could not be removed" in str(one.message)]
    assert len(about) == (other == "left a file") and all("(mine.txt)" in line for line in about)


def test_nothing_is_left_of_a_run_that_could_not_begin(
    texts: list[Any], options: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="GB"):
        run(texts, tmp_path / "a", {**options, "max_tokens": 10**15})
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_a_killed_run_left_is_free(
    texts: list[Any], options: dict[str, Any], whole: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "a.training").mkdir()
    (tmp_path / "a.training" / ".lock").touch()
    lock = FileLock(tmp_path / "a.training" / ".lock")
    lock.acquire()
    with pytest.raises(InputError, match="another process"):
        run(texts, tmp_path / "a", options)
    lock.release()
    run(texts, tmp_path / "a", options)
    assert contents(tmp_path / "a") == whole


# --- threads ------------------------------------------------------------------------------------------------


def test_a_resumed_run_uses_the_threads_it_was_begun_with(tmp_path: Path) -> None:
    """Sums depend on the number of threads in their last bits; what is stopped with two goes on with two."""
    x = np.random.default_rng(0).standard_normal((2000, 96)).astype(np.float16)
    config = TrainConfig(d_sae=512, k=8, batch=256, steps=12)
    used = []

    def stop(step: int, steps: int, figures: object) -> None:
        raise Stop

    def note(step: int, steps: int, figures: object) -> None:
        used.append(torch.get_num_threads())

    with torch_threads(2):
        whole = optimisation.train_sae(x, config)
        with pytest.raises(Stop):
            optimisation.train_sae(x, config, stop, checkpoint=tmp_path / "c", every=0)
    with torch_threads(1):
        again = optimisation.train_sae(x, config, note, checkpoint=tmp_path / "c")
        assert set(used) == {2} and torch.get_num_threads() == 1
    for name in ("w_enc", "b_enc", "w_dec", "b_dec", "threshold"):
        assert torch.equal(getattr(whole, name), getattr(again, name)), name


def test_the_pipeline_goes_on_with_the_threads_of_the_run(
    texts: list[Any], options: dict[str, Any], tmp_path: Path
) -> None:
    with torch_threads(2):
        run(texts, tmp_path / "two", options)
        stopped(texts, tmp_path / "a", options, "reading texts", 0.1)
    run(texts, tmp_path / "a", options)
    assert contents(tmp_path / "a") == contents(tmp_path / "two")
    assert json.loads((tmp_path / "a" / "card.json").read_text())["training"]["threads"] == 2


def test_the_card_says_passes_and_threads_and_no_times(whole: dict[str, bytes]) -> None:
    card = json.loads(whole["card.json"])
    assert card["training"]["passes"] == round(6 * 16 / card["texts"]["train_tokens"], 2)
    assert card["training"]["threads"] == torch.get_num_threads()
    assert "seconds" not in json.dumps(card)


@pytest.fixture(autouse=True)
def tidy(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)
