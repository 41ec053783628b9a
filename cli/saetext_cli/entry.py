"""What the executable ``saetext`` calls: signals are handled before anything else is imported."""

from __future__ import annotations

import os
import sys

from saetext_cli import stopping


def main() -> None:
    """Run the command line."""
    stopping.watch()
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
