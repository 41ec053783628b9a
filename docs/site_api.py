"""Sphinx extension: the API reference, made from ``saetext.__all__``, and strict references in docstrings.

``docs/api.md`` has a line ``<!-- api -->`` where it goes. A reference to something in saetext that is not
public (``saetext.report.export.to_csv``) is shown as its name, if there is such a thing; else it is an error.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from docutils import nodes

MARK = "<!-- api -->"


def public() -> dict[str, Any]:
    """Return the public names and what they are."""
    import saetext

    return {name: getattr(saetext, name) for name in saetext.__all__}


def reference() -> str:
    """Return the reference as MyST: functions, then classes, then errors and warnings."""
    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors and warnings": []}
    for name, value in public().items():
        if not inspect.isclass(value):
            kinds["Functions"].append(f".. autofunction:: saetext.{name}")
        elif issubclass(value, Exception):
            kinds["Errors and warnings"].append(f".. autoexception:: saetext.{name}")
        else:
            # what scikit-learn brings is described there
            theirs = ", ".join(
                base.__name__ for base in inspect.getmro(value) if base.__module__[:7] == "sklearn"
            )
            members = f"   :members:\n   :inherited-members: {theirs or 'object'}"
            kinds["Classes"].append(f".. autoclass:: saetext.{name}\n{members}")
    return "\n\n".join(_section(title, entries) for title, entries in kinds.items())


def _section(title: str, entries: list[str]) -> str:
    return f"## {title}\n\n```{{eval-rst}}\n" + "\n\n".join(entries) + "\n```"


def _fill(app: Any, docname: str, source: list[str]) -> None:
    if docname == "docs/api":
        source[0] = source[0].replace(MARK, reference())


def _find(target: str) -> Any:
    """Return what a dotted name in saetext stands for; LookupError if there is no such thing."""
    parts = target.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            if not hasattr(found, part) and part not in _fields(found):
                raise LookupError(target)
            found = getattr(found, part, None)
        return found
    raise LookupError(target)


def _fields(thing: Any) -> set[str]:
    return {name for base in getattr(thing, "__mro__", ()) for name in getattr(base, "__annotations__", ())}


def _homes(node: nodes.Element) -> list[str]:
    """Return where a short name may come from: the class or module it is written in, then all public ones."""
    names = public()
    modules = sorted({value.__module__ for value in names.values()} | {"saetext.errors"})
    own = node.get("py:class")
    if own in names:
        return [*(f"{base.__module__}.{base.__qualname__}" for base in names[own].__mro__[:-1]), *modules]
    return modules


def _missing(app: Any, env: Any, node: nodes.Element, contnode: nodes.TextElement) -> nodes.Node | None:
    if node.get("refdomain") != "py":
        return None
    if not isinstance(contnode, nodes.literal) or "xref" not in contnode.get("classes", ()):
        return contnode  # a type in words, "int or None", which asks for no link
    target = node["reftarget"]
    for full in [target] if target.startswith("saetext.") else [f"{h}.{target}" for h in _homes(node)]:
        try:
            found = _find(full)
        except LookupError:
            continue
        for name, value in public().items():
            if value is found:
                domain = env.get_domain("py")
                return domain.resolve_xref(
                    env, node["refdoc"], app.builder, node["reftype"], f"saetext.{name}", node, contnode
                )
        return contnode
    return None  # which Sphinx reports


def setup(app: Any) -> dict[str, bool]:
    """Register."""
    app.connect("source-read", _fill)
    app.connect("missing-reference", _missing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
