"""A command's environment variables, built from nothing so that nothing of the host leaks in.

Golem's VM gives a command none since its runtime 0.5. What is set here all the same is the mark that tells an
activity's processes from others. Where there are no mounts there is more: nothing else leads to the private Python, or
to the address to listen on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.localnet.runtime.runtime_interface import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePosixPath

    from golem_launcher.localnet.runtime.runtime_interface import ActivityPlace

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRIVATE_DIRECTORIES = ("home", "tmp", "cache", "config", "data", "state", "runtime")
"""Below the private directory of the process runtime, for HOME, TMPDIR and the XDG directories."""


def of_image(place: ActivityPlace, image: Mapping[str, str]) -> dict[str, str]:
    """The variables of a command in a sandbox: none but ours, or an ``image``'s own where the runtime passes them."""
    passed = {"PATH": _SYSTEM_PATH, "LANG": "C.UTF-8", **image} if place.passes_environment else {}
    return {**passed, MARK: place.mark}


def of_process(place: ActivityPlace, prefix: PurePosixPath) -> dict[str, str]:
    """The variables of a command without mounts, with the Python environment ``prefix`` in its private directory."""
    private = place.directory
    return {
        "PATH": f"{prefix}/bin:{_SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "GOLEM_BIND_ADDRESS": place.bind_address,
        MARK: place.mark,
        "HOME": str(private / "home"),
        "USER": "root",
        "LOGNAME": "root",
        "SHELL": "/bin/sh",
        "TERM": "xterm",
        "TMPDIR": str(private / "tmp"),
        "XDG_CACHE_HOME": str(private / "cache"),
        "XDG_CONFIG_HOME": str(private / "config"),
        "XDG_DATA_HOME": str(private / "data"),
        "XDG_STATE_HOME": str(private / "state"),
        "XDG_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTER_CONFIG_DIR": str(private / "config" / "jupyter"),
        "JUPYTER_DATA_DIR": str(private / "data" / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime" / "jupyter"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "config" / "jupyter" / "lab" / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "config" / "jupyter" / "lab" / "workspaces"),
        "IPYTHONDIR": str(private / "config" / "ipython"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "VIRTUAL_ENV": str(prefix),
    }
