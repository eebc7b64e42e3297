"""Our own modules, as programs and as places: the command that runs one, and the files that lie beside one."""

from __future__ import annotations

import functools
import sys
from pathlib import Path


def command(module: str, *arguments: str) -> list[str]:
    """As ``python -m MODULE ARGUMENTS``, for all that is run on the user's computer: by us, or by an ssh client.

    ``python -m`` itself looks for every module in the current directory first, Python's own among them. That directory
    is the user's: it may hold a ``random.py`` of theirs, or the results of a session, which a stranger wrote.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


@functools.cache
def text_beside(module_file: str, suffix: str) -> str:
    """The file that is named as a module is (its ``__file__``), but for the suffix: a page's script or style.

    Read once. Blocking.
    """
    return Path(module_file).with_suffix(suffix).read_text(encoding="utf-8")
