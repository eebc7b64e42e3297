"""The page beside a JupyterLab of this computer: its launcher has a tile for it, by jupyter-server-proxy.

That starts this module as a program when somebody clicks the tile, and lets in whom the Lab itself lets in.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from golem_launcher import own_modules

NAME = "golem-launcher-page"
"""The entry point's, and so where the Lab has the page."""
_ICON = Path(__file__).parents[1] / "kernel" / "resources" / "logo-svg.svg"


def tile() -> dict[str, Any]:
    """What jupyter-server-proxy is to know. It asks when a Jupyter server starts that has this package beside it."""
    from golem_launcher.ui.server.serve import PAGE  # noqa: PLC0415 - whoever never clicks pays for the asking alone

    return {
        "command": own_modules.command(__name__, "{unix_socket}", "{base_url}" + NAME),
        "unix_socket": True,
        "absolute_url": True,
        "timeout": 60,
        "launcher_entry": {"title": "Golem Launcher", "icon_path": str(_ICON), "path_info": NAME + PAGE},
    }


def main(path: str, base_url: str) -> None:
    """Serve the page at a socket below ``base_url``, until SIGTERM; the local network comes up meanwhile."""
    from golem_launcher.ui.server import serve  # noqa: PLC0415 - as above

    listener = serve.listen_privately(path)
    threading.Thread(target=_bring_up, daemon=True).start()
    serve.serve_beside(listener, base_url)


def _bring_up() -> None:
    from golem_launcher.errors import LauncherError  # noqa: PLC0415 - as above
    from golem_launcher.ui.header.network import bring_up  # noqa: PLC0415

    try:
        bring_up()
    except LauncherError as error:
        sys.stderr.write(f"{error}\n")  # the page shows it, too


if __name__ == "__main__":
    main(*sys.argv[1:])
