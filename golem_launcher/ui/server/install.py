"""``python -m golem_launcher.ui.server.install``: lets another Jupyter server (a hub's, Binder's) show the page.

Puts the page's template and Voilà's settings into the Python environment it runs in, where every Jupyter server of
that environment finds them.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from golem_launcher.ui.server.serve import JUPYTER_DATA, TEMPLATE, kernel_settings

_VOILA = '''\
"""How Voilà shows the launcher page. Written by golem_launcher.ui.server.install."""

from golem_launcher.ui.server.serve import voila_settings

c.VoilaConfiguration.update(voila_settings())
'''


def install(prefix: Path) -> list[Path]:
    """Write template and settings below ``prefix``, over those of an earlier version; what was written."""
    template = Path("nbconvert", "templates", TEMPLATE)
    copied = Path(shutil.copytree(JUPYTER_DATA / template, prefix / "share/jupyter" / template, dirs_exist_ok=True))
    settings = prefix / "etc/jupyter"
    server = settings / "jupyter_server_config.d" / "golem-launcher.json"
    server.parent.mkdir(parents=True, exist_ok=True)
    extension = {"ServerApp": {"jpserver_extensions": {"golem_launcher.ui.server.hub_tunnel": True}}}
    server.write_text(json.dumps({**kernel_settings(), **extension}, indent=1) + "\n")
    voila = settings / "voila.py"
    voila.write_text(_VOILA)
    return [copied, server, voila]


if __name__ == "__main__":
    for path in install(Path(sys.prefix)):
        sys.stdout.write(f"{path}\n")
