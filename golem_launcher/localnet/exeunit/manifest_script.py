"""Matches commands against a manifest's ``compManifest.script``, as Golem's exe-unit does."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.localnet.exeunit.script import RunProgram, ScriptError, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from golem_launcher.localnet.exeunit.script import Command

_MOST_COMMANDS = 1000
_LONGEST = 64 * 1024


@dataclass(frozen=True)
class Pattern:
    """A command as a manifest writes it: ``run PATH ARGUMENT…`` or ``transfer FROM TO``."""

    text: str
    regex: bool

    def takes(self, line: str) -> bool:
        """Whether it allows the command."""
        if not self.regex:
            return line == self.text
        try:
            return re.search(self.text, line) is not None
        except re.error:
            return False


@dataclass(frozen=True)
class PermittedScript:
    """All that a manifest allows. Other kinds of commands are always allowed."""

    patterns: tuple[Pattern, ...]

    def check(self, commands: Iterable[Command]) -> None:
        """:class:`ScriptError` for the first command that is not allowed."""
        for command in commands:
            if isinstance(command, RunProgram):
                line = f"run {command.entry_point} {' '.join(command.args)}"
            elif isinstance(command, Transfer):
                line = f"transfer {command.source} {command.target}"
            else:
                continue
            kind = line.split(" ", 1)[0]
            if not any(each.text.startswith(kind) and each.takes(line) for each in self.patterns):
                raise ScriptError(
                    f"Manifest violation in ExeScript: script validation error: no matching manifest entry found for "
                    f"'{line}'"
                )


def script_of(manifest: str) -> PermittedScript | None:
    """The script of an encoded manifest, ``None`` when it names no commands; ``ValueError`` when it makes no sense."""
    try:
        value = json.loads(base64.b64decode(manifest[:_LONGEST], validate=True))
        script = (value.get("compManifest") or {}).get("script")
        if script is None:
            return None
        usual = script.get("match", "strict")
        commands = script["commands"][:_MOST_COMMANDS]
        return PermittedScript(tuple(pattern for each in commands for pattern in _patterns(each, usual)))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the manifest's script makes no sense ({type(error).__name__})") from None


def _patterns(command: Any, usual: str) -> Iterator[Pattern]:
    if isinstance(command, str):
        try:
            command = json.loads(command)
        except ValueError:
            yield Pattern(command, usual == "regex")
            return
    for kind, fields in command.items():
        regex = fields.get("match", usual) == "regex"
        if kind == "run":
            words = fields["args"]
            # Golem's exe-unit joins a list's entries as JSON, quotes included.
            text = words if isinstance(words, str) else " ".join(map(json.dumps, words))
            yield Pattern(f"run {text}", regex)
        elif kind == "transfer":
            yield Pattern(f"transfer {fields['from']} {fields['to']}", regex)
