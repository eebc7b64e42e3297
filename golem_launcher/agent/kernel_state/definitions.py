"""Remembers functions, classes and the like by the source that made them.

A pickled function is bytecode of one Python version, and has lost the notebook whose globals it reads. Its source works
in each version, and makes a function of the notebook it comes back to.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import textwrap
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAIN = "__main__"
_LONGEST_CELL = 256 * 1024
"""Characters; a longer one is data."""
_FUTURE = "from __future__ import annotations\n"
_MISSING = object()
_BY_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = ("body", "orelse", "finalbody", "handlers")


class Definitions:
    """What the cells of one notebook defined. One thread at a time."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, object]] = {}
        """By name: the source, and what it made. A name that has another value by now is not of that source."""

    def hear(self, cell: str, namespace: Mapping[str, Any], *, future: bool = False) -> None:
        """A cell has run: Python's source of it. ``future``: annotations are not evaluated in this notebook."""
        if len(cell) > _LONGEST_CELL:
            return
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            for node, nested in _statements(ast.parse(cell).body):
                for name in _bound(node):
                    self._known.pop(name, None)
                name = _defined(node)
                value = namespace.get(name, _MISSING)
                if value is not _MISSING and _is_made_by(node, value):
                    text = ast.unparse(node) if nested else _lines(cell, node)
                    self._known[name] = ((_FUTURE if future else "") + text, value)

    def take(self, name: str, source: str, value: object) -> None:
        """A definition that came back."""
        self._known[name] = (source, value)

    def current(self, namespace: Mapping[str, Any]) -> dict[str, str]:
        """The source of each name that still has the value it was given by it, in the order of their last cells."""
        found = {
            name: source
            for name, (source, value) in self._known.items()
            if namespace.get(name, _MISSING) is value
        }  # fmt: skip
        for name, value in namespace.items():
            if name not in found and isinstance(value, FunctionType) and value.__module__ == MAIN:
                source = _source_of(name, value)  # what `%run` brought, say
                if source:
                    found[name] = source
        return found


def _statements(body: list[ast.stmt], *, nested: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """All statements that run in the notebook itself, those in an ``if``, a ``with`` or a loop included."""
    for node in body:
        yield node, nested
        if not isinstance(node, _BY_DEFINITION):
            for block in _BLOCKS:
                for inner in getattr(node, block, ()):
                    if isinstance(inner, ast.ExceptHandler):
                        yield from _statements(inner.body, nested=True)
                    elif isinstance(inner, ast.stmt):
                        yield from _statements([inner], nested=True)


def _bound(node: ast.stmt) -> Iterator[str]:
    """Names that this statement gives another value."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        targets = [node.target]
    elif isinstance(node, _BY_DEFINITION):
        yield node.name
    for target in targets:
        for each in ast.walk(target):
            if isinstance(each, ast.Name):
                yield each.id


def _defined(node: ast.stmt) -> str:
    """The name that it may define, or none."""
    if isinstance(node, _BY_DEFINITION):
        return node.name
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return ""


def _is_made_by(node: ast.stmt, value: object) -> bool:
    """Whether running this once more makes such a value again, and nothing else happens by it."""
    if isinstance(node, _BY_DEFINITION):
        return bool(node.decorator_list) or getattr(value, "__module__", "") == MAIN
    made = getattr(node, "value", None)
    if isinstance(made, ast.Lambda):
        return isinstance(value, FunctionType)
    return (
        isinstance(made, ast.Call)
        and _is_plain(made)
        and ((isinstance(value, type) and value.__module__ == MAIN) or type(value).__module__ == "typing")
    )


def _is_plain(node: ast.AST) -> bool:
    """Whether it is made of names, constants and calls of names: ``namedtuple("P", ["x", "y"])``."""
    plain = (ast.Constant, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.Call, ast.keyword, ast.Load)
    return all(isinstance(each, plain) for each in ast.walk(node))


def _lines(cell: str, node: ast.stmt) -> str:
    """The statement as it was written, its comments and decorators included."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    lines = cell.splitlines()[first - 1 : node.end_lineno]
    text = "\n".join(lines) + "\n"
    try:
        (alone,) = ast.parse(text).body
    except (SyntaxError, ValueError):  # it shares a line with others
        return ast.unparse(node)
    return text if type(alone) is type(node) else ast.unparse(node)


def _source_of(name: str, value: FunctionType) -> str:
    if value.__qualname__ != name or value.__closure__:
        return ""
    with contextlib.suppress(OSError, TypeError, ValueError, SyntaxError, IndentationError):
        source = textwrap.dedent(inspect.getsource(value))
        (node,) = ast.parse(source).body
        if _defined(node) == name and isinstance(node, _BY_DEFINITION):
            return source
    return ""
