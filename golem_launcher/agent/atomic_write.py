"""Files that others read meanwhile: whoever opens one has it as it was, or as it is now."""

from __future__ import annotations

import contextlib
import os


def write(path: str, data: bytes | memoryview, mode: int = 0o666) -> None:
    """All of it or nothing; a new file gets ``mode``, less the umask. Raises ``OSError``."""
    unfinished = f"{path}.{os.getpid()}"
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
