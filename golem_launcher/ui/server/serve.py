"""The page's web server: a Jupyter server with Voilà and nothing else, protected by a token.

A server extension rather than the ``voila`` program, because that one loads no other extensions and its kernels
cannot be told to end when their page is closed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import files, paths
from golem_launcher.errors import LauncherError
from golem_launcher.session.cleanup import housekeeping
from golem_launcher.ui.server.run_directory import run_directory

if TYPE_CHECKING:
    from collections.abc import Callable

NOTEBOOK = "launcher.ipynb"
PAGE = f"/voila/render/{NOTEBOOK}"
FIRST_PORT = 8866
_PORTS_TO_TRY = 50

_HERE = Path(__file__).parent
JUPYTER_DATA = _HERE / "share" / "jupyter"
"""Holds the page's template; goes on ``JUPYTER_PATH``."""

TEMPLATE = "golem-launcher"

_CULL_IDLE_SECONDS = 600
_LONGEST_MESSAGE = 64 * 1024 * 1024
"""Tornado's own limit of 10 MiB drops the connection without a word."""


def listen(wanted: int | None = None) -> socket.socket:
    """Listen on port ``wanted`` of 127.0.0.1, else on 8866 or the next one that is free: nobody can take it any more.

    Raises ``LauncherError`` when ``wanted``, or every port tried, is taken.
    """
    ports = range(FIRST_PORT, FIRST_PORT + _PORTS_TO_TRY) if wanted is None else [wanted]
    for port in ports:
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    if wanted is not None:
        raise LauncherError(f"Port {wanted} is taken.", "Choose another, or leave --port away.")
    raise LauncherError(f"No port from {ports[0]} to {ports[-1]} is free.", "Choose one with --port.")


def listen_privately(path: str) -> socket.socket:
    """Listen at a socket that only this user can reach."""
    from tornado.netutil import bind_unix_socket  # noqa: PLC0415 - few need it

    return bind_unix_socket(path, mode=0o600)


def serve(listener: socket.socket, *, ready: Callable[[str], None]) -> None:
    """Serve the page at ``listener`` until SIGINT or SIGTERM; ``ready`` gets its address once it answers. Blocking."""
    token = secrets.token_urlsafe(24)
    port = listener.getsockname()[1]
    settings = server_settings(port, token, served_directory())
    _serve(listener, str(port), settings, lambda: ready(f"http://127.0.0.1:{port}{PAGE}?token={token}"))


def serve_beside(listener: socket.socket, base_url: str) -> None:
    """The same below ``base_url`` of another Jupyter server, which lets in whom it knows and alone reaches us."""
    settings = server_settings(0, "", served_directory())
    settings["ServerApp"] |= {"base_url": base_url, "default_url": base_url + PAGE, "allow_remote_access": True}
    _serve(listener, f"beside-{os.getpid()}", settings, lambda: None)


def _serve(listener: socket.socket, name: str, settings: dict[str, Any], ready: Callable[[], None]) -> None:
    from traitlets.config import Config  # noqa: PLC0415 - half a second that no other command should pay

    jupyter_path = [str(JUPYTER_DATA), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(jupyter_path)
    over = threading.Event()
    with run_directory(name) as running:
        os.environ["JUPYTER_RUNTIME_DIR"] = str(running)
        app = _app(listener, Config(settings))
        app.initialize(argv=[])
        _log_to(app.log, paths.private_directory(paths.home() / "page") / "page.log")
        with contextlib.suppress(KeyboardInterrupt):  # one that comes before the server takes them itself
            ready()
            threading.Thread(target=housekeeping.keep_tidy, args=(over,), name="housekeeping", daemon=True).start()
            app.no_browser_open_file = True  # it would hold the token, and anybody could read it
            app.start()
        over.set()


def _app(listener: socket.socket, config: Any) -> Any:
    """A Jupyter server that takes its connections from ``listener``: its own look for a port ends before it listens."""
    from jupyter_server.serverapp import ServerApp  # noqa: PLC0415
    from tornado.httpserver import HTTPServer  # noqa: PLC0415

    from golem_launcher.socket_owner import is_another_person, refusal  # noqa: PLC0415

    class OwnServer(HTTPServer):
        def handle_stream(self, stream: Any, address: Any) -> None:
            if listener.family != socket.AF_UNIX and is_another_person(address, stream.socket.getsockname()):
                stream.write(refusal()).add_done_callback(lambda done: done.exception() or stream.close())
            else:
                super().handle_stream(stream, address)

    class PageServer(ServerApp):
        def init_httpserver(self) -> None:
            sizes = {"max_body_size": self.max_body_size, "max_buffer_size": self.max_buffer_size}
            self._http_server = OwnServer(self.web_app, **sizes)
            listener.setblocking(False)
            self.io_loop.add_callback(self._http_server.add_socket, listener)

    return PageServer(config=config)


def served_directory() -> Path:
    """The directory that the server shows: the notebook and nothing else."""
    directory = paths.private_directory(paths.home() / "page" / "served")
    files.write_atomic(directory / NOTEBOOK, (_HERE / NOTEBOOK).read_bytes())
    return directory


def server_settings(port: int, token: str, directory: Path) -> dict[str, Any]:
    """The server's configuration, with a reason beside what is not plain."""
    return {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "open_browser": False,
            "root_dir": str(directory),
            "default_url": PAGE,
            "answer_yes": True,  # Ctrl-C means it
            "allow_root": True,  # containers
            "terminals_enabled": False,
            "jpserver_extensions": _only("voila.server_extension"),
            "log_level": logging.WARNING,
            "tornado_settings": {"websocket_max_message_size": _LONGEST_MESSAGE},
        },
        "KernelManager": {"transport": "ipc"},  # sockets that only this user can reach
        "IdentityProvider": {
            "token": token,
            # Not every browser takes no word for this: a picture in a stranger's page would start a kernel.
            "cookie_options": {"samesite": "Lax"},
        },
        **kernel_settings(),
        "VoilaConfiguration": voila_settings(),
    }


def kernel_settings() -> dict[str, Any]:
    """What keeps the kernels of pages that are gone from staying, or from filling the server's memory."""
    return {
        "MappingKernelManager": {
            "buffer_offline_messages": False,  # an orphan's messages would pile up in memory without bound
            "cull_idle_timeout": _CULL_IDLE_SECONDS,
            "cull_interval": 60,
        }
    }


def voila_settings() -> dict[str, Any]:
    """How Voilà shows the page: here, and on a hub's server (:mod:`.install`)."""
    return {
        "template": TEMPLATE,
        "theme": "auto",
        "file_allowlist": [],  # Voilà serves these without asking for a token
        # Others are made for a newer JupyterLab than the one that Voilà bundles, and complain.
        "extension_allowlist": [
            "@jupyter-widgets/jupyterlab-manager",
            "@voila-dashboards/widgets-manager8",
            "anywidget",
        ],
        "prelaunch_hook": _let_page_end_its_kernel,
    }


def _only(extension: str) -> dict[str, bool]:
    """Switch off every installed server extension but one."""
    from jupyter_server.extension.config import ExtensionConfigManager  # noqa: PLC0415

    installed = ExtensionConfigManager(read_config_path=_config_path()).get_jpserver_extensions()
    return {**dict.fromkeys(installed, False), extension: True}


def _config_path() -> list[str]:
    from jupyter_core.paths import jupyter_config_path  # noqa: PLC0415

    return list(jupyter_config_path())


def _let_page_end_its_kernel(handler: Any, **_: Any) -> None:
    """Set the ``_xsrf`` cookie with the page: Voilà's last message, which ends the kernel, is refused without."""
    handler.xsrf_token  # noqa: B018 - reading it sets the cookie


def _log_to(log: logging.Logger, path: Path) -> None:
    """Send the server's own log to a file: the terminal shows the address, and nothing more."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for existing in tuple(log.handlers):
        log.removeHandler(existing)
    log.addHandler(handler)
    log.propagate = False
