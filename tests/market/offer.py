"""Offers as providers publish them, for tests."""

from golem_launcher.market.offered_gpus import GPU_PROPERTIES
from golem_launcher.market.offered_machine import machines

GPU_PROPERTY = GPU_PROPERTIES[0]

WALLET = "0x" + "ab" * 20


def offer(name="standard", per_hour=0.05, *, provider_id=None, gpus=0, model="", gpu_memory=24.0, **properties):
    value = {
        "golem.node.id.name": name,
        "golem.node.debug.subnet": "public",
        "golem.runtime.name": "vm",
        "golem.runtime.capabilities": ["vpn", "inet", "manifest-support", *(["!exp:gpu"] if gpus else [])],
        "golem.inf.cpu.architecture": "x86_64",
        "golem.inf.cpu.threads": 4,
        "golem.inf.mem.gib": 8.0,
        "golem.inf.storage.gib": 20.0,
        "golem.com.pricing.model": "linear",
        "golem.com.usage.vector": ["golem.usage.duration_sec", "golem.usage.cpu_sec"],
        "golem.com.pricing.model.linear.coeffs": [per_hour / 3600, 0.0, 0.0],
        "golem.com.payment.platform.erc20-hoodi-tglm.address": WALLET,
    }
    for number in range(gpus):
        card = f"{GPU_PROPERTY}.d{number}"
        value |= {f"{card}.model": model, f"{card}.quantity": 1, f"{card}.memory.total.gib": gpu_memory}
    return {"providerId": provider_id or f"0x{name}", "properties": {**value, **properties}}


def machine(*args, **kwargs):
    (found,) = machines([offer(*args, **kwargs)])
    return found
