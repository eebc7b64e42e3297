"""Uploads an image to Golem's registry with ``gvmkit-build``, Golem's own program for that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from golem_launcher.errors import ImageError, RequestError

if TYPE_CHECKING:
    from golem_launcher.image.store import OwnImage

TAG: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+:[\w.-]+")
_PROGRAM: Final = "gvmkit-build"


def push(image: OwnImage, tag: str, *, registry_url: str) -> None:
    """Upload an image under a tag, or without one (empty: it is then known by its hash), with the program's progress.

    The program asks for the login on the terminal, or takes ``REGISTRY_USER`` and ``REGISTRY_TOKEN``. Blocking.
    Raises ``RequestError`` when the tag is none, ``ImageError`` when the program is not there or fails.
    """
    if tag and not TAG.fullmatch(tag):
        raise RequestError(f"'{tag}' is no tag.", f"Write it like me/jupyterlab:{image.name}.", field="tag")
    beside = Path(sys.executable).with_name(_PROGRAM)
    program = str(beside) if beside.is_file() else shutil.which(_PROGRAM)
    if program is None:
        raise ImageError(f"Uploading takes Golem's {_PROGRAM}, which is not installed.", "pip install gvmkit-build")
    how = ["--push-to", tag] if tag else ["--push", "--nologin"]
    with tempfile.TemporaryDirectory() as scratch:  # it writes a file beside the image
        path = Path(scratch) / f"{image.name}.gvmi"
        path.symlink_to(image.path)
        done = subprocess.run(
            [program, "--direct-file-upload", str(path), *how],
            check=False, env={**os.environ, "REGISTRY_URL": registry_url},
        )  # fmt: skip
    if done.returncode:
        raise ImageError(
            f"{_PROGRAM} could not upload the image (exit code {done.returncode}).",
            "Above it says why; it can be tried again.",
        )
