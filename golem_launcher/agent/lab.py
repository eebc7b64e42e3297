"""Starts JupyterLab with the launcher's configuration only, in a process forked for it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from . import compiling, killed_kernels, late_extensions, notebook_cluster, page_builds_disabled
from .kernel_state import signal_files

try:
    from . import cell_outputs
    from .resumable_websocket import ResumableConnection
except ImportError:  # an image's Jupyter Server that has no such classes yet
    ResumableConnection = None  # type: ignore[assignment, misc]
try:
    from .notebook_states import NotebookStates, SessionsWithState
    from .states_disabled import NoStates
except ImportError:  # likewise
    SessionsWithState = None  # type: ignore[assignment, misc]
try:
    from . import upload_parts_handler
except ImportError:  # likewise
    upload_parts_handler = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_server.serverapp import ServerApp

    from .config import Config

_LAYOUT = ".jupyter/lab"
_LONGEST_TOKEN = 256
_UNUSED_EXTENSION = "notebook_shim"
"""It serves settings of the Notebook before version 7 alone, and imports all of IPython for it (0.3 s)."""
_DEFAULTS: dict[str, dict[str, object]] = {
    # The launcher's page saves what was typed. JupyterLab's own saving keeps to its two minutes: sooner it would often
    # meet the other, and then ask about a file that has changed.
    "@jupyterlab/docmanager-extension:plugin": {"renameUntitledFileOnSave": False},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
"""JupyterLab's settings for who has made none: work is saved by itself, and nothing is asked."""


def load() -> None:
    """Load what :func:`run` needs of the image, while files of the workspace still arrive: it reads none of them.

    What can't be loaded is left to that, which says so.
    """
    with contextlib.suppress(Exception):
        _lab_app()
        for name in _enabled_extensions():
            with contextlib.suppress(Exception):
                extension = importlib.import_module(name)
                for point in extension._jupyter_server_extension_points():  # noqa: SLF001 - Jupyter's name for it
                    importlib.import_module(point["module"])


def run(config: Config, life: int, lead: int) -> None:
    """Run the server until it ends, or the process manager does, with which ``life`` ends.

    Where this machine stands by, it is used once there is a token to be read from ``lead``.
    """
    archive = os.path.abspath(sys.path[0])
    os.chdir(config.root)
    sys.argv = ["jupyter-lab"]
    del sys.path[0]  # the archive: all of it that is needed here is imported
    with contextlib.suppress(OSError, ValueError):  # what an image has of its own may be damaged: no Lab hangs on it
        _write_defaults(config.jupyter)
    if config.notebook_cluster:
        notebook_cluster.bring(config)
    lab_app = _lab_app()  # here, where its failure reaches the log
    from traitlets.config import Config as Traits  # noqa: PLC0415

    # Handed over in memory, with the rank of the command line: nothing on disk, and no file of the image wins.
    traits = Traits(settings(config))
    traits.ServerApp.jpserver_extensions.update({_UNUSED_EXTENSION: False})
    if ResumableConnection is not None:
        traits.ServerApp.kernel_websocket_connection_class = ResumableConnection
    if SessionsWithState is not None:
        traits.ServerApp.session_manager_class = SessionsWithState
    server = lab_app.initialize_server(argv=[], config=traits)
    if config.stands_by:
        server.io_loop.add_handler(lead, lambda *_: _take_lead(server, config, archive, lead), server.io_loop.READ)
    elif SessionsWithState is not None:
        _keep_states(server, config, archive)
    server.io_loop.add_handler(life, lambda *_: _end(server, life), server.io_loop.READ)
    page_builds_disabled.refuse(server)
    compiling.begin(server)
    if ResumableConnection is not None:
        cell_outputs.watch(server)
    if upload_parts_handler is not None:
        upload_parts_handler.take(server)
    late_extensions.watch(server)
    killed_kernels.watch(server)
    server.no_browser_open_file = True  # it would hold the token, and anybody could read it
    server.start()


def _lab_app() -> Any:
    # It has Node.js tell what is set for yarn, half a second of each start: for builds, which ask again.
    with _without_programs():
        from jupyterlab.labapp import LabApp  # noqa: PLC0415 - most processes of the agent need none
    return LabApp


def _enabled_extensions() -> list[str]:
    """What is loaded into the server, by the configurations of the image."""
    from jupyter_core.paths import ENV_CONFIG_PATH, SYSTEM_CONFIG_PATH  # noqa: PLC0415 - it is there with JupyterLab
    from jupyter_server.extension.config import ExtensionConfigManager  # noqa: PLC0415 - likewise

    paths = [os.path.join(path, "jupyter_server_config.d") for path in (*SYSTEM_CONFIG_PATH, *ENV_CONFIG_PATH)]
    enabled = ExtensionConfigManager(read_config_path=paths).get_jpserver_extensions()
    return [name for name, wanted in enabled.items() if wanted and name != _UNUSED_EXTENSION]


@contextlib.contextmanager
def _without_programs() -> Iterator[None]:
    """Nothing finds a program meanwhile."""
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.devnull
    try:
        yield
    finally:
        os.environ["PATH"] = path


def _keep_states(server: ServerApp, config: Config, archive: str) -> None:
    """Have variables of notebooks kept, unless that is not wanted: then what was kept before is left alone."""
    with contextlib.suppress(OSError, AttributeError):  # no Lab hangs on it
        place = signal_files.place(config.log)
        kept = config.kernel_state
        server.session_manager.states = NotebookStates(config.root, place, archive) if kept else NoStates(archive)


def _take_lead(server: ServerApp, config: Config, archive: str, lead: int) -> None:
    """Make this machine the head: the session's token is accepted, and variables come back."""
    server.io_loop.remove_handler(lead)
    token = os.read(lead, _LONGEST_TOKEN).decode()
    if SessionsWithState is not None:
        _keep_states(server, config, archive)
    server.identity_provider.token = token
    about = server.web_app.settings
    about.update(token=token, cookie_secret=_cookie_secret(token))
    about["page_config_data"]["token"] = token


def _end(server: ServerApp, life: int) -> None:
    server.io_loop.remove_handler(life)
    server.log.error("The agent is gone: the server ends.")
    server.stop()


def _write_defaults(directory: str) -> None:
    """Put the defaults where JupyterLab looks for them.

    The image's own count for more, the user's for most.
    """
    from jupyter_server.config_manager import recursive_update  # noqa: PLC0415
    from jupyter_server.services.config.manager import ConfigManager  # noqa: PLC0415 - as above

    section, merged = "default_setting_overrides", json.loads(json.dumps(_DEFAULTS))
    recursive_update(merged, ConfigManager(config_dir_name="labconfig").get(section))
    os.makedirs(os.path.join(directory, "labconfig"), exist_ok=True)
    with open(os.path.join(directory, "labconfig", f"{section}.json"), "w", encoding="utf-8") as file:
        json.dump(merged, file)


def _cookie_secret(endpoint_token: str) -> bytes:
    return hashlib.sha256(b"cookies " + endpoint_token.encode()).digest()


def settings(config: Config) -> dict[str, dict[str, object]]:
    """The traits that the launcher decides."""
    return {
        "ServerApp": {
            "ip": config.address,
            "port": config.port,
            "port_retries": 0,
            "open_browser": False,
            "allow_root": True,
            "allow_remote_access": False,  # only a Host that is a loopback address is answered: no DNS rebinding
            "root_dir": config.root,
            "base_url": config.base_url,
            # The same at each provider of the session: a page that is loaded again after a loss is not asked who it is.
            "cookie_secret": _cookie_secret(config.endpoint_token),
            # No login shell, which is the default here: it would forget the PATH that leads to what pip installed.
            "terminado_settings": {"shell_command": [os.environ.get("SHELL") or "sh"]},
            "identity_provider_class": "jupyter_server.auth.identity.PasswordIdentityProvider",
        },
        # An image may bring a password of its own: whoever knows it must not get in.
        "PasswordIdentityProvider": {
            "token": config.endpoint_token,
            "hashed_password": "",
            "allow_password_change": False,
        },
        # A kernel that dies within its first ten seconds (a file too large for the memory, in the first cell) would
        # come back at other ports, and whoever is connected to it would wait for answers for ever.
        "KernelRestarter": {"random_ports_until_alive": False},
        "LabApp": {
            # In the workspace, so that open notebooks, layout and settings are saved and restored with it.
            "workspaces_dir": os.path.join(config.root, _LAYOUT, "workspaces"),
            "user_settings_dir": os.path.join(config.root, _LAYOUT, "user-settings"),
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "extension_manager": "readonly",
        },
    }
