"""Pickles variables within a limit of bytes and time, and says in words what can't be kept.

Plain pickle by reference: it refuses what belongs to one process. An open file that came back would be cut off, a
program that came back would be somebody else's by its number.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
import time
import types
from typing import TYPE_CHECKING, Any

from . import collection_subclasses, functions, tensors, widgets
from .chunk_files import CHUNK, ChunkFiles, pieces
from .definitions import MAIN
from .size_text import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_SMALLEST_BUFFER = 64 * 1024
"""A smaller one stays within the stream: a file for each would be thousands."""
_LONGEST_REASON = 160
TOO_LARGE, _TOO_SLOW = "all variables together may take", "saving takes longer than"
TOO_LARGE_TO_COPY = "it is too large to copy from the GPU within"
ON_GPU = "it is in the memory of a GPU"
_LOST: tuple[tuple[str, str, str], ...] = (
    ("io", "IOBase", "an open file"),
    ("tempfile", "_TemporaryFileWrapper", "a temporary file"),
    ("socket", "socket", "a connection"),
    ("threading", "Thread", "a thread"),
    ("subprocess", "Popen", "a running program"),
    ("_thread", "LockType", "a lock"),
    ("_thread", "RLock", "a lock"),
    ("asyncio", "Future", "something that still runs"),
    ("concurrent.futures", "Executor", "workers that run"),
    ("multiprocessing.process", "BaseProcess", "a process"),
    ("mmap", "mmap", "a file in memory"),
    ("sqlite3", "Connection", "an open database"),
    ("sqlite3", "Cursor", "an open database"),
    ("ipywidgets.widgets.widget", "Widget", "a widget of a kind that is half in the page"),
    ("IPython.core.interactiveshell", "InteractiveShell", "the kernel itself"),
    ("weakref", "ref", "a weak reference"),
    ("types", "GeneratorType", "a generator that has begun"),
    ("types", "AsyncGeneratorType", "a generator that has begun"),
    ("types", "CoroutineType", "a coroutine"),
    ("types", "FrameType", "a running function"),
    ("types", "TracebackType", "a running function"),
    ("builtins", "memoryview", "a view of memory"),
)
"""Module, class, what it is in words. What is not imported has no values here."""
_KEPT = (io.BytesIO, io.StringIO)
_CYTHON = "_cython_"
"""What modules begin with that are in no file: compiled functions are of a kind that lies there, once one is loaded."""
_INNER = "<locals>"
"""In the names of what functions define."""
_DEFINED = (types.FunctionType, type, type(functools.lru_cache(maxsize=1)(int)))
_OWN = __name__.partition(".")[0]
"""What our pickles call is of it: no library, but there wherever a state comes back."""


class CannotKeep(Exception):  # noqa: N818 - it is an answer
    """A group is not kept; the words say why."""


def is_beyond_limits(why: str) -> bool:
    """Whether a variable is lost because it is too large, or takes too long to be saved."""
    return why.startswith((TOO_LARGE, TOO_LARGE_TO_COPY, _TOO_SLOW))


def not_copied(_storage: object) -> memoryview:
    """The bytes of a storage on a GPU, where nobody has copied them. Raises ``CannotKeep``."""
    raise CannotKeep(ON_GPU)


class Limits:
    """What all groups of one state may take together: bytes, and seconds of this process."""

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self._most = most_bytes
        self.left = most_bytes
        self._end = time.process_time() + seconds
        self._seconds = seconds

    def take(self, size: int) -> None:
        """Raises ``CannotKeep`` when there is no room for as many bytes."""
        if size > self.left:
            raise CannotKeep(f"{TOO_LARGE} {in_words(self._most)}")
        self.left -= size

    def check(self) -> None:
        """Raises ``CannotKeep`` when the time is over."""
        if time.process_time() > self._end:
            raise CannotKeep(f"{_TOO_SLOW} {self._seconds:g} s")


class Group:
    """The pickle of variables that are kept together; ``on_gpu`` is as in ``saving.py``."""

    def __init__(
        self, files: ChunkFiles, limits: Limits, defined: Collection[str], on_gpu: Callable[[Any], memoryview]
    ) -> None:
        self._files = files
        self._limits = limits
        self._defined = defined
        self._on_gpu = on_gpu
        self._waiting = bytearray()
        self.size = 0
        self.stream: list[str] = []
        """Chunks of the pickle itself; none where it is ``small``."""
        self.small = b""
        self.buffers: list[list[Any]] = []
        """Of each buffer beside it: its size, and its chunks."""
        self.libraries: set[str] = set()
        """The packages that its classes are of."""
        self.has_code = False
        """Whether it has functions that this kind of Python alone can run."""

    def dump(self, variables: dict[str, Any], smallest_stream: int) -> None:
        """Pickle them. A stream below ``smallest_stream`` bytes is ``small``. Raises ``CannotKeep``."""
        left = self._limits.left
        try:
            self._limits.check()
            _Pickler(self, self._limits, self._defined, self._on_gpu).dump(variables)
            if not self.stream and len(self._waiting) < smallest_stream:
                self.small = bytes(self._waiting)
                self._limits.take(len(self.small))
            elif self._waiting:
                self._put(memoryview(bytes(self._waiting)))
        except CannotKeep:
            self._limits.left = left
            raise
        except (Exception, RecursionError, MemoryError) as error:  # noqa: BLE001 - the user's own classes raise anything
            self._limits.left = left
            raise CannotKeep(_words(error)) from None
        self.size = left - self._limits.left

    def write(self, data: Any) -> int:
        """Called by the pickler with its stream."""
        view = memoryview(data).cast("B")
        size = len(view)
        if self._waiting or size < CHUNK:
            first, view = view[: CHUNK - len(self._waiting)], view[CHUNK - len(self._waiting) :]
            self._waiting += first
            if len(self._waiting) < CHUNK:
                return size
            self._put(memoryview(bytes(self._waiting)))
            self._waiting.clear()
        for piece in pieces(view):
            if len(piece) < CHUNK:
                self._waiting += piece
            else:
                self._put(piece)
        return size

    def buffer(self, buffer: pickle.PickleBuffer) -> bool:
        """Called by the pickler with what can be kept beside the stream; whether it belongs into it after all."""
        raw = buffer.raw()
        if raw.nbytes < _SMALLEST_BUFFER:
            return True
        self._limits.take(raw.nbytes)
        self._limits.check()
        self.buffers.append([raw.nbytes, [self._files.put(piece) for piece in pieces(raw)]])
        return False

    def _put(self, piece: memoryview) -> None:
        self._limits.take(len(piece))
        self._limits.check()
        self.stream.append(self._files.put(piece))


class _Pickler(pickle.Pickler):
    def __init__(
        self, group: Group, limits: Limits, defined: Collection[str], on_gpu: Callable[[Any], memoryview]
    ) -> None:
        super().__init__(group, protocol=5, buffer_callback=group.buffer)
        self._group = group
        self._limits = limits
        self._defined = defined
        self._on_gpu = on_gpu
        self._memories: dict[int, tensors.Memory] = {}
        """By what tells their storages from each other."""
        self._harmless: set[type] = set()

    def reducer_override(self, obj: Any) -> Any:
        """Called for everything that is not Python's own kind of value."""
        self._limits.check()
        kind = type(obj)
        if kind is types.CellType:
            return functions.reduced_cell(obj)
        if kind is tensors.Memory:
            return obj.reduced(self._on_gpu)
        if isinstance(obj, types.ModuleType):
            self._group.libraries.add(obj.__name__.partition(".")[0])
            return functions.reduced_module(obj)
        defined = obj if isinstance(obj, _DEFINED) else kind
        library = str(getattr(defined, "__module__", None)).partition(".")[0]
        name = str(getattr(defined, "__qualname__", ""))
        known = library != MAIN or (name.partition(".")[0] in self._defined and _INNER not in name)
        if library != _OWN and not library.startswith(_CYTHON):
            self._group.libraries.add(library)
        if kind is types.FunctionType and not (known and functions.has_name(obj)):
            self._group.has_code = True
            return functions.reduced(obj)
        if not known:
            raise CannotKeep(f"{name or 'its class'} has no source: a class inside a function, or of a program")
        return NotImplemented if isinstance(obj, _DEFINED) else self._of_value(obj, kind, library)

    def _of_value(self, obj: Any, kind: type, library: str) -> Any:
        """What pickle is told of what is no definition."""
        if widgets.is_plain(kind):
            return widgets.reduced(obj)
        if kind not in self._harmless:
            _refuse(obj)
            self._harmless.add(kind)
        if library == tensors.LIBRARY and (told := self._of_torch(obj)) is not None:
            return told
        if library == "numpy":
            _look_at_size(obj, self._limits)
        if isinstance(obj, (list, dict)) and collection_subclasses.does_more(kind):
            return collection_subclasses.reduced(obj)
        return NotImplemented

    def _of_torch(self, obj: Any) -> tuple[Any, ...] | None:
        """The same of one of PyTorch's own values; ``None``: what is told of any."""
        if tensors.is_device(obj):
            return tensors.reduced_device(obj)
        storage = tensors.untyped(obj)
        if storage is None:
            return None
        memory = self._memories.setdefault(tensors.key(storage), tensors.Memory(storage))
        return tensors.reduced_storage(obj, memory)


def _refuse(obj: Any) -> None:
    """Raises ``CannotKeep`` for what lives in this process alone."""
    for module, name, words in _LOST:
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and isinstance(obj, kind) and not isinstance(obj, _KEPT):
            raise CannotKeep(words)


def _look_at_size(obj: Any, limits: Limits) -> None:
    """Raises ``CannotKeep`` for an array that is too large to be copied."""
    size = getattr(obj, "nbytes", 0)
    if isinstance(size, int) and size > limits.left:
        limits.take(size)


def _words(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "there is no memory to save it"
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
