"""The registry of images of a local network: names images for requestors, finds their directories for providers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from golem_launcher import peers
from golem_launcher.localnet.spec import BASE_IMAGE, image_hash

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from golem_launcher.localnet.spec import ImageSpec

_log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_HASH_FIELDS = 3


@web.middleware
async def _ours_alone(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Other users of this computer have no business here."""
    if request.transport is None or not peers.is_ours(request.transport):
        raise web.HTTPForbidden
    return await handler(request)


class Registry:
    """Answers ``/v1/image/info`` on loopback as registry.golem.network does.

    Every image exists: the ones of the description are their directories, any other one is the base image, so that
    programs made for images of the real registry run.
    """

    def __init__(self, images: Mapping[str, ImageSpec]) -> None:
        self._directories = {image_hash(name): image.path for name, image in images.items()}
        self._names = {image_hash(name): name for name in (*images, BASE_IMAGE)}
        self._runner: web.AppRunner | None = None
        self.url = ""
        """Its address once started, like ``http://127.0.0.1:12345``."""

    async def start(self) -> None:
        """Serve on a free port; ``OSError`` when that is impossible."""
        app = web.Application(middlewares=[_ours_alone])
        app.router.add_get("/v1/image/info", self._info)
        app.router.add_get("/image/{hash}", self._image)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _HOST, 0)
        await site.start()
        self.url = f"http://{_HOST}:{self._runner.addresses[0][1]}"

    async def aclose(self) -> None:
        """Stop serving."""
        if self._runner:
            await self._runner.cleanup()

    def directory(self, task_package: str) -> Path | None:
        """Where the image of an agreement's task package is unpacked; ``None`` is the base image.

        ``task_package`` is what the demand says: ``hash:sha3:HASH:URL``.
        """
        fields = task_package.split(":", _HASH_FIELDS)
        digest = fields[2] if len(fields) == _HASH_FIELDS + 1 and fields[:2] == ["hash", "sha3"] else ""
        found = self._directories.get(digest)
        if found is None and digest not in self._names:
            _log.info("image %.80r is not described; the base image %s stands in", task_package, BASE_IMAGE)
        return found

    async def _info(self, request: web.Request) -> web.Response:
        tag, digest = request.query.get("tag"), request.query.get("hash")
        if bool(tag) == bool(digest):
            return web.json_response({"detail": "Give either a tag or a hash."}, status=400)
        known = digest or image_hash(str(tag))
        url = f"{self.url}/image/{known}"
        return web.json_response({"http": url, "https": url, "sha3": known, "size": 0})

    async def _image(self, request: web.Request) -> web.Response:
        # Whoever looks whether the image is there finds something; this network's providers have the directory itself.
        return web.Response(text=self._names.get(request.match_info["hash"], BASE_IMAGE) + "\n")
