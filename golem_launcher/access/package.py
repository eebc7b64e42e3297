"""Our agent as one file, to be sent into a provider."""

from __future__ import annotations

import functools
import io
import zipfile
from importlib import resources

PACKAGE = "golem_launcher_agent"
"""The agent's name over there: it knows nothing of this package."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: the same sources give the same bytes
_MAIN = f"import sys\n\nfrom {PACKAGE}.main import main\n\nsys.exit(main(sys.argv[1:]))\n"


@functools.cache
def agent_archive() -> bytes:
    """The agent as a Python zip application (``python3 agent.pyz CONFIG.json``)."""
    files = {"__main__.py": _MAIN}
    for source in sorted(resources.files("golem_launcher.agent").iterdir(), key=lambda source: source.name):
        if source.name.endswith(".py"):
            files[f"{PACKAGE}/{source.name}"] = source.read_text(encoding="utf-8")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(zipfile.ZipInfo(name, _EPOCH), text)
    return archive.getvalue()
