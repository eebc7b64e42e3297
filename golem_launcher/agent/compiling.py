"""Python packages that were never compiled, as in the launcher's own images, are compiled while the session runs.

Compiled Python would make these images a quarter larger, and only the Python of the image could make it. Without it the
first ``import sklearn`` takes 5 s of processor time instead of 2 s, and so does each module's first import. What is
compiled lies on the session's own disk: an image's root is memory.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import site
import sys
from typing import TYPE_CHECKING

from . import file_placement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_server.serverapp import ServerApp

_PLACE = "compiled"
_AFTER_SECONDS = 3.0
"""The Lab's own start and its first page come first."""
_MOST_WORKERS = 4
"""Each takes about 20 MiB of memory."""
_PROGRAM = """
import compileall, os, sys
os.nice(19)
for place in sys.argv[2:]:
    compileall.compile_dir(place, quiet=2, workers=int(sys.argv[1]))
"""


def prepare(root: str) -> None:
    """Have compiled Python kept on the disk of the workspace ``root``, if it is one and JupyterLab was never compiled.

    To be called before JupyterLab is imported. Changes this environment.
    """
    own = os.path.join(root, file_placement.OWN)
    spec = importlib.util.find_spec("jupyterlab")
    cached = spec.cached if spec is not None else None
    if cached is None or os.path.exists(cached) or sys.dont_write_bytecode or not os.path.isdir(own):
        return
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(own, _PLACE)


def begin(server: ServerApp) -> None:
    """Compile all packages, soon after the server runs, where :func:`prepare` found that it is due."""
    if sys.pycache_prefix is None:
        return
    places = [*site.getsitepackages(), os.path.dirname(os.__file__)]
    server.io_loop.call_later(_AFTER_SECONDS, compile_packages, places)


async def compile_packages(places: Sequence[str]) -> None:
    """Compile what lies in these directories, at the lowest priority. What can't be compiled is passed over."""
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, str(workers), *places,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await process.wait()  # it ends with the session at the latest: the process manager kills what is left then
