"""A function on its way to a provider: its source, and that of whatever it uses.

Nothing is pickled. What a function uses of its module goes along by what it is: modules and what comes from installed
ones are imported there, functions and classes of the user's go as source, plain values as values. What is none of these
is named in the error.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import sys
import sysconfig
import textwrap
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher.agent.task_values import Untransportable, encode
from golem_launcher.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_MOST_NAMES = 500


@dataclass
class Shipped:
    """What travels of a function."""

    source: str
    name: str
    constants: dict[str, Any] = field(default_factory=dict)
    """Values that it uses of its module or of the function around it."""
    args: tuple[Any, ...] = ()
    """Those that were bound to it before it is called."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def ship(function: Callable[..., Any]) -> Shipped:
    """What to send of a function. Raises ``RequestError`` that names what can't travel."""
    if isinstance(function, functools.partial):
        inner = ship(function.func)
        inner.args = (*inner.args, *function.args)
        inner.kwargs = {**inner.kwargs, **function.keywords}
        return inner
    return _Packing().pack(function)


class _Packing:
    def __init__(self) -> None:
        self._imports: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._constants: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}

    def pack(self, function: Any) -> Shipped:
        name = "task_function"
        if isinstance(function, types.FunctionType):
            if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
                raise RequestError(f"{_called(function)} yields, and a task has one result.", "Return a list.")
            lambda_source = _lambda_source(function) if function.__name__ == "<lambda>" else ""
            if lambda_source:
                self._use(ast.parse(lambda_source), function)
                self._sources[name] = f"{name} = {lambda_source}"
            else:
                name = function.__name__
                self._take(name, function, _called(function))
        else:
            self._take(name, function, _called(function))
        body = "\n".join([*self._imports.values(), *reversed(self._sources.values())])
        return Shipped(f"from __future__ import annotations\n{body}\n", name, self._constants)

    def _take(self, name: str, value: Any, user: str) -> None:
        """Have ``value`` there by this name; ``user`` is who needs it."""
        if name in self._seen:
            if self._seen[name] is not value:
                raise RequestError(f"Two different things are called '{name}' in what {user} uses.", "Rename one.")
            return
        self._seen[name] = value
        if len(self._seen) > _MOST_NAMES:
            raise RequestError(f"{user} uses more than {_MOST_NAMES} names.", "Bring a module along: files=[…].")
        if isinstance(value, types.ModuleType):
            _check_installed(value, user)
            self._imports[name] = f"import {value.__name__} as {name}"
        elif (place := _importable(value)) is not None:
            module, what = place
            self._imports[name] = f"from {module} import {what} as {name}" if what != name else f"from {module} import {what}"
        elif isinstance(value, types.FunctionType | type):
            self._take_source(name, value)
        else:
            try:
                encode(value, lambda _: 0, _no_file)
            except Untransportable as error:
                raise RequestError(f"'{name}', which {user} uses, can't travel: {error}.", _ADVICE) from None
            self._constants[name] = value

    def _take_source(self, name: str, value: Any) -> None:
        try:
            source = textwrap.dedent(inspect.getsource(value))
            tree = ast.parse(source)
        except (OSError, TypeError, SyntaxError):
            raise RequestError(f"The source of {_called(value)} can't be found.", "Define it in a file or cell.") from None
        if name != value.__name__:
            source += f"\n{name} = {value.__name__}\n"
        self._sources[name] = source
        self._use(tree, value)

    def _use(self, tree: ast.AST, value: Any) -> None:
        """Have there what the code of ``value`` uses by name."""
        if isinstance(value, types.FunctionType):
            around: dict[str, Any] = dict(inspect.unwrap(value).__globals__)
            around |= _closure(inspect.unwrap(value))
        else:
            around = vars(sys.modules.get(value.__module__, types.ModuleType("")))
        for name in sorted(_free_names(tree)):
            if name in around and name != getattr(value, "__name__", None):
                self._take(name, around[name], _called(value))
            elif name not in around and not hasattr(builtins, name) and isinstance(value, types.FunctionType):
                continue  # of its own scopes, or a mistake that it makes over there as well as here


_ADVICE = "Give it as an argument, make it in the function, or bring a module: files=[…]."


def _free_names(tree: ast.AST) -> set[str]:
    """The names that code reads, wherever they come from; of annotations nothing, as nobody evaluates these."""
    names: set[str] = set()

    def walk(node: ast.AST) -> None:
        for name, one in ast.iter_fields(node):
            if name in {"annotation", "returns"}:
                continue
            for child in one if isinstance(one, list) else [one]:
                if isinstance(child, ast.AST):
                    walk(child)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.add(node.id)

    walk(tree)
    return names


def _closure(function: types.FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            raise RequestError(f"'{name}', which {_called(function)} uses, has no value yet.") from None
    return found


def _lambda_source(function: types.FunctionType) -> str:
    """The text of a lambda, where there is one alone on its lines. Raises ``RequestError``."""
    try:
        lines, _ = inspect.getsourcelines(function)
    except (OSError, TypeError):
        lines = []
    text = textwrap.dedent("".join(lines)).strip()
    # The lines may be a part of a statement: as much of the end is left off as it takes.
    for attempt in (text, text.rstrip(",)"), f"({text}", f"f({text}", f"[{text}]"):
        try:
            tree = ast.parse(attempt)
        except SyntaxError:
            continue
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
        if len(found) == 1:
            return ast.unparse(found[0])
    raise RequestError("The source of a lambda can't be told from what is beside it.", "Give it a name: def f(x): …")


def _importable(value: Any) -> tuple[str, str] | None:
    """Module and name by which ``value`` can be imported there, where it is of an installed module; else ``None``."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name or "." in name:
        return None
    home = sys.modules.get(module)
    if home is None or getattr(home, name, None) is not value or not _is_installed(home):
        return None
    return module, name


def _is_installed(module: types.ModuleType) -> bool:
    """Whether it is Python's own or of a package, so that it may be there as well."""
    if module.__name__ == "__main__":
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__.partition(".")[0] in sys.stdlib_module_names or hasattr(module, "__path__")
    return any(place in Path(file).parents for place in _INSTALLED)


def _check_installed(module: types.ModuleType, user: str) -> None:
    """Refuse a file of the user's own. Raises ``RequestError``."""
    if not _is_installed(module):
        file = getattr(module, "__file__", None) or module.__name__
        top = Path(file).parent if Path(file).name == "__init__.py" else Path(file)
        _BROUGHT_ALONG.setdefault(module.__name__.partition(".")[0], top)
        if module.__name__.partition(".")[0] not in _allowed.get():
            raise RequestError(
                f"The module '{module.__name__}', which {user} uses, is a file of yours.", f"Bring it: files=['{top}']."
            )


def _called(value: Any) -> str:
    return str(getattr(value, "__qualname__", None) or type(value).__name__)


def _no_file(_: Any) -> int:
    raise Untransportable("a path goes as an argument, so that its file is brought")
