"""Kills a slice before and after each of its renames, and sees that the corpus comes out as of one run.

A helper for tests, run as a script: ``slice_kills.py FOLDER``. Prints a JSON object: the number of kills.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from tiny_reader import contents, ready_reader, some_rows, write_jsonl

from saetext.corpus.finishing import finish_slices
from saetext.encoding.encoder import encode
from saetext.encoding.slices import encode_slice
from saetext.io import files

RENAMES = 2 + 2 + 2 * 4 + 1  # about and plan, cards, two shards of three files and a record, the end


def die_at(n: int, *, after: bool) -> None:
    """Let this process be killed at its n-th rename."""
    real, calls = files.put_in_place, [0]

    def put(beside: Path, path: Path) -> None:
        calls[0] += 1
        if calls[0] == n and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        real(beside, path)
        if calls[0] == n:
            os.kill(os.getpid(), signal.SIGKILL)

    files.put_in_place = put


def main(folder: Path) -> None:
    """Kill, resume, compare, for every rename."""
    torch.set_num_threads(1)
    rows = some_rows(41, empty_every=7)
    rows[20]["id"] = rows[3]["id"]  # a duplicate in another slice
    file = write_jsonl(folder / "rows.jsonl", rows)
    reader = ready_reader()
    whole = encode(file, folder / "whole.corpus", reader=reader, shard_rows=14)
    kills = 0
    for at in range(2 * RENAMES):
        out = folder / f"{at}.corpus"
        child = os.fork()
        if not child:
            try:
                die_at(at // 2 + 1, after=bool(at % 2))
                encode_slice(file, out, "0/2", reader=reader, shard_rows=14)
            finally:
                os._exit(3)  # it should have been killed
        _, ended = os.waitpid(child, 0)
        assert os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL, (at, ended)
        kills += 1
        left = {path: path.stat().st_mtime_ns for path in out.glob("landed/part-*.json")}
        for part in ("0/2", "1/2"):
            encode_slice(file, out, part, reader=reader, shard_rows=14)
        assert all(path.stat().st_mtime_ns == time for path, time in left.items()), at  # landed is landed
        assert finish_slices(out).fingerprint == whole.fingerprint
        assert contents(out) == contents(whole.path), at
    # no rename is left out: a slice that would be killed at one more comes to its end
    out = folder / "whole slice.corpus"
    child = os.fork()
    if not child:
        die_at(RENAMES + 1, after=False)
        encode_slice(file, out, "0/2", reader=reader, shard_rows=14)
        os._exit(0)
    _, ended = os.waitpid(child, 0)
    assert os.WIFEXITED(ended) and os.WEXITSTATUS(ended) == 0, ended
    print(json.dumps({"kills": kills}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
