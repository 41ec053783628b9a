"""The command line without its start: an executable whose commands run in forks of one warm process.

A helper for tests, not a test. Starting ``saetext`` costs seconds of imports, and a test that runs dozens of
commands in a shell would pay them each time. Here one process has imported everything, and forks for each
command; the executable hands it arguments, working directory, environment and standard streams, and ends with
its exit code. As a script (``forked_command.py SOCKET``) it is that process.
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

import imported
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
def forked_command(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield a directory that holds the executable ``saetext``.

    ``environment`` is that of the warm process: some libraries read theirs when they are imported.
    """
    with tempfile.TemporaryDirectory() as name:  # short: the path of a socket has a hundred bytes
        folder = Path(name)
        (folder / "client.py").write_text(CLIENT)
        client = shlex.join([sys.executable, "-ES", str(folder / "client.py"), str(folder / "socket")])
        (folder / "saetext").write_text(f'#!/bin/sh\nexec {client} "$@"\n')
        (folder / "saetext").chmod(0o755)
        command = [sys.executable, __file__, str(folder / "socket")]
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


def _serve(path: str) -> None:
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
    sys.argv = ["saetext", *arguments]
    code = 1
    try:
        from saetext_cli.main import main

        code = exit_code(main, crashed=1)
    finally:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        client.sendall(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
