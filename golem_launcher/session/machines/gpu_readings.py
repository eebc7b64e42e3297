"""Reads what an agent says of its machine's GPUs. A stranger's words and numbers: checked and cleaned, then shown."""

from __future__ import annotations

from typing import Any

from golem_launcher.gpus import Gpu, GpuProcess, capability
from golem_launcher.untrusted_json import json_object, number
from golem_launcher.untrusted_text import clean_name

_MOST_GPUS, _MOST_PROCESSES = 16, 16
_MOST_BYTES = 1 << 60
_MOST = {"percent": 100.0, "celsius": 1000.0, "watts": 1e5, "watts_most": 1e5}


def gpu_readings(answer: bytes) -> tuple[Gpu, ...] | None:
    """The GPUs in an agent's answer of what is used; ``None`` where it tells nothing of any that makes sense."""
    told = json_object(answer).get("gpus")
    if not isinstance(told, list) or len(told) > _MOST_GPUS or not all(isinstance(one, dict) for one in told):
        return None
    return tuple(map(_gpu, told))


def _gpu(told: dict[str, Any]) -> Gpu:
    processes = told.get("processes")
    known = [_process(one) for one in processes[:_MOST_PROCESSES]] if isinstance(processes, list) else []
    return Gpu(
        name=_words(told.get("name")) or "a GPU",
        driver=_words(told.get("driver")),
        compute_capability=capability(told.get("compute_capability")),
        memory_total_bytes=_bytes(told.get("memory_total_bytes")),
        memory_bytes=_bytes(told.get("memory_bytes")),
        **{name: _figure(told.get(name), most) for name, most in _MOST.items()},
        processes=tuple(one for one in known if one is not None),
    )


def _process(told: Any) -> GpuProcess | None:
    pid = _bytes(told.get("pid")) if isinstance(told, dict) else None
    if pid is None:
        return None
    return GpuProcess(pid=pid, name=_words(told.get("name")), memory_bytes=_bytes(told.get("memory_bytes")))


def _words(value: Any) -> str:
    return clean_name(value) if isinstance(value, str) and value.strip() else ""


def _bytes(value: Any) -> int | None:
    found = _figure(value, _MOST_BYTES)
    return None if found is None else int(found)


def _figure(value: Any, most: float) -> float | None:
    found = number(value)
    return found if found is not None and 0 <= found <= most else None
