"""Widgets of ipywidgets. Half of each is in the page, which has it again by its number once it is made anew here.

It is made by its class, with the values that it had, and calls again what it called. This is for the classes of
ipywidgets alone: what others do as they are made is not known.
"""

from __future__ import annotations

import sys
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULES = "ipywidgets.widgets.widget_"
_OF_ITSELF = frozenset({"comm", "keys", "log", "parent", "config"})
"""What it has of its own, beside private names."""


def is_plain(kind: type) -> bool:
    """Whether objects of this class can be made anew by what is known of them here."""
    return str(kind.__module__).startswith(_MODULES)


def reduced(widget: Any) -> tuple[Any, ...]:
    """What pickle is told of a widget of a class that :func:`is_plain`."""
    values = {
        name: getattr(widget, name)
        for name, trait in widget.traits().items()
        if not name.startswith("_") and name not in _OF_ITSELF and not trait.read_only
    }
    return made, (type(widget), widget._model_id, values), (_observers(widget), _callbacks(widget)), None, None, listen  # noqa: SLF001


def made(kind: type, number: str | None, values: dict[str, Any]) -> Any:
    """Called by pickle where it comes back."""
    return kind(model_id=number, **values)


def listen(widget: Any, calls: tuple[list[Any], list[Any]]) -> None:
    """Likewise, once what it calls is there."""
    observers, callbacks = calls
    everything = sys.modules["traitlets"].All
    for handler, name, what in observers:
        widget.observe(handler, everything if name is None else name, everything if what is None else what)
    for dispatcher, callback in callbacks:
        getattr(widget, dispatcher).register_callback(callback)


def _observers(widget: Any) -> list[Any]:
    """Whom it tells of which value's change, and of what kind; ``None`` is any."""
    return [
        (handler, name if isinstance(name, str) else None, what if isinstance(what, str) else None)
        for name, kinds in widget._trait_notifiers.items()  # noqa: SLF001 - nothing else tells
        for what, handlers in kinds.items()
        for handler in _others(widget, handlers)
    ]


def _callbacks(widget: Any) -> list[Any]:
    """Whom it calls when it is used: the attribute that has them, and each."""
    dispatcher = sys.modules["ipywidgets.widgets.widget"].CallbackDispatcher
    attributes = {**vars(widget), **widget._trait_values}  # noqa: SLF001 - likewise
    return [
        (name, callback)
        for name, value in attributes.items()
        if isinstance(value, dispatcher)
        for callback in _others(widget, value.callbacks)
    ]


def _others(widget: Any, handlers: list[Any]) -> Iterator[Any]:
    """Those that are not its own: its methods, and names or descriptions of them."""
    for handler in handlers:
        its_own = isinstance(handler, MethodType) and handler.__self__ is widget
        if callable(handler) and not its_own and type(handler).__module__ != "traitlets.traitlets":
            yield handler
