"""A registry of images for the local network, with the interface of registry.golem.network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from golem_launcher import socket_owner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.localnet.images import Images

_HOST = "127.0.0.1"


@web.middleware
async def _ours_alone(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Other users of this computer have no business here."""
    if request.transport is None or not socket_owner.is_ours(request.transport):
        raise web.HTTPForbidden
    return await handler(request)


class Registry:
    """Answers ``/v1/image/info`` on loopback, and serves the described images that are files.

    Every image exists: what is not described is the base image, so that programs made for images of the real registry
    run.
    """

    def __init__(self, images: Images) -> None:
        self._images = images
        self._runner: web.AppRunner | None = None
        self.url = ""
        """Its address once started, like ``http://127.0.0.1:12345``."""

    async def start(self) -> None:
        """Serve on a free port; ``OSError`` when that is impossible."""
        app = web.Application(middlewares=[_ours_alone])
        app.router.add_get("/v1/image/info", self._info)
        app.router.add_get("/v1/image/download", self._download)
        app.router.add_get("/image/{hash}", self._image)
        app.router.add_get("/image.{hash}.link", self._link)
        app.router.add_get("/download/{hash}", self._image)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _HOST, 0)
        await site.start()
        self.url = f"http://{_HOST}:{self._runner.addresses[0][1]}"

    async def aclose(self) -> None:
        """Close the port and end all requests."""
        if self._runner:
            await self._runner.cleanup()

    async def _info(self, request: web.Request) -> web.Response:
        digest = self._asked(request)
        file = self._images.file(digest)
        url = f"{self.url}/image/{digest}"
        size = file.stat().st_size if file is not None else 0
        return web.json_response({"http": url, "https": url, "sha3": digest, "size": size})

    async def _download(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(f"{self.url}/image/{self._asked(request)}")

    async def _link(self, request: web.Request) -> web.Response:
        """Where an image is, as the registry before this one told it; golem-core still asks so."""
        return web.Response(text=f"{self.url}/image/{request.match_info['hash']}")

    def _asked(self, request: web.Request) -> str:
        tag, digest = request.query.get("tag"), request.query.get("hash")
        if bool(tag) == bool(digest):
            raise web.HTTPBadRequest(text="Give either a tag or a hash.")
        return digest or self._images.named(str(tag))

    async def _image(self, request: web.Request) -> web.StreamResponse:
        # Whoever looks whether the image is there finds something; this network's providers have it themselves.
        file = self._images.file(request.match_info["hash"])
        return web.FileResponse(file) if file is not None else web.Response(text="An image of a local network.\n")
