"""Golem Launcher: a full JupyterLab on a provider of the Golem network, from a form.

Everything in ``__all__`` stays as it is from version to version; what else there is may change. Exceptions are those of
:mod:`golem_launcher.errors`. Types and words for editors are in ``__init__.pyi``, which ``make generated`` writes.
"""

from __future__ import annotations

from golem_launcher import errors

TYPE_CHECKING = False  # without typing, which takes longer to load than all else: Ctrl-C is one line from here on
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "Executor": "tasks.executor",
    "Offers": "api.market",
    "Session": "api.session",
    "attach": "api.session",
    "launch": "api.session",
    "map": "tasks.mapping",
    "map_async": "tasks.mapping",
    "offers": "api.market",
    "quote": "api.market",
    "sessions": "api.session",
    "wallet": "api.market",
}
"""Where each name is defined: it is loaded when somebody asks for it, so importing the package stays light."""

__all__ = ["errors", *_PLACES, *errors.__all__]  # noqa: PLE0604 - these are names; the stub has them in full


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from importlib import import_module  # noqa: PLC0415 - likewise

        value = getattr(import_module(f"golem_launcher.{_PLACES[name]}"), name)
    elif name in errors.__all__:
        value = getattr(errors, name)
    else:
        raise AttributeError(f"module 'golem_launcher' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
