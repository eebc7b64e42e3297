"""Sanitizes the names of uploaded files."""

from __future__ import annotations

import unicodedata
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

_LONGEST_NAME = 180
_LONGEST_SUFFIX = 20


def clean_file_name(name: str) -> str:
    """One name, whatever came: no directories, nothing that cannot be seen."""
    last = PurePath(name.replace("\\", "/")).name
    plain = unicodedata.normalize("NFC", last.encode(errors="ignore").decode())
    shown = " ".join("".join(character for character in plain if character.isprintable()).split()).rstrip(". ")
    stem, dot, suffix = shown.rpartition(".")
    if not stem or len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, dot, suffix = shown, "", ""
    tail = f"{dot}{suffix}"
    room = _LONGEST_NAME - len(tail.encode())
    return (stem.encode()[:room].decode(errors="ignore") + tail) or "file"


def unused(name: str, taken: Container[str]) -> str:
    """``name``, or with a number when a file of that name was brought before."""
    stem, tail = split_name(name)
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{stem} ({number}){tail}"
    return found


def split_name(name: str) -> tuple[str, str]:
    """What stands before the last dot, and the rest; a name that begins with its only dot is whole."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, f"{dot}{suffix}") if stem else (name, "")
