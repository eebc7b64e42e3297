"""Functions that can't be found by a name, as pickle finds others: a lambda in a list, a function made by a function.

Such a function has no statement of its own that could be run again, so it is kept by its code, which is of one Python's
kind (``CODE``), with all that it holds: defaults, attributes, the variables of the function that made it. The globals
that it reads are those of the notebook, or of its module, where it comes back.
"""

from __future__ import annotations

import contextlib
import importlib
import marshal
import sys
from types import CellType, FunctionType, ModuleType
from typing import Any

CODE = str(sys.implementation.cache_tag)
"""The kind of code that this Python runs."""


def has_name(function: FunctionType) -> bool:
    """Whether its module has it by its name."""
    found: Any = None
    with contextlib.suppress(Exception):  # modules may do anything when they are asked
        found = sys.modules[function.__module__]
        for name in function.__qualname__.split("."):
            found = getattr(found, name)
    return found is function


def held_by(function: FunctionType) -> list[object]:
    """What it holds beside its code and its globals."""
    return [function.__closure__, function.__defaults__, function.__kwdefaults__, function.__dict__]


def reduced(function: FunctionType) -> tuple[Any, ...]:
    """What pickle is told of it. Raises ``ValueError`` where its globals are of no module."""
    module = function.__module__
    if getattr(sys.modules.get(module), "__dict__", None) is not function.__globals__:
        raise ValueError(f"{function.__qualname__} is of no module")
    made_of = (marshal.dumps(function.__code__), module, function.__closure__)
    state = {
        "__name__": function.__name__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
        "__module__": module,
        "__defaults__": function.__defaults__,
        "__kwdefaults__": function.__kwdefaults__,
        "__annotations__": function.__annotations__,
        "__dict__": function.__dict__,
    }
    return made, made_of, state, None, None, complete


def reduced_cell(cell: CellType) -> tuple[Any, ...]:
    """What pickle is told of a variable that functions share: it is there before what it holds, which may hold it."""
    try:
        return new_cell, (), (cell.cell_contents,), None, None, fill
    except ValueError:  # it has no value yet
        return new_cell, ()


def reduced_module(module: ModuleType) -> tuple[Any, ...]:
    """What pickle is told of a module that a value holds. Raises ``ValueError`` for one that can't be imported."""
    if sys.modules.get(module.__name__) is not module:
        raise ValueError(f"{module.__name__} is a module that can't be imported")
    return importlib.import_module, (module.__name__,)


def made(code: bytes, module: str, closure: tuple[CellType, ...] | None) -> FunctionType:
    """Called by pickle where it comes back."""
    return FunctionType(marshal.loads(code), vars(importlib.import_module(module)), closure=closure)  # noqa: S302 - as a pickle is


def complete(function: FunctionType, state: dict[str, Any]) -> None:
    """Called by pickle when the objects that the function refers to are there: sets its attributes."""
    for name, value in state.items():
        setattr(function, name, value)


def new_cell() -> CellType:
    """Called by pickle for an empty cell of a closure, which :func:`fill` fills."""
    return CellType()


def fill(cell: CellType, held: tuple[object]) -> None:
    """Called by pickle once what the cell holds is there."""
    (cell.cell_contents,) = held
