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
import symtable
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
_SOURCE = "<task>"
_OURS = "golem_launcher"


@dataclass
class Shipped:
    """A function as it travels: the source that defines it, and the values that it uses."""

    source: str
    name: str
    constants: dict[str, Any] = field(default_factory=dict)
    """Values that it uses of its module or of the function around it."""
    args: tuple[Any, ...] = ()
    """Those that were bound to it before it is called."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def ship(function: Callable[..., Any] | Shipped, brought: frozenset[str] = frozenset()) -> Shipped:
    """What to send of a function; ``brought``: modules of the user's own that will be there.

    What is that already stays as it is. Raises ``RequestError`` that names what can't travel.
    """
    if isinstance(function, Shipped):
        return function
    if isinstance(function, functools.partial):
        inner = ship(function.func, brought)
        inner.args = (*inner.args, *function.args)
        inner.kwargs = {**inner.kwargs, **function.keywords}
        return inner
    if not callable(function):
        raise RequestError(f"This is no function, but a {type(function).__name__}.")
    return _Packing(brought).pack(function)


class _Packing:
    def __init__(self, brought: frozenset[str]) -> None:
        self._brought = brought
        self._imports: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._constants: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}

    def pack(self, function: Any) -> Shipped:
        name = "task_function"
        if _is_function(function):
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
        body = "\n".join([*self._imports.values(), *self._sources.values()])
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
            if not self._will_be_there(value):
                raise _not_there(value, user)
            self._imports[name] = f"import {value.__name__} as {name}"
        elif (place := self._importable(value)) is not None:
            self._imports[name] = f"from {place} import {value.__name__} as {name}"
        elif _is_function(value) or isinstance(value, type):
            self._take_source(name, value)
        else:
            try:
                encode(value, lambda _: 0, _no_file)
            except Untransportable as error:
                raise RequestError(f"'{name}', which {user} uses, can't travel: {error}.", _ADVICE) from None
            self._constants[name] = value

    def _will_be_there(self, module: types.ModuleType) -> bool:
        return module.__name__.partition(".")[0] in self._brought or _is_installed(module)

    def _importable(self, value: Any) -> str | None:
        """The module from which it can be imported there; ``None`` where it is the user's own."""
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        home = sys.modules.get(module) if isinstance(module, str) else None
        if home is None or not isinstance(name, str) or getattr(home, name, None) is not value:
            return None
        return module if self._will_be_there(home) else None

    def _take_source(self, name: str, value: Any) -> None:
        try:
            source = textwrap.dedent(inspect.getsource(value))
            tree = ast.parse(source)
        except (OSError, TypeError, SyntaxError):
            raise RequestError(
                f"The source of {_called(value)} can't be found.", "Define it in a file or cell."
            ) from None
        if name != value.__name__:
            source += f"\n{name} = {value.__name__}\n"
        self._seen[value.__name__] = value
        self._use(tree, value)
        self._sources[name] = source  # after what it uses: a class needs its bases

    def _use(self, tree: ast.AST, value: Any) -> None:
        """Have there what the code of ``value`` uses by name."""
        if _is_function(value):
            around: dict[str, Any] = dict(inspect.unwrap(value).__globals__)
            around |= _closure(inspect.unwrap(value))
        else:
            around = vars(sys.modules.get(value.__module__, types.ModuleType("")))
        for dotted in _dotted(tree):
            module = sys.modules.get(dotted)
            top = dotted.partition(".")[0]
            if module is not None and around.get(top) is sys.modules.get(top) and self._will_be_there(module):
                self._imports[dotted] = f"import {dotted}"
        for name in sorted(_free_names(tree)):
            # What is not around is of its own scopes, or a mistake that it makes over there as well as here.
            if name in around and around[name] is not getattr(builtins, name, self):
                self._take(name, around[name], _called(value))


_ADVICE = "Give it as an argument, make it in the function, or bring a module: files=[…]."


def _dotted(tree: ast.AST) -> set[str]:
    """All that is written as ``a.b`` or ``a.b.c``: some may be modules that are there once they are imported."""
    chains = (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {chain for chain in chains if all(part.isidentifier() for part in chain.split("."))}


class _WithoutAnnotations(ast.NodeTransformer):
    """Takes annotations away: nobody evaluates these over there."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        value = self.visit(node.value) if node.value is not None else ast.Constant(None)
        return ast.Assign([node.target], value)


def _free_names(tree: ast.AST) -> set[str]:
    """The names that code takes from around it: its module's, or those of the function in which it was defined."""
    plain = ast.unparse(ast.fix_missing_locations(_WithoutAnnotations().visit(tree)))
    names: set[str] = set()

    def walk(table: symtable.SymbolTable, *, top: bool) -> None:
        for symbol in table.get_symbols():
            own = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
            if symbol.is_referenced() and (not own if top else symbol.is_global()):
                names.add(symbol.get_name())
        for child in table.get_children():
            walk(child, top=False)

    walk(symtable.symtable(plain, _SOURCE, "exec"), top=True)
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


def _is_installed(module: types.ModuleType) -> bool:
    """Whether it is Python's own or of a package, so that it may be there as well."""
    if module.__name__ == "__main__" or module.__name__.partition(".")[0] == _OURS:
        return False  # a provider has none of ours
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__.partition(".")[0] in sys.stdlib_module_names or hasattr(module, "__path__")
    return any(place in Path(file).parents for place in _INSTALLED)


def _not_there(module: types.ModuleType, user: str) -> RequestError:
    file = Path(getattr(module, "__file__", None) or module.__name__)
    what = file.parent if file.name == "__init__.py" else file
    return RequestError(
        f"The module '{module.__name__}', which {user} uses, is a file of yours.", f"Bring it: files=['{what}']."
    )


def _is_function(value: Any) -> bool:
    """Whether it is one with a source; a decorator may have wrapped it, as functools.wraps tells."""
    return isinstance(inspect.unwrap(value), types.FunctionType) if hasattr(value, "__name__") else False


def _called(value: Any) -> str:
    return str(getattr(value, "__qualname__", None) or type(value).__name__)


def _no_file(_: Any) -> int:
    raise Untransportable("a path goes as an argument, so that its file is brought")
