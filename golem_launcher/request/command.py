"""A request as the command that starts it: for a person to copy."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.request.yaml import changed, number

if TYPE_CHECKING:
    from golem_launcher.request.model import LaunchRequest

OPTIONS = {
    "name": "--name",
    "network": "--network",
    "budget": "--budget",
    "price_per_hour": "--price",
    "hours": "--hours",
    "cpus": "--cpus",
    "memory_gib": "--mem",
    "disk_gib": "--disk",
    "gpus": "--gpus",
    "gpu_model": "--gpu-model",
    "gpu_memory_gib": "--gpu-memory",
    "software": "--software",
    "image": "--image",
    "packages": "--package",
    "inputs": "--input",
    "resume": "--resume",
    "ssh_key": "--ssh-key",
    "choose": "--choose",
    "allow": "--allow",
    "deny": "--deny",
    "outbound": "--outbound",
    "outbound_urls": "--outbound-url",
    "outbound_permit": "--outbound-permit",
    "save": "--no-save",
    "save_seconds": "--save-seconds",
    "keep_gib": "--keep",
    "store": "--store",
    "encrypt": "--encrypt",
    "recover": "--no-recover",
    "lab_extensions": "--no-lab-extensions",
}
"""The option of ``golem-launcher start`` for each field. An option for a list is given once an item."""


def command(request: LaunchRequest) -> str:
    """``golem-launcher start --name …`` with what differs from the defaults, quoted for a shell."""
    words = ["golem-launcher", "start"]
    for name, value in changed(request).items():
        words += _words(OPTIONS[name], value)
    return shlex.join(words)


def _words(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option]  # it differs from its default, which is what the option says
    if isinstance(value, tuple):
        return [word for item in value for word in (option, item)]
    return [option, number(value) if isinstance(value, Decimal | float) else str(value)]
