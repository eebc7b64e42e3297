"""``python3 agent.pyz CONFIG.json`` starts the guard in the background; ``… lab CONFIG`` is JupyterLab itself."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from .config import Config
from .guard import Guard
from .log import Log

_NO_JUPYTERLAB = 3


def main(arguments: list[str]) -> int:
    """Do what the arguments say; the exit code."""
    if arguments[0] == "lab":
        return run_lab(arguments[1])
    if importlib.util.find_spec("jupyterlab") is None:
        sys.stderr.write("JupyterLab is not installed in this image; choose one that has it.\n")
        return _NO_JUPYTERLAB
    config = Config.read(Path(arguments[0]))
    config.root.mkdir(parents=True, exist_ok=True)
    if _detach():
        with Log(config.logs, secret=config.token) as log:
            Guard(config, log, [sys.executable, sys.argv[0], "lab", str(config.write_lab_config())]).run()
    return 0


def run_lab(config: str) -> int:
    """JupyterLab in this process. Our extension is found because this archive is on its path, and on no kernel's."""
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - only this process needs it, and it takes a while

    sys.argv = ["jupyter-lab", f"--config={config}"]
    LabApp.launch_instance(sys.argv[1:])
    return 0


def _detach() -> bool:
    """Leave the caller; ``True`` in the process that goes on, with a session and no streams of the caller's."""
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    return True
