"""What makes JupyterLab start in half its time, without taking anything away. Measured with ``-X importtime``.

Each stands alone and does nothing where a version of JupyterLab has no such thing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

_GRAMMAR = "rfc3987_syntax"


def apply() -> None:
    """Before JupyterLab is imported."""
    grammar_when_needed()
    _no_yarn()


def grammar_when_needed() -> None:
    """Leave a large grammar uncompiled until somebody needs it (1.2 s). For any program that loads Jupyter's packages.

    jsonschema imports rfc3987_syntax, which then compiles its grammar of internationalized addresses, to check a
    format that no schema of Jupyter's uses. The stand-in loads the real module at the first use.
    """
    spec = importlib.util.find_spec(_GRAMMAR)
    if _GRAMMAR in sys.modules or spec is None:
        return

    def real() -> types.ModuleType:
        if sys.modules.get(_GRAMMAR) is stand_in:
            del sys.modules[_GRAMMAR]
        return importlib.import_module(_GRAMMAR)

    def is_valid_syntax(term: str, value: str) -> bool:
        found: bool = real().is_valid_syntax(term, value)
        return found

    def anything_else(name: str) -> Any:
        if name.startswith("__"):  # asked by whoever looks through all modules
            raise AttributeError(name)
        return getattr(real(), name)

    stand_in = types.ModuleType(_GRAMMAR)
    vars(stand_in).update(
        is_valid_syntax=is_valid_syntax, __getattr__=anything_else, __path__=spec.submodule_search_locations
    )
    sys.modules[_GRAMMAR] = stand_in


def _no_yarn() -> None:
    """Don't start Node.js to ask yarn for its registry (0.4 s, twice): the answer of a machine without Node.js.

    Only building JupyterLab from source needs the registry, and ``jupyter lab build`` is a program of its own.
    """
    commands: Any = importlib.import_module("jupyterlab.commands")
    if hasattr(commands, "_yarn_config"):
        commands._yarn_config = lambda _logger: {"yarn config": {}, "npm config": {}}  # noqa: SLF001
