"""What a request requires of an offer, as the constraints of a demand.

Yagna compares numbers, and words with ``*`` in them but with their letters' size; it can't add up GPUs or look into
prices. So a demand asks for what it can, by the properties that providers publish, and
:mod:`golem_launcher.market.limits` judges the offers that come by the same request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.market.limits import capabilities_wanted, gpus_wanted
from golem_launcher.market.machine import GPU_CAPABILITY, GPU_PROPERTY, GPU_RUNTIME
from golem_launcher.networks import NETWORKS

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest


def constraints(request: LaunchRequest) -> str:
    """The constraints of a demand for this request, without payment and subnet, which yapapi adds."""
    parts = [
        f"(golem.inf.mem.gib>={request.memory_gib:g})",
        f"(golem.inf.storage.gib>={request.disk_gib:g})",
        f"(golem.inf.cpu.threads>={request.cpus})",
        *(f"(golem.runtime.capabilities={word})" for word in sorted(capabilities_wanted(request))),
        *_gpu(request),
    ]
    if NETWORKS[request.network].money != "none":  # the local network runs on whatever this machine is
        parts.append("(golem.inf.cpu.architecture=x86_64)")
    return f"(&{''.join(parts)})"


def _gpu(request: LaunchRequest) -> list[str]:
    if not gpus_wanted(request):
        return ["(golem.runtime.name=vm)"]
    least = [f"(golem.runtime.name={GPU_RUNTIME})", f"(golem.runtime.capabilities={GPU_CAPABILITY})"]
    parts = [f"(|{''.join(least)})", _one_or_first("model=*")]
    if request.gpu_memory_gib:
        parts.append(_one_or_first(f"memory.total.gib>={request.gpu_memory_gib:g}"))
    return parts


def _one_or_first(condition: str) -> str:
    """A condition on the one GPU of a machine, or on the first of several."""
    return f"(|({GPU_PROPERTY}.{condition})({GPU_PROPERTY}.d0.{condition}))"
