"""Stands in for PyTorch with GPUs where there are none, as strict as that: what it refuses after a fork this refuses.

Tensors of one dimension, with the attributes and the pickles of PyTorch 2's.
"""

from collections import OrderedDict

from . import cuda, storage
from .storage import UntypedStorage as UntypedStorage

__version__ = "2.9.0"


class Dtype:
    def __init__(self, name, letter, itemsize):
        self.name, self.letter, self.itemsize = name, letter, itemsize

    def __reduce__(self):
        return self.name


uint8, float32 = Dtype("uint8", "B", 1), Dtype("float32", "f", 4)


class Device:
    def __init__(self, name, index=None):
        self.type, self.index = name, index

    def __repr__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"


device, dtype = Device, Dtype


class Tensor:
    requires_grad = False

    def __init__(self, memory, offset, size, dtype):
        self._memory, self._offset, self._size, self.dtype = memory, offset, size, dtype

    @property
    def device(self):
        return self._memory.device

    @property
    def data(self):
        return Tensor(self._memory, self._offset, self._size, self.dtype)

    def untyped_storage(self):
        return UntypedStorage(self._memory)

    def set_(self, untyped):
        self._memory, self._offset, self._size = untyped.memory, 0, untyped.nbytes() // self.dtype.itemsize
        return self

    def _values(self):
        return memoryview(self._memory.data()).cast("B").cast(self.dtype.letter)[self._offset :][: self._size]

    def tolist(self):
        return self._values().tolist()

    def add_(self, number):
        values = self._values()
        for at in range(len(values)):
            values[at] += number
        return self

    def copy_(self, other):
        if other.device.type == "cuda":
            cuda.copied += other._size * other.dtype.itemsize
        self._values()[:] = other._values()
        return self

    def __getitem__(self, part):
        start, stop, _ = part.indices(self._size)
        return Tensor(self._memory, self._offset + start, stop - start, self.dtype)

    def to(self, device):
        return empty(self._size, dtype=self.dtype, device=device).copy_(self)

    def __reduce_ex__(self, protocol):
        kept = storage.TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype, _internal=True)
        return _rebuild_tensor, (kept, self._offset, self._size, self.requires_grad, OrderedDict())


class Parameter(Tensor):
    requires_grad = True

    def __init__(self, data):
        super().__init__(data._memory, data._offset, data._size, data.dtype)

    def __reduce_ex__(self, protocol):
        return Parameter, (self.data,)


def _rebuild_tensor(kept, offset, size, requires_grad, hooks):
    assert hooks == {}
    tensor = Tensor(kept._untyped_storage.memory, offset, size, kept.dtype)
    tensor.requires_grad = requires_grad
    return tensor


def empty(size, *, dtype, device):
    if device.type == "cuda" and device.index is None:
        device = Device("cuda", 0)
    memory = storage.Memory(bytearray(size * dtype.itemsize), device)
    memory.data()
    return Tensor(memory, 0, size, dtype)


def frombuffer(data, *, dtype):
    assert len(data), "the library takes no empty one"
    return Tensor(storage.Memory(data, Device("cpu")), 0, len(data) // dtype.itemsize, dtype)


def full(size, value, *, dtype=float32, device):
    return empty(size, dtype=dtype, device=device).add_(value)
