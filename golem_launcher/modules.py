"""Commands that run one of our modules in this Python, unaffected by files in the current directory.

``python -m`` looks for every module there first, Python's own among them. That directory is the user's: it may hold a
``random.py`` of theirs, or the results of a session, which a stranger wrote.
"""

from __future__ import annotations

import sys


def command(module: str, *arguments: str) -> list[str]:
    """As ``python -m MODULE ARGUMENTS``, for all that is run on the user's computer: by us, or by an ssh client."""
    return [sys.executable, "-P", "-m", module, *arguments]
