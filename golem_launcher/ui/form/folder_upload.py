"""Unpacks a folder that the browser sends as one file: a list of its files, then their bytes.

The list is JSON, ``[[path, size], …]``, with paths relative to the folder. So a folder of thousands of files travels
like one large file, in parts and resumed. Paths are a stranger's: each word of them is cleaned, and nothing leaves the
folder.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from typing import TYPE_CHECKING, BinaryIO

from golem_launcher.ui.form.upload_names import clean_file_name, unused

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_LIST = 32 * 1024 * 1024
"""Bytes: some hundred thousand files."""

_DEEPEST = 100
_PIECE = 1024 * 1024
_STRANGE = "This is no folder that the page made."


def unpack(packed: Path, listed: int, folder: Path) -> int:
    """Write the files of ``packed``, whose first ``listed`` bytes are the list, to a new ``folder``; how many they are.

    Raises ``ValueError`` when it is no folder, and ``OSError`` when the disk does not take it.
    """
    with packed.open("rb") as source:
        files = _read_list(source.read(listed))
        if listed + sum(size for _, size in files) != packed.stat().st_size:
            raise ValueError(_STRANGE)
        folder.mkdir(mode=0o700)
        taken: dict[Path, set[str]] = defaultdict(set)
        for words, size in files:
            place = folder.joinpath(*words[:-1])
            place.mkdir(parents=True, exist_ok=True)
            name = unused(words[-1], taken[place])
            taken[place].add(name)
            with open(place / name, "xb", opener=_private) as file:
                _copy(source, file, size)
    return len(files)


def _read_list(data: bytes) -> list[tuple[list[str], int]]:
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError(_STRANGE) from None
    files = []
    for entry in entries if isinstance(entries, list) else [None]:
        match entry:
            case [str(path), int(size)] if size >= 0 and not isinstance(size, bool):
                files.append((_words(path), size))
            case _:
                raise ValueError(_STRANGE)
    return files


def _words(path: str) -> list[str]:
    words = [clean_file_name(word) for word in path.replace("\\", "/").split("/") if word not in {"", "."}]
    if not 0 < len(words) <= _DEEPEST:
        raise ValueError("The folder is too deep." if words else _STRANGE)
    return words


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size > 0:
        piece = source.read(min(size, _PIECE))
        target.write(piece)
        size -= len(piece)
        if not piece:
            raise ValueError(_STRANGE)
