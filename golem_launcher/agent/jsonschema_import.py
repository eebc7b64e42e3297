"""Loads jsonschema without an optional part of it that takes longer than all else of Jupyter's start.

Where the package rfc3987_syntax is installed, jsonschema imports it to check the formats "iri" and "iri-reference",
which no schema of Jupyter's has, and it compiles a large grammar at once (1.2 s and more). Here jsonschema is imported
as where that package is not installed; afterwards it can be imported as ever. Nobody's module is changed.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_OPTIONAL = "rfc3987_syntax"


class _NotInstalled:
    """A finder on ``sys.meta_path`` that answers for one package: it is not there."""

    @staticmethod
    def find_spec(name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> None:
        """``None`` leaves the answer to the other finders."""
        if name == _OPTIONAL:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def apply() -> None:
    """Called once by a program that is going to load Jupyter's packages, before it does."""
    finder = _NotInstalled()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("jsonschema")
    except ImportError:
        pass  # an image whose Jupyter needs none
    finally:
        sys.meta_path.remove(finder)
