"""Renames files whose names differ in a session but not on many computers (``A.txt``, ``a.txt``; accents).

A save holds them as they are. Where files are written for others to read, the second one gets a number.
"""

from __future__ import annotations

import contextlib
import secrets
import unicodedata
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository.entry import LONGEST_PART

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def distinct_names(paths: Iterable[str]) -> dict[str, str]:
    """New names for the paths that need one, so that no two names are the same on any computer.

    What lies in a directory with a new name has a new path, too.
    """
    given: dict[str, str] = {}
    taken: set[str] = set()
    ordered = sorted(paths, key=lambda path: path.split("/"))
    for path in ordered:
        _name(path, given, taken)
    return {path: given[path] for path in ordered if given[path] != path}


def _name(path: str, given: dict[str, str], taken: set[str]) -> str:
    """The name of ``path``; those of the directories above it are given first."""
    if path not in given:
        above, slash, name = path.rpartition("/")
        prefix = (_name(above, given, taken) if slash else "") + slash
        found, number = prefix + name, 1
        while folded(found) in taken:
            number += 1
            found = prefix + _numbered(name, number)
        given[path] = found
        taken.add(folded(found))
    return given[path]


def _numbered(name: str, number: int) -> str:
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    while len(f"{stem} ({number}){dot}{ending}".encode()) > LONGEST_PART and len(stem) > 1:
        stem = stem[:-1]
    return f"{stem} ({number}){dot}{ending}"


def folded(path: str) -> str:
    """A path in a form that is equal for paths that many computers take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def ignores_case(directory: Path) -> bool:
    """Whether this directory takes names that differ in case only for one. It must be writable: it is tried."""
    probe = directory / f".golem-launcher-{secrets.token_hex(4)}"
    probe.touch()
    try:
        return probe.with_name(probe.name.upper()).exists()
    finally:
        with contextlib.suppress(FileNotFoundError):
            probe.unlink()
