"""Options for a language model's endpoint, and the client they describe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from saetext.io.llm import ChatClient

BaseUrl = Annotated[str | None, typer.Option("--base-url", help="Endpoint that speaks OpenAI's protocol.")]
ModelName = Annotated[str | None, typer.Option("--model", help="As the endpoint calls it.")]
ApiKeyEnv = Annotated[
    str, typer.Option("--api-key-env", metavar="NAME", help="Environment variable with the key.")
]
Concurrency = Annotated[int, typer.Option("--concurrency", min=1, help="Requests at a time.")]
PriceIn = Annotated[
    float | None, typer.Option("--price-in", min=0, help="US dollars per million tokens, for the costs.")
]
PriceOut = Annotated[float | None, typer.Option("--price-out", min=0, help="Likewise.")]


def client_for(
    base_url: str | None,
    model: str | None,
    key_env: str,
    concurrency: int,
    price_in: float | None,
    price_out: float | None,
) -> ChatClient | None:
    """Return a client of an endpoint; None if none was named."""
    if base_url is None and model is None:
        return None
    if base_url is None or model is None:
        raise typer.BadParameter("--base-url and --model belong together")
    from saetext.io.llm import ChatClient

    price = None if price_in is None and price_out is None else (price_in or 0.0, price_out or 0.0)
    key = os.environ.get(key_env)
    if key is None and key_env != "OPENAI_API_KEY":
        # The client would fall back on OPENAI_API_KEY and hand that key to somebody else's endpoint.
        raise typer.BadParameter(f"the environment variable {key_env} is not set", param_hint="--api-key-env")
    return ChatClient(base_url, model, api_key=key, concurrency=concurrency, price=price)
