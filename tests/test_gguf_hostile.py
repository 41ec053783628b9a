"""GGUF files that are broken or hostile: one line each, in bounded time and memory, nothing left behind."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_gguf import Floats, bare, text, write_gguf

from saetext.errors import ReaderError
from saetext.reader.added import store
from saetext.reader.added.adding import add
from saetext.reader.added.families import sizes_of
from saetext.reader.added.header import read_header

U32, STRING, ARRAY = (struct.pack("<I", kind) for kind in (4, 8, 9))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refused(path: Path) -> str:
    """Return the line with which adding a file is refused; no model is left of it."""
    with pytest.raises(ReaderError) as caught:
        add(path)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400 and path.name in message
    assert store.names() == []
    assert not store.home().exists() or all(p.name.endswith(".lock") for p in store.home().iterdir())
    return message


HUGE = 2**63
HEADS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a GGUF file"),
    "another format": (b"PK\x03\x04" + bytes(100), "not a GGUF file"),
    "text": (b"GGML is no GGUF", "not a GGUF file"),
    "magic alone": (b"GGUF", "is cut off"),
    "version 1": (bare(version=1), "version 1"),
    "version of the other byte order": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
    "no fields": (bare(), "no known family"),
    "tensors without end": (bare(tensors=HUGE), "counts 9,223,372,036,854,775,808 tensors"),
    "fields without end": (bare(fields=HUGE), "counts 9,223,372,036,854,775,808 fields"),
    "fields that are not there": (bare(fields=9_000), "is cut off"),
    "a name without end": (bare(HUGE, fields=1), "a text has"),
    "a text without end": (bare(text("a"), STRING, HUGE, fields=1), "a text has"),
    "a text that is not UTF-8": (bare(text("a"), STRING, 2, b"\xff\xfe", fields=1), "not UTF-8"),
    "a list without end": (bare(text("a"), ARRAY, U32, HUGE, fields=1), "items of a list"),
    "a list beyond the file": (bare(text("a"), ARRAY, U32, 1_500_000, fields=1), "ends beyond the file"),
    "texts beyond the file": (bare(text("a"), ARRAY, STRING, 1_500_000, fields=1), "is cut off"),
    "a text of a list beyond it": (bare(text("a"), ARRAY, STRING, 1, HUGE, fields=1), "ends beyond"),
    "a list of lists": (bare(text("a"), ARRAY, ARRAY, 1, ARRAY, 1, fields=1), "no lists of type 9"),
    "an unknown type": (bare(text("a"), struct.pack("<I", 99), fields=1), "no type 99"),
    "a field twice": (bare(*[text("a"), U32, U32] * 2, fields=2), "stands there twice"),
    "a tensor of 0 dimensions": (bare(text("t"), struct.pack("<I", 0), tensors=1), "0 dimensions"),
    "a tensor of 2**32 dimensions": (bare(text("t"), b"\xff" * 4, tensors=1), "dimensions"),
    "a tensor of an unknown type": (
        bare(text("t"), struct.pack("<IQIQ", 1, 32, 77, 0), tensors=1),
        "of a type (77)",
    ),
    "a tensor of 2**63 values": (
        bare(text("t"), struct.pack("<IQIQ", 1, HUGE, 0, 0), tensors=1),
        "ends beyond the file",
    ),
    "a tensor of nothing": (bare(text("t"), struct.pack("<IQIQ", 1, 0, 0, 0), tensors=1), "shape [0]"),
    "a tensor far away": (
        bare(text("t"), struct.pack("<IQIQ", 1, 1, 0, 2**64 - 1), tensors=1),
        "ends beyond the file",
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_broken_head_is_one_line(name: str, tmp_path: Path) -> None:
    content, told = HEADS[name]
    (tmp_path / "bad.gguf").write_bytes(content)
    assert told in refused(tmp_path / "bad.gguf")


def _change(change: Callable[[dict[str, Floats]], None]) -> Callable[[dict[str, Floats]], dict[str, Floats]]:
    def changed(tensors: dict[str, Floats]) -> dict[str, Floats]:
        change(tensors)
        return tensors

    return changed


def _not_finite(tensors: dict[str, Floats]) -> None:
    tensors["blk.1.ffn_up.weight"] = tensors["blk.1.ffn_up.weight"].copy()
    tensors["blk.1.ffn_up.weight"][3, 4] = np.inf


MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown family": ({"fields": {"general.architecture": "mamba"}}, "supported: gemma2, gemma3, "),
    "no tokenizer": ({"fields": {"tokenizer.ggml.model": None}}, "has no tokenizer"),
    "no tokens": ({"fields": {"tokenizer.ggml.tokens": None}}, "has no tokenizer"),
    "no merges": ({"fields": {"tokenizer.ggml.merges": None}}, "half a tokenizer"),
    "a tokenizer of its own": ({"fields": {"tokenizer.ggml.model": "rwkv"}}, '"rwkv"'),
    "merges of nothing": ({"fields": {"tokenizer.ggml.merges": ["x"] * 9}}, "its tokenizer cannot be read"),
    "a token out of range": ({"fields": {"tokenizer.ggml.bos_token_id": 2**31}}, "its tokenizer cannot be"),
    "another vocabulary": ({"fields": {"llama.vocab_size": 7}}, "a vocabulary of 7"),
    "no layers": ({"fields": {"llama.block_count": 0}}, "llama.block_count is 0"),
    "no number of layers": ({"fields": {"llama.block_count": None}}, "block_count is missing"),
    "layers as text": ({"fields": {"llama.block_count": "3"}}, 'llama.block_count is "3"'),
    "layers without end": ({"fields": {"llama.block_count": 2**31 - 1}}, "2,147,483,647 layers"),
    "more layers": ({"fields": {"llama.block_count": 4}}, "the tensor blk.3.attn_norm.weight is missing"),
    "fewer layers": ({"fields": {"llama.block_count": 2}}, '"blk.2.attn_k.weight" belongs to no llama'),
    "another width": ({"fields": {"llama.embedding_length": 64}}, "has the shape [32, 300]"),
    "feed-forward without end": ({"fields": {"llama.feed_forward_length": 2**31 - 1}}, "ffn_gate.weight has"),
    "heads without end": ({"fields": {"llama.attention.head_count": 2**31 - 1}}, "attn_q.weight has"),
    "no rotation": ({"fields": {"llama.rope.freq_base": None}}, "rope.freq_base is missing"),
    "no epsilon": ({"fields": {"llama.attention.layer_norm_rms_epsilon": None}}, "epsilon is missing"),
    "scaled positions": ({"fields": {"llama.rope.scaling.type": "yarn"}}, "scales its positions"),
    "a tensor is missing": ({"tensors": _change(lambda t: t.pop("blk.1.ffn_up.weight"))}, "is missing"),
    "a tensor too many": (
        {"tensors": _change(lambda t: t.update({"rope_freqs.weight": np.ones(4, np.float32)}))},
        '"rope_freqs.weight" belongs to no llama model',
    ),
    "a value that is not finite": ({"tensors": _change(_not_finite)}, "up_proj.weight holds values"),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_does_not_fit_is_one_line(name: str, tmp_path: Path) -> None:
    options, told = MODELS[name]
    write_gguf(tmp_path / "bad.gguf", **options)
    assert told in refused(tmp_path / "bad.gguf")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "a.gguf"
    write_gguf(path, num_hidden_layers=1)
    return path.read_bytes()


def test_cut_off_anywhere_it_is_refused(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    for length in [*range(0, 400, 7), *range(400, len(whole), 1009), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ReaderError) as caught:
            read_header(path)
        assert "\n" not in str(caught.value)


@given(data=st.data())
def test_with_any_bytes_changed_it_is_refused_or_still_fits(
    data: st.DataObject, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 12_000))
        content[at] = data.draw(st.sampled_from([0, 1, 8, 9, 127, 128, 255]))
    path = tmp_path_factory.getbasetemp() / "changed.gguf"
    path.write_bytes(content)
    try:
        assert sizes_of(read_header(path)).layers == 1
    except ReaderError as error:
        assert "\n" not in str(error) and len(str(error)) < 400


@pytest.fixture
def special(tmp_path: Path) -> Iterator[dict[str, Path]]:
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "folder.gguf").mkdir()
    (tmp_path / "zero.gguf").symlink_to("/dev/zero")
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    yield {
        "a named pipe": tmp_path / "pipe.gguf",
        "a directory": tmp_path / "folder.gguf",
        "a device": tmp_path / "zero.gguf",
        "symbolic links": tmp_path / "loop.gguf",
        "there is no file": tmp_path / "nothing.gguf",
    }


def test_what_is_no_file_is_not_waited_for(special: dict[str, Path]) -> None:
    for told, path in special.items():
        assert told in refused(path)


def test_a_huge_file_takes_no_memory_and_no_time(tmp_path: Path) -> None:
    """Sparse, with a list of two million texts, read in a process that may have a gigabyte."""
    path = tmp_path / "huge.gguf"
    path.write_bytes(bare(text("a"), ARRAY, STRING, 1_999_999, fields=1))
    os.truncate(path, 1 << 36)
    program = (
        "import sys; from pathlib import Path\n"
        "from saetext.reader.added.families import sizes_of\n"
        "from saetext.reader.added.header import read_header\n"
        "sizes_of(read_header(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
    )
    assert "ReaderError" in done.stderr.splitlines()[-1], done.stderr


def test_nothing_that_lies_beside_the_file_is_read(tmp_path: Path) -> None:
    """A configuration, a tokenizer and an adapter beside it would be taken for the model's own."""
    write_gguf(tmp_path / "a.gguf")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "adapter_config.json"):
        (tmp_path / name).write_text("{")
    assert add(tmp_path / "a.gguf").sizes.layers == 3
