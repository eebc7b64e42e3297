"""The environment variables of a command: made from nothing, so that no key or address of the host gets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.localnet.runtime.model import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePosixPath

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRIVATE_DIRECTORIES = ("home", "tmp", "cache", "config", "data", "state", "runtime")
"""Below the private directory, for HOME, TMPDIR and the XDG directories."""


def variables(
    *, private: PurePosixPath | None, prefix: PurePosixPath, bind_address: str, mark: str, asked: Mapping[str, str]
) -> dict[str, str]:
    """The variables of a command.

    ``private``: the private directory as the command sees it, with the Python environment ``prefix`` in it; ``None`` in
    an image, which gets as little as Golem's VM gives one. ``asked``: what the requestor's ``deploy`` sets, which goes
    before all but the mark.
    """
    found = {"PATH": _SYSTEM_PATH, "LANG": "C.UTF-8", "GOLEM_BIND_ADDRESS": bind_address}
    if private is not None:
        found.update(_own(private, prefix))
    found.update(asked)
    found[MARK] = mark
    return found


def _own(private: PurePosixPath, prefix: PurePosixPath) -> dict[str, str]:
    home = private / "home"
    return {
        "PATH": f"{prefix}/bin:{_SYSTEM_PATH}",
        "HOME": str(home),
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
