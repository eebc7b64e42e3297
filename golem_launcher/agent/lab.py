"""The process that becomes JupyterLab: settings from standard input, so that they are in no argument, variable or file.

Not ``python -m jupyterlab``: that puts the current directory, the user's, on the path of the server's imports.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from .settings import Settings
from .tree import PR_SET_PDEATHSIG, prctl

if TYPE_CHECKING:
    from traitlets.config import Config

SETTINGS = "golem_launcher"
"""Where the extension finds the settings, among the web application's own."""


def run() -> None:
    """Serve until told to stop."""
    settings = Settings.from_json(sys.stdin.buffer.read())
    with open(os.devnull, "rb") as null:  # noqa: PTH123
        os.dup2(null.fileno(), 0)
    with contextlib.suppress(OSError):
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - half a second, and not for the agent's own process

    extensions = {LabApp.get_extension_package(): True, f"{__package__}.extension": True}
    if importlib.util.find_spec("jupyter_server_terminals"):
        extensions["jupyter_server_terminals"] = True
    server = LabApp.make_serverapp(jpserver_extensions=extensions, config=configuration(settings))
    server.initialize(argv=[], starter_extension=LabApp.name)
    server.start()


def configuration(settings: Settings) -> Config:
    """Jupyter's configuration; it goes before that of any file."""
    from traitlets.config import Config  # noqa: PLC0415

    server: dict[str, Any] = {
        "ip": settings.address,
        "port": settings.port,
        "port_retries": 0,
        "base_url": settings.base_url,
        "root_dir": settings.root,
        "allow_root": True,  # containers and micro virtual machines have nobody else
        # Every way in ends at a loopback address on the user's side, and the Host header names it. Any other Host is
        # a page that resolved a name of its own to that address.
        "allow_remote_access": False,
        "open_browser": False,
        "quit_button": False,  # a session is ended where it is paid
        "tornado_settings": {
            SETTINGS: settings,
            "page_config_data": {"buildAvailable": False, "buildCheck": False},  # no Node.js here
        },
    }
    return Config(
        {
            "ServerApp": server,
            "IdentityProvider": {"token": settings.token},
            "PasswordIdentityProvider": {"allow_password_change": False},
            "ExtensionApp": {"open_browser": False},
            # The user has agreed to nothing that calls home, and most providers let nothing out.
            "LabApp": {"news_url": None, "check_for_updates_class": "jupyterlab.NeverCheckForUpdate"},
        }
    )
