"""Turns a request into the constraints of a demand.

Yagna compares numbers, and words with ``*`` in them but with their letters' size; it can't add up GPUs or look into
prices. So a demand asks for what it can, by the properties that providers publish, and
:mod:`golem_launcher.market.limit_advice` judges the offers that come by the same request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.gpus import MEMORY_SHARE
from golem_launcher.market.constraint import condition, every, present, some
from golem_launcher.market.limit_advice import capabilities_wanted, gpus_wanted
from golem_launcher.market.offered_gpus import GPU_CAPABILITIES, GPU_PROPERTIES, GPU_RUNTIME
from golem_launcher.market.offered_machine import OFFERED
from golem_launcher.networks import NETWORKS
from golem_launcher.request.fields import about

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest


def constraints(request: LaunchRequest) -> str:
    """The constraints of a demand for this request, without payment and subnet, which yapapi adds."""
    parts = [
        *(condition(about(name).offered, ">=", least) for name in OFFERED if (least := getattr(request, name))),
        *(condition("golem.runtime.capabilities", "=", word) for word in sorted(capabilities_wanted(request))),
        *_gpu(request),
    ]
    if architecture := NETWORKS[request.network].architecture:
        parts.append(condition("golem.inf.cpu.architecture", "=", architecture))
    return every(*parts)


def _gpu(request: LaunchRequest) -> list[str]:
    if not gpus_wanted(request):
        return [condition("golem.runtime.name", "=", "vm")]
    capable = [condition("golem.runtime.capabilities", "=", word) for word in GPU_CAPABILITIES]
    places = [f"{prefix}{card}" for prefix in GPU_PROPERTIES for card in ("", ".d0")]  # the one GPU, or the first
    parts = [
        some(condition("golem.runtime.name", "=", GPU_RUNTIME), *capable),
        some(*(present(f"{place}.model") for place in places)),
    ]
    if request.gpu_memory_gib:
        least = request.gpu_memory_gib * MEMORY_SHARE
        parts.append(some(*(condition(f"{place}.memory.total.gib", ">=", least) for place in places)))
    return parts
