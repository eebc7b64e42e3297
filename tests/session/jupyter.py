"""A small client of a Jupyter server, as a browser talks to it: REST and websockets."""

import asyncio
import io
import json
import uuid
from urllib.parse import urlsplit

import aiohttp

from tests.patience import slower

_SECONDS = 150


class Jupyter:
    """``url`` is a link as the launcher gives it, with the token."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.token = parts.query.removeprefix("token=")

    async def __aenter__(self):
        self.http = aiohttp.ClientSession(
            headers={"Authorization": f"token {self.token}"}, timeout=aiohttp.ClientTimeout(total=_SECONDS * slower())
        )
        return self

    async def __aexit__(self, *_):
        await self.http.close()

    async def call(self, method, path, body=None):
        data = io.BytesIO(json.dumps(body).encode()) if body is not None else None
        async with self.http.request(method, self.origin + path, data=data) as response:
            text = await response.text()
            assert response.status < 400, (response.status, text[:500])
            return json.loads(text) if text else None

    async def execute(self, code):
        """Run code in a new kernel; what it printed."""
        kernel = await self.call("POST", "/api/kernels", {"name": "python3"})
        try:
            return await self.run(kernel["id"], code)
        finally:
            await self.call("DELETE", f"/api/kernels/{kernel['id']}")

    async def run(self, kernel_id, code):
        """Run code in a kernel that is there; what it printed."""
        return await asyncio.wait_for(self._execute(kernel_id, code), _SECONDS * slower())

    async def _execute(self, kernel_id, code):
        uri = f"{self.origin}/api/kernels/{kernel_id}/channels?session_id={uuid.uuid4().hex}"
        async with self.http.ws_connect(uri, max_msg_size=0) as channel:
            message_id = uuid.uuid4().hex
            header = {"msg_id": message_id, "msg_type": "execute_request", "session": "t", "username": ""}
            content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}}
            await channel.send_json(
                {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
            )
            printed = []
            async for message in channel:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                reply = message.json()
                if reply.get("parent_header", {}).get("msg_id") != message_id:
                    continue
                if reply["msg_type"] == "stream":
                    printed.append(reply["content"]["text"])
                if reply["msg_type"] == "error":
                    raise AssertionError("\n".join(reply["content"]["traceback"]))
                if reply["msg_type"] == "status" and reply["content"]["execution_state"] == "idle":
                    return "".join(printed)
            raise AssertionError("the kernel's channel closed")

    async def terminal(self, line, until):
        """Type a line into a new terminal and read until ``until`` shows up in its output."""
        terminal = await self.call("POST", "/api/terminals")
        output = ""
        async with self.http.ws_connect(f"{self.origin}/terminals/websocket/{terminal['name']}") as channel:
            await channel.send_json(["stdin", line + "\r"])
            while until not in output:
                message = await channel.receive(timeout=_SECONDS * slower())
                kind, *rest = message.json()
                if kind == "stdout":
                    output += rest[0]
        await self.call("DELETE", f"/api/terminals/{terminal['name']}")
        return output
