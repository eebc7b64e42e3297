"""GPUs: as many as the environment says. After a fork nobody reaches what is on them."""

import os

copied = 0
"""Bytes that came from them."""
busy = 0
"""How often a stream will say that it is not done."""
_processes = []
"""The one that began to use them."""


def device_count():
    return int(os.environ.get("STAND_IN_GPUS", "0"))


def is_available():
    return device_count() > 0


def is_initialized():
    return _processes == [os.getpid()]


def reached(data):
    if not is_available():
        raise RuntimeError("No CUDA GPUs are available")
    if not _processes:
        _processes.append(os.getpid())
    if not is_initialized():
        raise RuntimeError("Cannot re-initialize CUDA in forked subprocess.")
    return data


class _Stream:
    def query(self):
        reached(None)
        globals()["busy"] -= 1
        return busy < 0


def current_stream(device):
    assert device.type == "cuda"
    return _Stream()
