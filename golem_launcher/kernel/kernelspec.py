"""The kernel as Jupyter's programs find it: installed, listed and removed."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from golem_launcher import own_modules
from golem_launcher.errors import RequestError
from golem_launcher.untrusted_text import sentence

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest

NAME = "golem"
TITLE = "Python 3 (Golem)"
_OURS = "golem_launcher"
_REQUEST = "request.yaml"
_RESOURCES = Path(__file__).parent / "resources"


def install(
    *,
    name: str = NAME,
    title: str | None = None,
    user: bool = True,
    prefix: str | None = None,
    request: LaunchRequest | None = None,
    on_shutdown: str = "disconnect",
) -> Path:
    """Install the kernel for this Python; the directory that describes it. One of the same name is replaced.

    With a ``request`` its first cell connects by itself. ``prefix``: into that environment, else for the ``user``, else
    for all. Raises ``RequestError`` for a name that can't be, ``OSError`` where nothing may be written.
    """
    from golem_launcher.request import yaml

    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, name)
        shutil.copytree(_RESOURCES, source)
        title = title or (TITLE if request is None else f"{TITLE}, {name}")
        (source / "kernel.json").write_text(json.dumps(_description(title, on_shutdown, request is not None), indent=1))
        if request is not None:
            (source / _REQUEST).write_text(yaml.dump(request))
        try:
            target = KernelSpecManager().install_kernel_spec(
                str(source), name, user=user and prefix is None, prefix=prefix
            )
        except ValueError as error:
            raise RequestError(sentence(str(error)), "Small letters, digits, dots and dashes make a name.") from None
    return Path(target)


def uninstall(name: str = NAME) -> Path:
    """Remove the kernel; where it was. Raises ``RequestError`` when there is none of ours with that name."""
    if name not in installed():
        raise RequestError(f"No kernel of Golem Launcher is installed as '{name}'.", "See: golem-launcher kernel list")
    return Path(KernelSpecManager().remove_kernel_spec(name))


def installed() -> dict[str, dict[str, Any]]:
    """All of ours, by name: ``display_name``, ``directory``, and ``request`` (a file), where its cells connect."""
    manager = KernelSpecManager()
    found = {}
    for name, place in manager.find_kernel_specs().items():
        try:
            described = manager.get_kernel_spec(name)
        except (NoSuchKernel, ValueError, OSError):  # damaged, or removed meanwhile
            continue
        if _OURS in described.metadata:
            request = Path(place, _REQUEST)
            found[name] = {
                "display_name": described.display_name,
                "directory": place,
                "request": str(request) if request.exists() else None,
            }
    return found


def _description(title: str, on_shutdown: str, with_request: bool) -> dict[str, Any]:  # noqa: FBT001
    arguments = own_modules.command("golem_launcher.kernel", "-f", "{connection_file}")
    if with_request:
        arguments += ["--request", "{resource_dir}/" + _REQUEST]
    if on_shutdown != "disconnect":
        arguments += ["--on-shutdown", on_shutdown]
    return {
        "argv": arguments,
        "display_name": title,
        "language": "python",
        "interrupt_mode": "message",
        "kernel_protocol_version": "5.5",
        "metadata": {
            "debugger": True,
            "supported_features": ["kernel subshells"],
            "supported_encryption": "curve",
            _OURS: True,
        },
    }
