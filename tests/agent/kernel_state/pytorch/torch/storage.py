"""Memory of tensors: an object for each time that somebody asks, of memory that they share."""

import ctypes

from . import cuda


class Memory:
    """What PyTorch has in C++."""

    def __init__(self, data, device):
        self._data, self.device = data, device

    def data(self):
        return cuda.reached(self._data) if self.device.type == "cuda" else self._data


class UntypedStorage:
    def __init__(self, memory):
        self.memory = memory

    @property
    def _cdata(self):
        return id(self.memory)

    @property
    def device(self):
        return self.memory.device

    def nbytes(self):
        return len(self.memory._data)

    def data_ptr(self):
        return ctypes.addressof(ctypes.c_char.from_buffer(self.memory._data))


class TypedStorage:
    def __init__(self, *, wrap_storage, dtype, _internal):
        self._untyped_storage, self.dtype = wrap_storage, dtype
