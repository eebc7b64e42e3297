"""What is not saved: defaults, and the user's ``.golemignore``, with ``.gitignore``'s patterns.

A file ``.golemignore`` counts for its directory and everything below. A pattern that begins with ``!`` takes back what
an earlier one left out, the defaults included; the last pattern that fits decides. What is inside a directory that is
left out is never looked at.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FILE = ".golemignore"
LARGEST_FILE = 256 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_RULES = 2000
_LONGEST_RULE = 1024
DEFAULTS = (
    ".cache/", "__pycache__/", "*.pyc", ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".hypothesis/", ".tox/",
    ".nox/", "node_modules/", ".npm/", ".yarn/cache/", ".Trash/", ".Trash-*/", ".local/share/Trash/",
    ".~lock.*", ".nfs*", "lost+found/", ".golem-launcher-*.part",
    "/.golem-launcher/",
)  # fmt: skip
"""What a program makes again by itself. ``.ipynb_checkpoints`` and ``.git`` are kept: they hold the user's past.

The last is the agent's own, see file_placement.py.
"""


class Rule(NamedTuple):
    """One pattern."""

    fits: re.Pattern[str]
    directories_only: bool
    keep: bool
    by_name: bool
    """Fits a name wherever it is; else a whole path."""


class IgnoreRules:
    """The rules that count in one directory. Immutable; :meth:`below` adds those of a directory's own file."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._any_name = _either([rule for rule in rules if rule.by_name])
        self._any_path = _either([rule for rule in rules if not rule.by_name])

    def below(self, prefix: str, text: str) -> IgnoreRules:
        """These, then the patterns of ``text``, which lies in the directory ``prefix`` (``""`` or ends with ``/``)."""
        added = parse(text, prefix)
        return IgnoreRules(self._rules + added) if added else self

    def leave_out(self, name: str, path: str, *, directory: bool) -> bool:
        """Whether the entry at ``path``, whose last part is ``name``, is not saved."""
        if self._any_name(name) is None and self._any_path(path) is None:  # of nearly all
            return False
        for rule in reversed(self._rules):
            if (directory or not rule.directories_only) and rule.fits.fullmatch(name if rule.by_name else path):
                return not rule.keep
        return False


def _either(rules: list[Rule]) -> Callable[[str], re.Match[str] | None]:
    return re.compile("|".join(f"(?:{rule.fits.pattern})" for rule in rules) or r"(?!)", re.DOTALL).fullmatch


def parse(text: str, prefix: str = "") -> tuple[Rule, ...]:
    """The rules in the lines of ``text``; a pattern that can't be one is passed over."""
    found = []
    for line in text.splitlines()[:_MOST_RULES]:
        rule = _rule(line, prefix) if len(line) <= _LONGEST_RULE else None
        if rule is not None:
            found.append(rule)
    return tuple(found)


def read(directory: int) -> str:
    """The patterns in the file of an open directory; none where there is no file that can be read."""
    try:
        descriptor = os.open(FILE, _READ, dir_fd=directory)
    except OSError:
        return ""
    try:
        return os.read(descriptor, LARGEST_FILE).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def defaults(more: Iterable[str] = ()) -> IgnoreRules:
    """The rules without any file: the defaults, and the patterns that are left out of this workload's workspace."""
    return IgnoreRules(parse("\n".join((*DEFAULTS, *more))))


def _rule(line: str, prefix: str) -> Rule | None:
    pattern = re.sub(r"(?<!\\)\s+$", "", line)
    if not pattern or pattern.startswith("#"):
        return None
    keep = pattern.startswith("!")
    pattern = pattern[1:] if keep else pattern
    directories_only = pattern.endswith("/")
    pattern = pattern.rstrip("/")
    anchored = "/" in pattern
    pattern = pattern.lstrip("/")
    if not pattern:
        return None
    try:
        fits = re.compile((re.escape(prefix) if anchored else "") + _translate(pattern), re.DOTALL)
    except re.error:
        return None
    return Rule(fits, directories_only, keep, not anchored)


def _translate(pattern: str) -> str:
    """As gitignore(5) reads it: ``*`` and ``?`` stop at ``/``, ``**`` between slashes is any number of directories."""
    made, at = [], 0
    while at < len(pattern):
        letter = pattern[at]
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            made.append("(?:.*/)?")
            at += 3
            continue
        if pattern.startswith("**", at) and at and pattern[at - 1] == "/" and at + 2 == len(pattern):
            made.append(".+")
            at += 2
            continue
        if letter == "*":
            while at + 1 < len(pattern) and pattern[at + 1] == "*":
                at += 1
            made.append("[^/]*")
        elif letter == "?":
            made.append("[^/]")
        elif letter == "[" and (close := _class_end(pattern, at)) > 0:
            inside = pattern[at + 1 : close].replace("\\", r"\\").replace("[", r"\[")
            made.append(f"(?!/)[{'^' + inside[1:] if inside[0] in '!^' else inside}]")
            at = close
        elif letter == "\\" and at + 1 < len(pattern):
            at += 1
            made.append(re.escape(pattern[at]))
        else:
            made.append(re.escape(letter))
        at += 1
    return "".join(made)


def _class_end(pattern: str, at: int) -> int:
    """Where the ``]`` of a class is, or -1. One that comes first stands for itself."""
    first = at + 2 if pattern[at + 1 : at + 2] in ("!", "^") else at + 1
    return pattern.find("]", first + 1)
