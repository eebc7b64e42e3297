"""The offer of a provider, named as providers on the Golem network name things."""

from __future__ import annotations

import functools
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from golem_launcher import networks
from golem_launcher.localnet.misbehaviour import hostile_name
from golem_launcher.localnet.negotiation import (
    COEFFICIENTS,
    EXPIRATION,
    NOTE_ACCEPT_TIMEOUT,
    NOTE_INTERVAL,
    PAYMENT_TIMEOUT,
)

if TYPE_CHECKING:
    from golem_launcher.localnet.spec import ClaimedGpu, NetworkSpec, ProviderSpec

_GPU = {
    "gap-35": "golem.!exp.gap-35.v1.inf.gpu",
    "numbered": "golem.!exp.gap-35.v1.inf.gpu.d0",
    "runtime": "golem.inf.gpu.d0",
}
"""Where GPUs are described, by the way in which they are published."""
_CPUINFO = Path("/proc/cpuinfo")


def offer_properties(provider: ProviderSpec, network: NetworkSpec, node_id: str) -> dict[str, Any]:
    """The properties of the provider's offer."""
    counters = provider.prices
    properties: dict[str, Any] = {
        "golem.node.id.name": hostile_name() if provider.misbehaviour.hostile_name else provider.name,
        "golem.node.debug.subnet": network.subnet,
        "golem.node.net.is-public": False,
        "golem.runtime.name": provider.runtime_name,
        "golem.runtime.version": provider.runtime_version,
        "golem.runtime.capabilities": [*provider.capabilities, *([provider.gpu.capability] if provider.gpu else [])],
        "golem.inf.cpu.architecture": platform.machine(),
        "golem.inf.cpu.cores": psutil.cpu_count(logical=False) or 1,
        "golem.inf.cpu.threads": provider.threads,
        **_processor(),
        "golem.inf.mem.gib": provider.memory_gib,
        "golem.inf.storage.gib": provider.storage_gib,
        "golem.srv.caps.multi-activity": True,
        "golem.srv.caps.payload-manifest": "manifest-support" in provider.capabilities,
        "golem.activity.caps.transfer.protocol": ["http", "https", "gftp"],
        "golem.activity.caps.transfer.report-progress": True,
        "golem.activity.caps.deploy.report-progress": True,
        "golem.com.scheme": "payu",
        NOTE_INTERVAL: network.debit_note_interval,
        NOTE_ACCEPT_TIMEOUT: network.debit_note_accept_timeout,
        PAYMENT_TIMEOUT: network.payment_timeout,
        "golem.com.pricing.model": "linear",
        COEFFICIENTS: [
            *(float(price) for _, price in counters),
            float(provider.price_start),
        ],
        "golem.com.usage.vector": [name for name, _ in counters],
        "golem.com.payment.protocol.version": 3,
    }
    for payment_network in network.payment_networks:
        properties[f"golem.com.payment.platform.{networks.platform_of(payment_network)}.address"] = node_id
    if provider.gpu:
        properties.update(_gpu_properties(provider.gpu))
    return {**properties, **provider.properties}


def offer_constraints(network: NetworkSpec) -> str:
    """What the provider asks of a demand: agreements that end in the future, and its own subnet."""
    now = int(time.time() * 1000)
    return f"(&\n  ({EXPIRATION}>{now})\n  (golem.node.debug.subnet={network.subnet})\n)"


def _gpu_properties(gpu: ClaimedGpu) -> dict[str, Any]:
    place = _GPU[gpu.published]
    properties: dict[str, Any] = {
        f"{place}.model": gpu.model,
        f"{place}.cuda.enabled": True,
        f"{place}.cuda.cores": gpu.cuda_cores,
        f"{place}.cuda.version": gpu.cuda_version,
        f"{place}.memory.total.gib": gpu.memory_gib,
    }
    if gpu.compute_capability:
        properties[f"{place}.cuda.compute-capability"] = gpu.compute_capability
    if gpu.published != "gap-35":
        properties[f"{place}.quantity"] = gpu.count
    return properties


@functools.lru_cache(maxsize=1)
def _processor() -> dict[str, Any]:
    """What Golem's VM runtime says of the processor; what this machine's kernel does not tell is left out."""
    try:
        first = _CPUINFO.read_text().split("\n\n", 1)[0]
    except OSError:
        return {}
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    if not {"vendor_id", "model name", "flags"} <= said.keys():
        return {}
    model = f"Stepping {said.get('stepping')} Family {said.get('cpu family')} Model {said.get('model')}"
    return {
        "golem.inf.cpu.vendor": said["vendor_id"],
        "golem.inf.cpu.brand": said["model name"],
        "golem.inf.cpu.model": model,
        "golem.inf.cpu.capabilities": said["flags"].split(),
    }
