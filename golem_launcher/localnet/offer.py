"""The offer of a provider, and what it answers to a demand."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from golem_launcher.localnet.misbehaviour import hostile_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.localnet.spec import Gpu, NetworkSpec, ProviderSpec

NOTE_INTERVAL = "golem.com.scheme.payu.debit-note.interval-sec?"
NOTE_ACCEPT_TIMEOUT = "golem.com.payment.debit-notes.accept-timeout?"
COEFFICIENTS = "golem.com.pricing.model.linear.coeffs"
EXPIRATION = "golem.srv.comp.expiration"

_NEGOTIABLE = (NOTE_INTERVAL, NOTE_ACCEPT_TIMEOUT)
_LONGEST_NEGOTIABLE = 3600.0
_GPU = "golem.!exp.gap-35.v1.inf.gpu"


def offer_properties(provider: ProviderSpec, network: NetworkSpec, node_id: str) -> dict[str, Any]:
    """The properties of the provider's offer, named as providers on the Golem network name them."""
    counters = provider.prices
    properties: dict[str, Any] = {
        "golem.node.id.name": hostile_name() if provider.misbehaviour.hostile_name else provider.name,
        "golem.node.debug.subnet": network.subnet,
        "golem.runtime.name": provider.runtime_name,
        "golem.runtime.version": provider.runtime_version,
        "golem.runtime.capabilities": [*provider.capabilities, *(["!exp:gpu"] if provider.gpu else [])],
        "golem.inf.cpu.architecture": platform.machine(),
        "golem.inf.cpu.cores": max(1, provider.threads // 2),
        "golem.inf.cpu.threads": provider.threads,
        "golem.inf.mem.gib": provider.memory_gib,
        "golem.inf.storage.gib": provider.storage_gib,
        "golem.srv.caps.multi-activity": True,
        "golem.activity.caps.transfer.protocol": ["http", "https", "gftp"],
        "golem.com.scheme": "payu",
        NOTE_INTERVAL: network.debit_note_interval,
        NOTE_ACCEPT_TIMEOUT: network.debit_note_accept_timeout,
        "golem.com.pricing.model": "linear",
        COEFFICIENTS: [
            *(float(price) for _, price in counters),
            float(provider.price_start),
        ],
        "golem.com.usage.vector": [name for name, _ in counters],
        "golem.com.payment.protocol.version": 2,
    }
    for payment_network in network.payment_networks:
        properties[f"golem.com.payment.platform.erc20-{payment_network}-tglm.address"] = node_id
    if provider.gpu:
        properties.update(_gpu_properties(provider.gpu))
    return {**properties, **provider.properties}


def answer(offer: Mapping[str, Any], demand: Mapping[str, Any], *, price_factor: float = 1.0) -> dict[str, Any]:
    """What to counter to a demand: the offer, with the demand's values where they may be negotiated."""
    agreed = dict(offer)
    if price_factor != 1:
        agreed[COEFFICIENTS] = [coefficient * price_factor for coefficient in offer[COEFFICIENTS]]
    for name in _NEGOTIABLE:
        value = demand.get(name)
        if isinstance(value, (int, float)) and 1 <= value <= _LONGEST_NEGOTIABLE:
            agreed[name] = value
    return agreed


def _gpu_properties(gpu: Gpu) -> dict[str, Any]:
    return {
        f"{_GPU}.model": gpu.model,
        f"{_GPU}.cuda.enabled": True,
        f"{_GPU}.cuda.cores": gpu.cuda_cores,
        f"{_GPU}.cuda.version": gpu.cuda_version,
        f"{_GPU}.memory.total.gib": gpu.memory_gib,
        f"{_GPU}.d0.model": gpu.model,
        f"{_GPU}.d0.quantity": 1,
        f"{_GPU}.d0.memory.total.gib": gpu.memory_gib,
    }
