"""The command line and Python without their start: executables that run in forks of one warm process.

A helper for tests, not a test. Starting ``saetext`` costs seconds of imports, and a test that runs dozens of
commands in a shell would pay them each time. Here one process has imported everything, and forks for each
command; the executable hands it arguments, working directory, environment and standard streams, and ends with
its exit code. A program that is given to ``python`` imports saetext afresh, in its own order: only the
libraries are there already. As a script (``forked_command.py SOCKET [STATES]``) it is that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import imported
import shared_states
from processes import exit_code

CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    request = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(request)
    sys.exit(server.recv(1)[0])  # an IndexError if the command died
"""


@contextlib.contextmanager
def forked_command(environment: Mapping[str, str], states: Path | None = None) -> Iterator[Path]:
    """Yield a directory that holds the executables ``saetext`` and ``python`` (with ``-c`` or a file).

    ``environment`` is that of the warm process: some libraries read theirs when they are imported. ``states``
    is where commands share hidden states of models (``shared_states.py``), if they do.
    """
    with tempfile.TemporaryDirectory() as name:  # short: the path of a socket has a hundred bytes
        folder = Path(name)
        (folder / "client.py").write_text(CLIENT)
        client = shlex.join([sys.executable, "-ES", str(folder / "client.py"), str(folder / "socket")])
        for made in ("saetext", "python"):
            (folder / made).write_text(f'#!/bin/sh\nexec {client} {made} "$@"\n')
            (folder / made).chmod(0o755)
        command = [sys.executable, __file__, str(folder / "socket"), *([str(states)] if states else [])]
        warm = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert warm.stdout is not None
        try:
            assert warm.stdout.readline() == b"ready\n"
            yield folder
        finally:
            warm.kill()
            warm.communicate()


def _serve(path: str, states: str | None = None) -> None:
    if states:
        shared_states.share(Path(states))
    imported.everything()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who has ended is not waited for
        print("ready", flush=True)
        while True:
            client, _ = listener.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _run(client)
            client.close()


def _run(client: socket.socket) -> None:
    """Run the command that a client asks for, in its place, and end this process."""
    size, streams, _, _ = socket.recv_fds(client, 8, 3)
    with client.makefile("rb") as file:
        arguments, folder, environment = json.loads(file.read(int.from_bytes(size, "big")))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    name, *sys.argv[1:] = arguments
    code = 1
    try:
        code = exit_code(_program if name == "python" else _command, crashed=1)
    finally:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        client.sendall(bytes([code]))
        os._exit(code)


def _command() -> None:
    from saetext_cli.main import main

    sys.argv[0] = "saetext"
    main()


def _program() -> None:
    """Run ``-c CODE`` or a file as Python does, with arguments behind it."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("saetext", "saetext_cli")]:
        del sys.modules[name]
    if sys.argv[1] == "-c":
        file, code, sys.argv[:3] = "<string>", sys.argv[2], ["-c"]
        sys.path[0] = ""
    else:
        file, sys.argv[:2] = sys.argv[1], [sys.argv[1]]
        code, sys.path[0] = Path(file).read_text("utf-8"), str(Path(file).resolve().parent)
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(code, file, "exec"), vars(main))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
