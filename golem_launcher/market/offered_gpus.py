"""Reads what an offer says of GPUs, in each of the ways in which providers publish them.

GAP-35 puts one GPU's properties at ``golem.!exp.gap-35.v1.inf.gpu.model`` and so on, those of several at ``gpu.d0.``,
``gpu.d1.``; newer runtimes publish what they find by themselves below ``golem.inf.gpu``, in the same two ways. That
programs reach a GPU is said by the capability ``!exp:gpu``, ``gpu`` of newer runtimes, or the runtime ``vm-nvidia``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from golem_launcher.gpus import OfferedGpu, capability
from golem_launcher.untrusted_json import number
from golem_launcher.untrusted_text import clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

GPU_PROPERTIES = ("golem.!exp.gap-35.v1.inf.gpu", "golem.inf.gpu")
GPU_RUNTIME = "vm-nvidia"
GPU_CAPABILITIES = ("!exp:gpu", "gpu")

_PROPERTY = re.compile(
    r"golem\.(?:!exp\.gap-35\.v1\.)?inf\.gpu\."
    r"(?:(d\d{1,2})\.)?(model|quantity|memory\.total\.gib|cuda\.compute-capability)"
)
_MOST = 64
"""GPUs of one machine; more is nonsense."""
_MOST_GIB = 1e6


def offered_gpus(properties: Mapping[str, Any]) -> tuple[OfferedGpu, ...]:
    """The GPUs that an offer names, equal ones together, in the order of their numbers; none need be reachable."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in properties.items():
        if match := _PROPERTY.fullmatch(str(key)):
            found.setdefault(match[1] or "", {})[match[2]] = value
    if len(found) > 1:
        found.pop("", None)  # what stands there is the first of the numbered ones once more
    counts: dict[OfferedGpu, int] = {}
    for place in sorted(found, key=lambda place: int(place[1:] or 0)):
        gpu = _gpu(found[place])
        one = gpu.model_copy(update={"count": 1})
        counts[one] = min(_MOST, counts.get(one, 0) + gpu.count)
    return tuple(one.model_copy(update={"count": count}) for one, count in counts.items())


def _gpu(said: Mapping[str, Any]) -> OfferedGpu:
    return OfferedGpu(
        model=clean_name(str(said.get("model", ""))),
        count=min(_MOST, max(1, int(_size(said.get("quantity"), _MOST)))),
        memory_gib=_size(said.get("memory.total.gib"), _MOST_GIB),
        compute_capability=capability(said.get("cuda.compute-capability")),
    )


def _size(value: object, most: float) -> float:
    found = number(value)
    return found if found is not None and 0 <= found <= most else 0.0
