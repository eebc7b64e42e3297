"""Prepares an image for JupyterLab before it starts, whoever built the image.

Golem's VM sets no variables, and its network card claims packets of 64 KiB, which some hosts never answer. Where files
belong is said in file_placement.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import importlib.util
import os
import socket
import struct
import sys

LAB = "jupyterlab>=4.4,<5"
_INTERNET = "eth1"
_MTU = 1450
_SIOCSIFMTU = 0x8922
_REASON = 300
_BASH = "/bin/bash"


def prepare() -> None:
    """Set what terminals and kernels need, and mend the network card. Changes this environment."""
    _mend_mtu()
    own = os.path.dirname(sys.executable)
    path = os.environ.get("PATH", os.defpath)
    if own not in path.split(os.pathsep):  # a script of the image led to it
        os.environ["PATH"] = f"{own}{os.pathsep}{path}"
    if os.path.exists(_BASH):
        os.environ.setdefault("SHELL", _BASH)  # Golem's VM names none; without one terminals have plain sh


def bring_lab(seconds: float, spare_pip: str, temporary: str) -> str:
    """Install JupyterLab where there is none; why that failed, in a sentence, or nothing. Blocking.

    ``temporary``: where pip has room to unpack what it downloads.
    ``spare_pip``: a zip file with pip, for an image that has none; it may be absent, and is deleted.
    """
    try:
        return _bring_lab(seconds, spare_pip, temporary)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(spare_pip)


def _bring_lab(seconds: float, spare_pip: str, temporary: str) -> str:
    if importlib.util.find_spec("jupyterlab") is not None:
        return ""
    import site  # noqa: PLC0415 - seldom needed, and this start is counted in milliseconds
    import subprocess  # noqa: PLC0415

    here = f"{sys.executable} (Python {sys.version.split()[0]})"
    options = ["install", "--quiet", "--no-input", "--disable-pip-version-check", LAB]
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", *options]
    elif os.path.exists(spare_pip):
        pip = [sys.executable, f"{spare_pip}/pip", *options, "pip"]
    else:
        return f"There is neither JupyterLab nor pip for {here}. Use an image with one of them."
    try:
        environment = {**os.environ, "TMPDIR": temporary}
        done = subprocess.run(pip, capture_output=True, text=True, timeout=seconds, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return f"JupyterLab could not be installed for {here} within {seconds:.0f} s."
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["pip gave no reason"]
        return f"JupyterLab could not be installed for {here}: {reason[-1][:_REASON]}"
    if "PYTHONUSERBASE" in os.environ:
        site.addsitedir(site.getusersitepackages())
        importlib.invalidate_caches()
    return ""


def _mend_mtu() -> None:
    request = struct.pack("16si12x", _INTERNET.encode(), _MTU)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFMTU, request)  # no such card, or not ours to set: then all is well
