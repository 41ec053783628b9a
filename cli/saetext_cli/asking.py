"""What a command says of a language model it asked: what it cost, what failed, and whether anything came.

The rule is the same everywhere: what could be had is printed and written; a command that asked for something
and got not one usable answer ends with exit code 1 after that. Not for: the client (:mod:`saetext.io.llm`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext_cli.common import note

if TYPE_CHECKING:
    from saetext.io.llm import ChatClient


def tell_costs(client: ChatClient | None) -> None:
    """Print what was asked, from where it came, what failed, and what it cost."""
    if client is None:
        return
    note(client.ledger.describe())
    if failed := client.ledger.failures.total():
        note(f"{failed:,} requests failed: the same command asks for them again, and for nothing else")


def require_answers(client: ChatClient | None) -> None:
    """End the command with an error if something was asked for and nothing usable came.

    Raises
    ------
    EndpointError
        In one line; call it when all else is printed and written.
    """
    if client is not None:
        client.require_answers()
