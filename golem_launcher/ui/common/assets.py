"""Loads a widget's ES module and style sheet, which lie beside its class.

A widget may have one module only, and a notebook has no address from which it could import others. So an entry's
imports are followed here, and what they lead to becomes one module, in which each file keeps a scope of its own. The
files are plain ES modules, which editors and type checkers follow; of ``import`` and ``export`` they use those forms
alone that ``_IMPORT`` and ``_EXPORT`` know, and others are refused when the widget's class is made.
"""

from __future__ import annotations

import re
from pathlib import Path

_COMMON = Path(__file__).parent
_IMPORT = re.compile(r'^import \{\s*([\w$]+(?:,\s*[\w$]+)*),?\s*\} from "(\.[\w./-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) ([\w$]+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def script(room: str, entry: str) -> str:
    """The ES module of ``entry`` and of all that it imports, for a widget whose own module is the file ``room``."""
    modules: dict[Path, str] = {}
    _gather(Path(room).with_name(entry).resolve(), modules, ())
    return "\n".join(modules.values())


def style(room: str, *names: str) -> str:
    """Style sheets joined into one, after those that every widget has: a later rule wins."""
    files = (_COMMON / "base.css", *(Path(room).with_name(name) for name in names))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def _gather(file: Path, modules: dict[Path, str], above: tuple[Path, ...]) -> None:
    """Put ``file`` into ``modules`` behind what it imports; its exports are an object that is named by its path."""
    if file in above:
        raise ValueError(f"{file.name} imports itself by way of {above[-1].name}")
    if file in modules:
        return
    source = file.read_text(encoding="utf-8")
    taken = []
    for names, path in _IMPORT.findall(source):
        other = (file.parent / path).resolve()
        _gather(other, modules, (*above, file))
        taken.append(f"  const {{ {' '.join(names.split())} }} = {_name(other)};\n")
    exported = _EXPORT.findall(source)
    body = _EXPORT.sub("", _IMPORT.sub("", source))
    if not above:
        body = _DEFAULT.sub("return ", body)
        ending = f"export default {_name(file)};\n"
    else:
        body += f"return {{ {', '.join(exported)} }};\n"
        ending = ""
    if left := _LEFT.search(body):
        raise ValueError(f"{file.name}: {left[0]!r} is no form of import or export that is joined here")
    modules[file] = f"const {_name(file)} = (() => {{\n{''.join(taken)}{body}}})();\n{ending}"


def _name(file: Path) -> str:
    return f"{file.parent.name}_{file.stem}".replace("-", "_")
