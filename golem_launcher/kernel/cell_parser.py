"""A cell as commands of ours and Python between them: ``%connect`` stands at the head of a line, wherever that is."""

from __future__ import annotations

import difflib
import io
import re
import tokenize
from dataclasses import dataclass

_LINE = re.compile(r"[ \t]*(%%?)([a-z][a-z_]*)(\?{0,2})(?=\s|$)(.*)", re.DOTALL)
_QUESTION = re.compile(r"[ \t]*\?{1,2}(%%?)([a-z][a-z_]*)[ \t]*$")
_COMMENT = re.compile(r"(^|\s)#.*$")
_NEAR = 0.8
"""How like a word must be to a command, of 1, to be a slip of the finger."""


@dataclass(frozen=True)
class Code:
    """Lines of Python for the kernel over there."""

    text: str


@dataclass(frozen=True)
class CommandCall:
    """A command of ours, as a cell calls it."""

    name: str
    words: str
    """What follows, without a comment."""
    asks: bool = False
    """It asks for help, like ``%connect?``."""
    body: str | None = None
    """The rest of the cell, of a command that takes it (``%%golem``)."""


@dataclass(frozen=True)
class Names:
    """The names of our commands."""

    lines: frozenset[str]
    """Of those that stand in a line."""
    cells: frozenset[str] = frozenset()
    """Of those that take the cell."""
    alone: frozenset[str] = frozenset()
    """Of those of a line that are ours without words alone: with some they are IPython's."""


def split(text: str, names: Names) -> list[Code | CommandCall]:
    """The parts of a cell, in order; Python of blanks and comments alone is left out beside a command."""
    lines = text.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if not _is_empty(line)), len(lines))
    parts: list[Code | CommandCall] = []
    code: list[str] = []
    for number, line in enumerate(lines):
        call = _call(line, names)
        if call is None or (call.body is not None and number != first) or not _may_stand(line, code):
            code.append(line)
            continue
        if any(not _is_empty(one) for one in code):
            parts.append(Code("".join(code)))
        code = []
        if call.body is not None:
            return [*parts, CommandCall(call.name, call.words, call.asks, "".join(lines[number + 1 :]))]
        parts.append(call)
    if not parts:
        return [Code(text)]
    if any(not _is_empty(one) for one in code):
        parts.append(Code("".join(code)))
    return parts


def names_command(text: str, names: Names) -> bool:
    """Whether a line of this text would be one of our commands, wherever it stands."""
    return any(_call(line, names) is not None for line in text.splitlines(keepends=True))


def meant(text: str, names: Names) -> str:
    """The command of ours that a line of this text misses by a letter or two; empty: there is none.

    IPython over there may have a magic of such a name, so this is for what it does not know.
    """
    commands = {f"%{name}" for name in names.lines} | {f"%%{name}" for name in names.cells}
    typed = {found[1] + found[2]: None for line in text.splitlines() if (found := _LINE.match(line))}
    near = (difflib.get_close_matches(word, commands, n=1, cutoff=_NEAR) for word in typed if word not in commands)
    return next((found[0] for found in near if found), "")


def _call(line: str, names: Names) -> CommandCall | None:
    if found := _QUESTION.match(line.rstrip("\n")):
        return CommandCall(found[2], "", asks=True) if found[2] in names.lines | names.cells else None
    found = _LINE.match(line)
    if found is None:
        return None
    sign, name, question, rest = found.groups()
    words = _COMMENT.sub("", rest.strip()).strip()
    if question:
        return CommandCall(name, "", asks=True) if name in names.lines | names.cells and not words else None
    if sign == "%%":
        return CommandCall(name, words, body="") if name in names.cells else None
    if words and name in names.alone:
        return None
    return CommandCall(name, words) if name in names.lines else None


def _is_empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _may_stand(line: str, before: list[str]) -> bool:
    """Whether a statement may begin here: not within a string, a bracket or a block."""
    if all(_is_empty(one) for one in before):
        return True
    if line[0] in " \t":
        return False
    try:
        for _ in tokenize.generate_tokens(io.StringIO("".join(before)).readline):
            pass
    except tokenize.TokenError:  # the text ends within a string or a bracket
        return False
    except (SyntaxError, IndentationError):
        return True  # magics of IPython's are no Python
    return True
