"""``gftp server``: JSON-RPC 2.0 on standard input and output, one object a line, as yapapi speaks it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from golem_launcher.errors import LauncherError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.node.gftp.session import GftpSession

VERSION: Final = "0.8.0 (golem-launcher)"
"""The version of the protocol that we keep to, in semantic versioning, then who we are. yapapi wants 0.7.3 or newer."""

_PARSE_ERROR, _INVALID_REQUEST, _NO_METHOD, _BAD_PARAMS, _SERVER_ERROR = -32700, -32600, -32601, -32602, -32000
_LONGEST_LINE: Final = 16 * 1024 * 1024
_READ: Final = 64 * 1024


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class GftpServer:
    """Answers requests until its input ends, its output breaks, ``shutdown`` is called, or :meth:`stop`."""

    def __init__(self, session: GftpSession, source: int = 0, sink: int = 1) -> None:
        self._session = session
        self._source, self._sink = source, sink
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._methods: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "version": self._version,
            "publish": self._publish,
            "close": self._close,
            "receive": self._receive,
            "upload": self._upload,
            "download": self._download,
            "shutdown": self._shutdown,
        }

    async def run(self) -> None:
        """Serve what yapapi asks on standard input; returns once ``stop`` is called or the input ends."""
        # A thread, since standard input can be a file, which an event loop can't wait for. It ends with the process.
        threading.Thread(target=self._read, args=(asyncio.get_running_loop(),), daemon=True).start()
        await self._stopped.wait()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """End; what is being answered is given up."""
        self._stopped.set()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        rest = b""
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: the loop ended meanwhile
            while block := os.read(self._source, _READ):
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    if line.strip():
                        loop.call_soon_threadsafe(self._start, line)
                if len(rest) > _LONGEST_LINE:
                    break
            loop.call_soon_threadsafe(self._finish)

    def _start(self, line: bytes) -> None:
        task = asyncio.ensure_future(self._answer(line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _finish(self) -> None:
        """The input ended: answer what was asked, then end."""

        def ended(_: object = None) -> None:
            if not self._tasks:
                self.stop()

        for task in self._tasks:
            task.add_done_callback(ended)
        ended()

    async def _answer(self, line: bytes) -> None:
        request_id = None
        try:
            try:
                request = json.loads(line)
            except (ValueError, RecursionError):
                raise _Refused(_PARSE_ERROR, "This is no JSON.") from None
            if isinstance(request, dict) and isinstance(request.get("id"), int | float | str):
                request_id = request["id"]
            body = {"result": await self._do(request)}
        except _Refused as error:
            body = {"error": {"code": error.code, "message": str(error)}}
        except LauncherError as error:
            body = {"error": {"code": _SERVER_ERROR, "message": str(error)}}
        except OSError as error:
            body = {"error": {"code": _SERVER_ERROR, "message": f"{error.filename or 'file'}: {error.strerror}"}}
        self._write(json.dumps({"jsonrpc": "2.0", "id": request_id, **body}))

    async def _do(self, request: Any) -> Any:
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0" or "method" not in request:
            raise _Refused(_INVALID_REQUEST, "This is no JSON-RPC 2.0 request.")
        method = self._methods.get(request["method"]) if isinstance(request["method"], str) else None
        if method is None:
            raise _Refused(_NO_METHOD, f"There is no method {request['method']!r}.")
        params = request.get("params") or {}
        if not isinstance(params, dict):
            raise _Refused(_BAD_PARAMS, "Parameters are given by name.")
        return await method(params)

    def _write(self, text: str) -> None:
        data = memoryview(text.encode() + b"\n")
        try:
            while data:
                data = data[os.write(self._sink, data) :]
        except OSError:  # who started us is gone
            self.stop()

    # The verbs

    async def _version(self, _: dict[str, Any]) -> str:
        return VERSION

    async def _publish(self, params: dict[str, Any]) -> list[dict[str, str]]:
        return [{"file": file, "url": await self._session.publish(file)} for file in _texts(params, "files")]

    async def _close(self, params: dict[str, Any]) -> list[str]:
        return ["ok" if await self._session.close(url) else "error" for url in _texts(params, "urls")]

    async def _receive(self, params: dict[str, Any]) -> dict[str, str]:
        file = _text(params, "output_file")
        return {"file": file, "url": await self._session.receive(file)}

    async def _upload(self, params: dict[str, Any]) -> dict[str, str]:
        file, url = _text(params, "file"), _text(params, "url")
        await self._session.upload(url, file)
        return {"file": file, "url": url}

    async def _download(self, params: dict[str, Any]) -> dict[str, str]:
        file, url = _text(params, "output_file"), _text(params, "url")
        await self._session.download(url, file)
        return {"file": file, "url": url}

    async def _shutdown(self, _: dict[str, Any]) -> str:
        asyncio.get_running_loop().call_soon(self.stop)  # after this answer
        return "ok"


def _text(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise _Refused(_BAD_PARAMS, f"The parameter {name!r} must be a text.")
    return value


def _texts(params: dict[str, Any], name: str) -> list[str]:
    values = params.get(name)
    if not isinstance(values, list) or not values:
        raise _Refused(_BAD_PARAMS, f"The parameter {name!r} must be a list of texts.")
    return [_text({name: value}, name) for value in values]
