"""What PyTorch's tensors lie in: storages, which tensors share, in this memory or on a GPU.

Each is kept once, beside the pickle. What was on a GPU comes back on the one that there is, or else in this memory; so
does a ``torch.device`` by which a notebook names its GPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import pickle
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARY = "torch"
_GPU, _HERE = "cuda", "cpu"
"""As PyTorch calls them; AMD's GPUs are ``cuda``, too."""


class Memory:
    """A storage as our pickles have it: PyTorch makes a new object for each tensor that lies in it."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def reduced(self, on_gpu: Callable[[Any], memoryview]) -> tuple[Any, ...]:
        """What pickle is told of it; ``on_gpu`` gives the bytes of a storage that is on a GPU."""
        device = self._storage.device
        if device.type == _GPU:
            return made_memory, (pickle.PickleBuffer(on_gpu(self._storage)), device.index)
        return made_memory, (pickle.PickleBuffer(_bytes(self._storage)),)


def kind() -> tuple[type, ...]:
    """The class of all tensors, as ``isinstance`` takes it; none where PyTorch is not imported."""
    found = getattr(sys.modules.get(LIBRARY), "Tensor", None)
    return (found,) if isinstance(found, type) else ()


def storage_of(tensor: Any) -> Any:
    """What it lies in; ``None`` where that is not one storage."""
    with contextlib.suppress(Exception):  # a class of anybody's may refuse
        return tensor.untyped_storage()
    return None


def key(storage: Any) -> int:
    """What tells a storage from all other objects, as long as it is there."""
    return int(storage._cdata)  # noqa: SLF001 - the objects that stand for it differ


def is_on_gpu(storage: Any) -> bool:
    """Whether its bytes are out of a processor's reach."""
    return bool(storage.device.type == _GPU)


def untyped(value: Any) -> Any:
    """The storage that one of PyTorch's own values stands for; ``None`` for all others, and for one without bytes."""
    torch: Any = sys.modules[LIBRARY]
    if isinstance(value, torch.storage.TypedStorage):
        value = getattr(value, "_untyped_storage", None)  # none before 2.0
    is_storage = isinstance(value, getattr(torch, "UntypedStorage", ()))
    return value if is_storage and value.device.type in {_GPU, _HERE} else None


def reduced_storage(storage: Any, memory: Memory) -> tuple[Any, ...]:
    """What pickle is told of a storage that lies in ``memory``."""
    return made_storage, (memory, getattr(storage, "dtype", sys.modules[LIBRARY].uint8))


def is_device(value: Any) -> bool:
    """Whether this is where tensors can be."""
    return isinstance(value, sys.modules[LIBRARY].device)


def reduced_device(device: Any) -> tuple[Any, ...]:
    """What pickle is told of one."""
    return made_device, (device.type, device.index)


def made_memory(data: Any, *gpu: int) -> Any:
    """Called by pickle where it comes back; ``gpu`` is the number of the one that it was on."""
    torch = importlib.import_module(LIBRARY)
    nothing = torch.empty(0, dtype=torch.uint8, device=torch.device(_HERE))
    here = torch.frombuffer(data, dtype=torch.uint8) if len(data) else nothing
    return (here.to(made_device(_GPU, *gpu)) if gpu else here).untyped_storage()


def made_storage(memory: Any, dtype: Any) -> Any:
    """Called by pickle for a tensor's typed storage over ``memory``."""
    storage = importlib.import_module(LIBRARY).storage
    return storage.TypedStorage(wrap_storage=memory, dtype=dtype, _internal=True)


def made_device(name: str, index: int | None) -> Any:
    """Likewise: a GPU of the same number, or the first, or none."""
    torch = importlib.import_module(LIBRARY)
    if name == _GPU:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        name, index = (_GPU, index if index is None or index < count else 0) if count else (_HERE, None)
    return torch.device(name) if index is None else torch.device(name, index)


def _bytes(storage: Any) -> memoryview:
    """Those of a storage in this memory, without copying them."""
    size = storage.nbytes()
    return memoryview((ctypes.c_ubyte * size).from_address(storage.data_ptr()) if size else b"").cast("B")
