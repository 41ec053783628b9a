"""What the executable ``saetext`` calls: signals are handled before anything else is imported."""

from __future__ import annotations

import gc
import os
import sys

from saetext_cli import stopping

#: How often Python looks for garbage. What a command imports are hundreds of thousands of objects that stay,
#: and looking through them again and again was a sixth of the CPU time before the first text.
_LOOK = (20_000, 20, 20)


def main() -> None:
    """Run the command line."""
    stopping.watch()
    gc.set_threshold(*_LOOK)
    try:
        from saetext_cli.main import main as run

        stopping.check()
        run()
    except stopping.Stopped:
        if sys.stderr is not None:
            print("saetext: stopped", file=sys.stderr, flush=True)
        os._exit(stopping.exit_code())
    finally:
        stopping.leave()
