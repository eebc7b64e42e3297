"""Loads server extensions and language servers that are installed while the Jupyter server runs.

JupyterLab finds the page's half of what a user installs at the next reload, but the server's half only when it starts,
and a restart would end every kernel. So the directories into which packages put themselves are looked at once a second,
and what is new there is taken in as at the start. What is removed stays until the session ends.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.config import ExtensionConfigManager
from tornado.ioloop import PeriodicCallback

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_MILLISECONDS = 1000


def watch(server: ServerApp) -> None:
    """From when the server runs until it ends. Called once, on an initialized server."""
    places = _places(server)
    known = last = _changes(places)

    async def look() -> None:
        nonlocal known, last
        now = _changes(places)
        settled, last = now == last, now
        if settled and now != known:  # not in the middle of an installation
            known = now
            await _load_extensions(server)
            await _find_languages(server)

    PeriodicCallback(look, _MILLISECONDS).start()


def _places(server: ServerApp) -> list[str]:
    """Where packages enable server extensions, lie themselves, and have their commands; npm's too."""
    commands = os.path.dirname(sys.executable)
    enabled = [os.path.join(path, "jupyter_server_config.d") for path in server.config_file_paths]
    return [*enabled, *filter(os.path.isdir, sys.path), commands, os.path.join(server.root_dir, "node_modules")]


def _changes(places: list[str]) -> list[int]:
    """When something was last put into each of the directories; 0 for those that are not there."""
    return [_change(place) for place in places]


def _change(place: str) -> int:
    try:
        return os.stat(place).st_mtime_ns
    except OSError:
        return 0


async def _load_extensions(server: ServerApp) -> None:
    """Load what is enabled and not known yet. What fails is said in the log, and tried again at the next change."""
    importlib.invalidate_caches()
    enabled = ExtensionConfigManager(read_config_path=server.config_file_paths).get_jpserver_extensions()
    manager = server.extension_manager
    names = sorted(name for name, wanted in enabled.items() if wanted and name not in manager.extensions)
    # As at a start: all are linked before the first is loaded, as some ask for one another.
    names = [name for name in names if manager.add_extension(name, enabled=True)]
    for name in names:
        manager.link_extension(name)
    for name in names:
        manager.load_extension(name)
        if hasattr(manager, "start_extension"):  # newer versions of jupyter_server
            await manager.start_extension(name)


async def _find_languages(server: ServerApp) -> None:
    """Have jupyter-lsp, which looks for language servers when it starts, look again; those that run go on."""
    manager: Any = getattr(server, "language_server_manager", None)
    if manager is None:
        return
    from jupyter_lsp.session import LanguageServerSession  # noqa: PLC0415 - it is there when its manager is
    from jupyter_lsp.virtual_documents_shadow import setup_shadow_filesystem  # noqa: PLC0415

    before = dict(manager.language_servers)
    await asyncio.get_running_loop().run_in_executor(None, manager.init_language_servers)
    new = {name: about for name, about in manager.language_servers.items() if name not in manager.sessions}
    sessions = {name: LanguageServerSession(language_server=name, spec=new[name], parent=manager) for name in new}
    manager.sessions = {**manager.sessions, **sessions}
    if any(map(_reads_files, new.values())) and not any(map(_reads_files, before.values())):
        setup_shadow_filesystem(server.web_app.settings["page_config_data"]["virtualDocumentsUri"])


def _reads_files(about: dict[str, Any]) -> bool:
    """Whether a language server wants to find documents on the disk."""
    return bool(about.get("requires_documents_on_disk", True))
