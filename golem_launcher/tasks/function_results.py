"""What a function at a provider returned or raised: a value or an exception here, made of bytes of a stranger's."""

from __future__ import annotations

import builtins
import functools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from golem_launcher.agent.task_values import Room, decode
from golem_launcher.errors import LauncherError, ProviderError, TaskError
from golem_launcher.tasks import result_files
from golem_launcher.tasks.arrow_tables import read_table
from golem_launcher.tasks.payload import TaskOutput
from golem_launcher.untrusted_json import json_value
from golem_launcher.untrusted_text import clean_text

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.tasks.payload import Answer

VALUE, ERROR = "value.json", "error.json"
"""The outputs by which a function's value, or what it raised, comes back."""
_LARGEST_VALUE = 16 * 1024 * 1024
_LARGEST_BYTES = 1024**3
"""Of all bytes in a result: they are in the memory of this computer. What is larger comes as a file."""
_LARGEST_ERROR = 256 * 1024
_NO_ANSWERS = (StopIteration, StopAsyncIteration, GeneratorExit)


class RemoteTraceback(Exception):  # noqa: N818 - what it is called in the standard library
    """Where an exception was raised over there: the cause of the one that is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


def value_in(answer: Answer, target: Path, *, copy: bool) -> Any:
    """What the function returned; its files are in the directory ``target`` then. Blocking. Raises ``ProviderError``.

    ``copy``: the answer is needed once more.
    """
    blobs = [output for output in answer.outputs if output.name != VALUE]
    names = [output.name.partition("/")[2] for output in blobs]
    shared = Counter(names)
    files: dict[int, TaskOutput] = {}
    unnamed = dict(enumerate(blobs))
    left = _LARGEST_BYTES

    def take(number: int) -> TaskOutput:
        if number not in unnamed:
            raise ValueError("a blob that did not come, or is named twice")
        return unnamed.pop(number)

    def take_bytes(number: int) -> bytes:
        nonlocal left
        output = take(number)
        data = _content(output, left)
        left -= output.size
        return data

    def take_file(number: int) -> Path:
        output = take(number)
        name = names[number] if shared[names[number]] == 1 else f"{number}/{names[number]}"
        files[number] = TaskOutput(name, output.size, "", output.content)
        return (target / name).absolute()

    reader = functools.partial(read_table, room=Room())
    try:
        found = decode(_json(answer, VALUE, _LARGEST_VALUE), take_bytes, take_file, reader)
    except (ValueError, TypeError, IndexError, RecursionError):
        raise ProviderError("What came back is no value.") from None
    if why := result_files.unfit([*files.values()]):
        raise ProviderError(f"What came back can't be kept: {why}.")
    if files:
        result_files.place(target, [*files.values()], {}, copy=copy)
    return found


def output_named(answer: Answer, name: str) -> TaskOutput | None:
    """The output of a task's process by its name; ``None`` when it left none."""
    return next((output for output in answer.outputs if output.name == name), None)


def _content(output: TaskOutput, most: int) -> bytes:
    if output.size > most:
        raise ProviderError(f"What came back has {output.size} bytes, and at most {most} are taken.")
    return output.content if isinstance(output.content, bytes) else output.content.read_bytes()


def _json(answer: Answer, name: str, most: int) -> Any:
    output = output_named(answer, name)
    return json_value(_content(output, most), most=most) if output is not None else None


def error_told(error: TaskOutput) -> tuple[type[Exception] | None, str, str]:
    """What a function raised over there: its kind where it is one of Python's own, its words, and where it was."""
    try:
        told = json.loads(_content(error, _LARGEST_ERROR))
        name, message, trace = str(told["type"]), clean_text(str(told["message"])), clean_text(str(told["traceback"]))
        module = told.get("module")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, LauncherError):
        return None, "The function raised, and what it raised can't be read.", ""
    kind = getattr(builtins, name, None) if module == "builtins" else None
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _NO_ANSWERS):
        return kind, message, trace
    return None, f"{clean_text(name)[:80]}: {message}", trace


def raised_by(error: TaskOutput) -> BaseException:
    """The exception to raise here for one that a task raised there: of the same built-in class where that is possible.

    Its cause is a :class:`RemoteTraceback`, which shows the traceback of the other side as text.
    """
    kind, words, trace = error_told(error)
    raised: BaseException = TaskError(words)
    if kind is not None:
        try:
            raised = kind(words)
        except TypeError:  # one that wants more than words
            raised = TaskError(f"{kind.__name__}: {words}")
    raised.__cause__ = RemoteTraceback(trace)
    return raised
