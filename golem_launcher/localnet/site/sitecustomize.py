# noqa: INP001 - found through the path, as Python wants it
"""Makes unmodified programs of yapapi and golem-core ask the local network's registry of images.

``golem-launcher localnet run`` puts this directory on the child's ``PYTHONPATH``. Both have the registry's address in
a default argument and no setting for it, so that default is replaced as soon as the program imports the module. Plain
Python of the standard library only: it runs in any interpreter, with packages of its own.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_MODULES = ("yapapi.payload.vm", "golem.payload.vm")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds these modules, and has their defaults replaced once they are loaded."""

    def __init__(self, registry_url: str) -> None:
        self._registry_url = registry_url

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Called by Python for every import."""
        if fullname not in _MODULES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            load, url = spec.loader.exec_module, self._registry_url

            def load_and_redirect(module: ModuleType) -> None:
                load(module)
                if fullname == "yapapi.payload.vm":
                    _redirect_yapapi(module, url)
                else:
                    _redirect_golem_core(module, url)

            vars(spec.loader)["exec_module"] = load_and_redirect
        return spec


def _redirect_yapapi(module: ModuleType, url: str) -> None:
    vars(module)["DEFAULT_REPOSITORY_URL"] = url
    defaults = getattr(module.repo, "__kwdefaults__", None) or {}
    if "repository_url" in defaults:
        defaults["repository_url"] = url


def _redirect_golem_core(module: ModuleType, url: str) -> None:
    async def here(*_: object, **__: object) -> str:  # it would ask the DNS first
        return url

    vars(module)["resolve_repository_url"] = here


def _next_sitecustomize() -> None:
    """Run the ``sitecustomize`` that this one hides, when the interpreter has one."""
    here = os.path.realpath(os.path.dirname(__file__))  # noqa: PTH120 - pathlib would cost every program 10 ms
    elsewhere = [entry for entry in sys.path if os.path.realpath(entry) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


_url = os.environ.get("GOLEM_REGISTRY_URL")
if _url:
    sys.meta_path.insert(0, _Finder(_url))
_next_sitecustomize()
