"""Hooks attached to a running model by name: what stands there is seen, and may be changed.

Not for: names (:mod:`saetext.reader.hooks`), or what is done with the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from torch import Tensor, nn

from saetext.errors import ReaderError
from saetext.reader.hooks import Architecture, Hook, normalise

#: Gets a hook and the value there; what it returns takes the value's place, None leaves it.
OnValue = Callable[[Hook, Tensor], Tensor | None]


@contextmanager
def watched(
    base: nn.Module, architecture: Architecture, hooks: Sequence[Hook], on_value: OnValue
) -> Iterator[None]:
    """Call ``on_value`` at every hook that a forward pass within reaches.

    Parameters
    ----------
    base : nn.Module
        The model without its head.
    architecture : Architecture
        How it is laid out.
    hooks : sequence of Hook
        Where to look; they are detached in the end, whatever happened.
    on_value : callable
        Gets the hook and float[batch, sequence, width]; what it returns, unless None, goes on in its place.

    Raises
    ------
    ReaderError
        In the forward pass, if a normalised value, which the model itself never has, is to be changed.
    """
    with ExitStack() as stack:
        # what changes the residual stream in place comes before what replaces one branch's view of it
        for hook in sorted(hooks, key=lambda hook: hook.place.side != "stream"):
            handle = _attached(base, architecture, hook, on_value)
            stack.callback(handle.remove)
        yield


def _attached(base: nn.Module, architecture: Architecture, hook: Hook, on_value: OnValue) -> Any:
    module = module_of(base, architecture, hook)

    def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        changed = on_value(hook, output[0] if isinstance(output, tuple) else output)
        if changed is None:
            return None
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        value = args[0] if args else kwargs["hidden_states"]
        changed = _changed_input(hook, module, architecture, value, on_value)
        if changed is None:
            return None
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})

    if hook.place.side == "output":
        return module.register_forward_hook(on_output)
    return module.register_forward_pre_hook(on_input, with_kwargs=True)


def _changed_input(
    hook: Hook, module: nn.Module, architecture: Architecture, value: Tensor, on_value: OnValue
) -> Tensor | None:
    """Return what goes into the module instead, or None; the residual stream is changed in place."""
    if hook.place.side == "normalised":
        if on_value(hook, normalise(value, module, architecture.norm)) is not None:
            raise ReaderError(f"{hook.name} can be read, not changed: change the stream before the norm")
        return None
    changed = on_value(hook, value)
    if changed is None or changed is value or hook.place.side == "input":
        return changed
    value.copy_(changed)
    return None


def module_of(base: nn.Module, architecture: Architecture, hook: Hook) -> nn.Module:
    """Return the module at whose input or output a hook is."""
    above = "" if hook.layer is None else f"{architecture.layers}.{hook.layer}"
    return base.get_submodule(f"{above}.{hook.place.module}".strip("."))
