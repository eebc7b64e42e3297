"""Takes the parts of a large upload as they are, in the Lab's server: what workspace/upload_replay.py asks of it.

As JupyterLab's page sends a part, its content is packed twice, and to unpack it takes longer than all else there is to
do with it. The first part and the last, with which hooks run and others are told, are asked as the page asks them. Who
may write where is decided as for those: by the same handler's rules, and the same manager of the files.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import path_regex
from jupyter_server.services.contents.handlers import ContentsHandler, validate_model
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager, LargeFileManager
from jupyter_server.utils import ensure_async, url_path_join
from tornado import web

from .workspace.upload_replay import RAW_PARTS

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def take(server: ServerApp) -> None:
    """Called once, on an initialized server. Where files are not just files, the page's way is the only one."""
    if type(server.contents_manager) in {AsyncLargeFileManager, LargeFileManager}:
        place = url_path_join(server.base_url, RAW_PARTS)
        server.web_app.add_handlers(".*$", [(place + path_regex, _Parts)])


class _Parts(ContentsHandler):
    @web.authenticated
    @authorized
    def get(self, path: str = "") -> None:  # noqa: ARG002 - the place's name
        """Tell that they are taken."""
        self.finish({})

    @web.authenticated
    @authorized
    async def put(self, path: str = "") -> None:
        """Add what is sent to the end of a file, as JupyterLab adds a part that is neither the first nor the last."""
        files = self.contents_manager
        if not files.allow_hidden and await ensure_async(files.is_hidden(path)):
            raise web.HTTPError(400, f"Cannot create file or directory {path!r}")
        place = files._get_os_path(path)  # noqa: SLF001 - what it asks itself, of all versions
        try:
            with files.perm_to_403(place):
                await asyncio.get_running_loop().run_in_executor(None, _add, place, self.request.body)
        except OSError as error:
            raise web.HTTPError(500, f"Unexpected error while saving file: {path} {error.strerror}") from error
        model = await ensure_async(files.get(path, content=False))
        validate_model(model)
        self._finish_model(model)


def _add(place: str, content: bytes) -> None:
    with open(place, "ab", buffering=0) as file:
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]
