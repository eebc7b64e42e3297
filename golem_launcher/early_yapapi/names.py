"""Puts the names that yapapi had once where programs look for them."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any


class _Front(ModuleType):
    """Has a few names of its own, and all others of the module behind it, on which whatever is set is set."""

    def __init__(self, behind: ModuleType, own: dict[str, Any]) -> None:
        super().__init__(behind.__name__, behind.__doc__)
        told = {name: value for name, value in vars(behind).items() if name.startswith("__")}
        vars(self).update(told, _behind=behind, **own)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_behind"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_behind"], name, value)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *dir(vars(self)["_behind"])})


def install() -> None:
    """Once for a program; whatever is there already under an old name stays."""
    import yapapi  # noqa: PLC0415 - it takes a second, and whoever looks at this module only may not have it

    if not hasattr(yapapi, "Golem") or importlib.util.find_spec("yapapi.runner") is not None:
        return
    from yapapi.payload import vm  # noqa: PLC0415 - as above

    from . import context, package, runner  # noqa: PLC0415 - they import yapapi

    sys.modules.update({
        "yapapi": _Front(yapapi, {"Executor": runner.Executor, "runner": runner, "package": package}),
        "yapapi.runner": runner,
        "yapapi.runner.ctx": context,
        "yapapi.package": package,
        "yapapi.package.vm": vm,
    })  # fmt: skip
