# ruff: noqa: INP001 - a script of MkDocs's, no part of a package
"""Hooks of the documents' site: a page of all errors, from the code, and links that lead out of ``docs/``."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

    Strings = Mapping[str, list[str]]

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
    trees = {file: ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py"))}
    kinds = _kinds(trees)
    bound = (item for tree in trees.values() for item in _bound(tree.body).items())
    shared = {name: values for name, values in bound if name.isupper() and name[0] != "_"}
    found: dict[str, dict[str, str]] = {}
    for tree in trees.values():
        for kind, what, remedy in _raised(tree, kinds, shared):
            found.setdefault(kind, {})[what] = remedy
    parts = [_HEAD]
    for kind in sorted(found):
        rows = [f"| {_cell(what)} | {_cell(remedy)} |" for what, remedy in sorted(found[kind].items())]
        parts.append("\n".join([f"## {kind}", "", kinds[kind], "", "| said | what to do |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _kinds(trees: dict[Path, ast.Module]) -> dict[str, str]:
    """The exceptions with their words: all of ``errors.py``, and what rooms have derived from them."""
    kinds = {one.name: ast.get_docstring(one) or "" for one in _classes(trees[PACKAGE / "errors.py"])}
    derived = [one for tree in trees.values() for one in _classes(tree)]
    for one in derived:
        if any(isinstance(base, ast.Name) and base.id in kinds for base in one.bases) and one.name[0] != "_":
            kinds.setdefault(one.name, ast.get_docstring(one) or "")
    return kinds


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [one for one in tree.body if isinstance(one, ast.ClassDef)]


def _raised(tree: ast.Module, kinds: dict[str, str], shared: Strings) -> Iterator[tuple[str, str, str]]:
    """Each message of a file: its kind, what it says, what to do."""
    of_file = {**shared, **_bound(tree.body)}
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        names = {**of_file, **_bound(ast.walk(function), of_file)}
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
                remedies = _words(node.args[1], names) if len(node.args) > 1 else [""]
                for what in _words(node.args[0], names):
                    if re.search(r"\w{3}.*\w{3}", what):
                        yield node.func.id, what, remedies[0] if len(remedies) == 1 else "…"


def _bound(nodes: Iterable[ast.AST], known: Strings = MappingProxyType({})) -> dict[str, list[str]]:
    """Names to which strings are given, each with all that it may be."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, ast.expr() as value):
                words = [one for one in _words(value, known) if one != "…"]
                if words:
                    found.setdefault(name, []).extend(words)
    return found


def _words(node: ast.AST, names: Strings) -> list[str]:
    """All that a string of the code may say; … for what is only known later."""
    found = ["…"]
    match node:
        case ast.Constant(str(value)):
            found = [value]
        case ast.JoinedStr(parts):
            found = ["".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)]
        case ast.BinOp(left, ast.Add(), right):
            found = [one + other for one in _words(left, names) for other in _words(right, names)]
        case ast.IfExp(_, body, otherwise):
            found = [*_words(body, names), *_words(otherwise, names)]
        case ast.Name(name):
            found = list(names.get(name, found))
        case ast.Call(ast.Name("sentence"), [inner]) | ast.Call(ast.Attribute(inner, "strip" | "rstrip"), []):
            found = _words(inner, names)
    return found


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
