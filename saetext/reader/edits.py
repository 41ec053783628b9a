"""Edits of a running model: where values at hooks are changed, and kept as they are after it.

Not for: what to change them to, or attaching hooks (:mod:`saetext.reader.watching`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import saetext.reader.stack  # noqa: F401 - says what is missing

from torch import Tensor

from saetext.errors import ReaderError
from saetext.reader.hooks import Hook

#: An edit of a running model. It gets the hidden states at a hook, float[batch, sequence, width], the
#: absolute position of each token in its text, int64[batch, sequence] with -1 at padding, and the number of
#: each sequence, int64[batch]; it returns the changed hidden states. While texts are written it is called
#: once for a prompt and then with one token at a time: only positions say where it is, never a shape.
Edit = Callable[[Tensor, Tensor, Tensor], Tensor]


class Values:
    """What stands at the hooks of one forward pass, edited and kept."""

    def __init__(
        self,
        names: Sequence[str],
        edits: Mapping[str, Edit],
        positions: Tensor,
        rows: Tensor,
        gradients: bool,
    ) -> None:
        self.names, self.edits, self.gradients = names, edits, gradients
        self.positions, self.rows = positions, rows
        self.kept: dict[str, Tensor] = {}

    def at(self, hook: Hook, value: Tensor) -> Tensor | None:
        """Edit and keep the value at a hook; return what takes its place, or None."""
        new = value
        if edit := self.edits.get(hook.name):
            # the stream is changed in place, and what the edit computed from must stay as it was
            new = edit(value.clone() if hook.place.side == "stream" else value, self.positions, self.rows)
            if new.shape != value.shape or new.dtype != value.dtype:
                raise ValueError(
                    f"the edit at {hook.name} returned {new.dtype} {list(new.shape)}, "
                    f"not {value.dtype} {list(value.shape)}"
                )
        if hook.name in self.names:
            if self.gradients and new is value and hook.place.side == "input":
                new = value.clone()  # what goes into this branch alone, not what goes past it as well
            self._keep(hook, new)
        return None if new is value else new

    def _keep(self, hook: Hook, value: Tensor) -> None:
        if self.gradients:
            if hook.place.side == "normalised":
                raise ReaderError(
                    f"{hook.name} can be read, not differentiated: take the stream before the norm"
                )
            if not value.requires_grad:
                value.requires_grad_()
        self.kept[hook.name] = value
