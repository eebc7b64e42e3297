"""Commands that run one of our modules in this Python, unaffected by files in the current directory.

``python -m`` looks for every module there first, Python's own among them. That directory is the user's: it may hold a
``random.py`` of theirs, or the results of a session, which a stranger wrote.
"""

from __future__ import annotations

import sys

_RUN = (
    "import sys; sys.path[:] = filter(None, sys.path); import runpy; "
    'runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)'
)


def command(module: str, *arguments: str) -> list[str]:
    """As ``python -m MODULE ARGUMENTS``, for what is run where the user is: an ssh client's proxy, say."""
    return [sys.executable, "-c", _RUN, module, *arguments]
