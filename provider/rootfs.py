"""The contents of the image as a directory: made as ``golem-launcher image build`` makes it, and unpacked.

Needs squashfs-tools (Debian: ``apt install squashfs-tools``), no root.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from golem_launcher.errors import LauncherError
from golem_launcher.image.store import ImageStore

_SECONDS = 1800


class Missing(Exception):  # noqa: N818
    """A program that is needed is not installed; the message says how to get it."""


def ensure(variant: str, cache: Path) -> Path:
    """The unpacked root of a variant, made in ``cache`` unless the same one is there. Minutes, blocking.

    Raises ``Missing``, ``LauncherError``, and ``subprocess.CalledProcessError`` with the output of what failed.
    """
    if shutil.which("unsquashfs") is None:
        raise Missing("unsquashfs is not installed: sudo apt install squashfs-tools")
    cache.mkdir(parents=True, exist_ok=True)
    image = ImageStore(cache / "made").make(variant, told=lambda _: None)
    root = cache / f"{variant}-{image.hash[:16]}"
    if root.is_dir():
        return root
    with tempfile.TemporaryDirectory(prefix=f".{variant}-", dir=cache, ignore_cleanup_errors=True) as scratch:
        made = Path(scratch) / "root"
        argv = ["unsquashfs", "-quiet", "-no-progress", "-no-xattrs", "-dest", made, image.path]
        subprocess.run(argv, check=True, timeout=_SECONDS, capture_output=True, text=True)
        try:
            made.rename(root)
        except OSError:
            if not root.is_dir():  # else somebody was faster, and made the same
                raise
    return root


def main() -> int:
    """``python -m provider.rootfs VARIANT DIRECTORY``: make the contents of a variant there, unless they are."""
    try:
        print(ensure(sys.argv[1], Path(sys.argv[2])))
    except (Missing, LauncherError) as missing:
        print(missing, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} failed:\n{error.stdout}{error.stderr}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
