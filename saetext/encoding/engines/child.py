"""What a worker's process runs: the job comes from standard input, then shards; events go to standard output.

It ends when its input ends: when the driver says so, or is no more. Not for: anybody but
:mod:`saetext.encoding.engines.processes`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import traceback
from typing import IO, Any

from saetext.encoding.engines.pipes import receive, send, sendable
from saetext.encoding.engines.protocol import Done, Event, Failed, Ready

_Asked = tuple[int, Any] | None


def main() -> None:
    """Work until there is nothing more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which ends its workers
    # what a library prints must not come among the events
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    number = receive(sys.stdin.buffer)
    try:
        job = receive(sys.stdin.buffer)
        asked: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        worker = job.worker()
        # read at once, however long the shard before takes: the driver has others to talk to
        threading.Thread(target=_listen, args=(sys.stdin.buffer, asked), daemon=True).start()
        send(events, Ready(number, worker.ready()))
        while (piece := asked.get()) is not None:
            send(events, Done(number, worker.land(*piece)))
    except (EOFError, BrokenPipeError):
        pass  # the driver is no more
    except BaseException as error:
        error.add_note("in a worker:\n" + "".join(traceback.format_tb(error.__traceback__)))
        _tell(events, Failed(number, sendable(error)))
    os._exit(0)  # the thread that listens may wait for ever


def _listen(stream: IO[bytes], asked: queue.SimpleQueue[_Asked]) -> None:
    try:
        while True:
            asked.put(receive(stream))
    except BaseException:  # the end, or no memory: nobody may wait for what does not come
        asked.put(None)


def _tell(events: IO[bytes], event: Event) -> None:
    with contextlib.suppress(OSError):
        send(events, event)


if __name__ == "__main__":
    main()
