# ruff: noqa: INP001 - a script of MkDocs's, no part of a package
"""Hooks of the documents' site: a page of all errors, from the code, and links that lead out of ``docs/``."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PACKAGE = Path(__file__).resolve().parents[1] / "golem_launcher"
_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)]*)\)")
_HEAD = """# Errors, word by word

What the launcher says when something can't be, as it is in the code, and what to do about it. A … stands for what is
particular to you. Search this page for the words that you were told.
"""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the page of errors."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the page is made without it, too

    files.append(File.generated(config, "errors.md", content=errors()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Files of the repository that are no page of the site are named, and not linked to."""
    return _OUTSIDE.sub(lambda found: f"{found[1]} (`{found[2]}`)", markdown)


def errors() -> str:
    """The page of errors: by kind, each message with what to do."""
    tree = ast.parse((PACKAGE / "errors.py").read_text())
    kinds = {one.name: ast.get_docstring(one) or "" for one in tree.body if isinstance(one, ast.ClassDef)}
    found: dict[str, dict[str, str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for kind, what, remedy in _raised(ast.parse(file.read_text()), kinds):
            found.setdefault(kind, {})[what] = remedy
    parts = [_HEAD]
    for kind in sorted(found):
        rows = [f"| {_cell(what)} | {_cell(remedy)} |" for what, remedy in sorted(found[kind].items())]
        parts.append("\n".join([f"## {kind}", "", kinds[kind], "", "| said | what to do |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _raised(tree: ast.AST, kinds: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
            what, remedy = (_words(part) for part in [*node.args, ast.Constant("")][:2])
            if re.search(r"\w{3}.*\w{3}", what):
                yield node.func.id, what, remedy


def _words(node: ast.AST) -> str:
    """What a string of the code says; … for what is only known later."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_words, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _words(node.left) + _words(node.right)
    return "…"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
