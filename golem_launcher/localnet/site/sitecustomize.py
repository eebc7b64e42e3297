# noqa: INP001 - found through the path, as Python wants it
"""Makes unmodified programs of yapapi and golem-core ask the local network's registry of images.

It lets programs for yapapi's first versions run as well, by ``golem_launcher/early_yapapi``.

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
    from collections.abc import Callable, Sequence
    from types import ModuleType

_EARLY = "early_yapapi"
_HERE = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib would cost every program 10 ms


class _Finder(importlib.abc.MetaPathFinder):
    """Finds a few modules, and has something done once they are loaded."""

    def __init__(self, registry_url: str) -> None:
        self._then: dict[str, Callable[[ModuleType], None]] = {
            "yapapi": lambda _: _early_yapapi(),
            "yapapi.payload.vm": lambda module: _redirect_yapapi(module, registry_url),
            "golem.payload.vm": lambda module: _redirect_golem_core(module, registry_url),
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Called by Python for every import."""
        then = self._then.get(fullname)
        if then is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_then(module: ModuleType) -> None:
                load(module)
                then(module)

            vars(spec.loader)["exec_module"] = load_and_then
        return spec


def _early_yapapi() -> None:
    """Import the package from where it lies: this interpreter may have nothing of ours."""
    directory = os.path.join(_HERE, os.pardir, os.pardir, _EARLY)  # noqa: PTH118 - as above
    file = os.path.join(directory, "__init__.py")  # noqa: PTH118 - as above
    spec = importlib.util.spec_from_file_location(_EARLY, file, submodule_search_locations=[directory])
    if spec is not None and spec.loader is not None:
        sys.modules[_EARLY] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


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
    elsewhere = [entry for entry in sys.path if os.path.realpath(entry) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


_url = os.environ.get("GOLEM_REGISTRY_URL")
if _url:
    sys.meta_path.insert(0, _Finder(_url))
_next_sitecustomize()
