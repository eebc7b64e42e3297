"""Messages between clients and kernels: as frames, which are passed on unread but for two headers.

The protocol is Jupyter's (https://jupyter-client.readthedocs.io/en/stable/messaging.html): header, parent header,
metadata and content, each JSON, and buffers. Over a websocket a message is one binary frame in the layout that Jupyter
Server calls ``v1.kernel.websocket.jupyter.org``: a count of offsets, the offsets, the channel's name, then the parts.
"""

from __future__ import annotations

import getpass
import json
import struct
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from golem_launcher.untrusted_json import json_value

WEBSOCKET_PROTOCOL = "v1.kernel.websocket.jupyter.org"
PROTOCOL_VERSION = "5.4"
CHANNELS = ("shell", "control", "stdin", "iopub")
_LARGEST_HEADER = 64 * 1024
_MOST_PARTS = 10_000
_PARTS = 4
_EMPTY = b"{}"


@dataclass(frozen=True)
class JupyterMessage:
    """One message. ``header`` and ``parent`` are the first two of its frames, read."""

    frames: tuple[bytes, ...]
    """Header, parent header, metadata, content, and the buffers."""
    header: dict[str, Any]
    parent: dict[str, Any]

    @property
    def id(self) -> str:
        """The message's id, by which replies name it as their parent."""
        return str(self.header["msg_id"])

    @property
    def kind(self) -> str:
        """Its type, like ``execute_request``."""
        return str(self.header["msg_type"])

    @property
    def parent_id(self) -> str:
        """The message that it answers or belongs to; empty when there is none."""
        return str(self.parent.get("msg_id", ""))

    def content(self, *, most: int | None = None) -> dict[str, Any]:
        """What it says, parsed; of at most ``most`` bytes where a stranger wrote it. Raises ``ValueError``."""
        value = json.loads(self.frames[3]) if most is None else json_value(self.frames[3], most=most)
        if not isinstance(value, dict):
            raise ValueError("a content that is no object")  # noqa: TRY004 - one kind of error for what makes no sense
        return value

    def with_parent(self, header: bytes) -> JupyterMessage:
        """The same, as an answer to another message."""
        return replace(self, frames=(self.frames[0], header, *self.frames[2:]), parent=json.loads(header))

    def with_content(self, content: dict[str, Any]) -> JupyterMessage:
        """The same, saying something else."""
        return replace(self, frames=(*self.frames[:3], _packed(content), *self.frames[4:]))

    def with_header(self, **changes: Any) -> JupyterMessage:
        """The same with some of its header's fields changed; ``None`` takes one out."""
        header = {key: value for key, value in {**self.header, **changes}.items() if value is not None}
        return replace(self, frames=(_packed(header), *self.frames[1:]), header=header)


def read(frames: list[bytes]) -> JupyterMessage:
    """The message of these frames, whoever wrote them. Raises ``ValueError``."""
    if len(frames) < _PARTS:
        raise ValueError("too few parts")
    header, parent = (json_value(part, most=_LARGEST_HEADER) for part in frames[:2])
    if not isinstance(header, dict) or not isinstance(parent, dict):
        raise ValueError("a header that is no object")  # noqa: TRY004
    if not all(isinstance(header.get(name), str) for name in ("msg_id", "msg_type")):
        raise ValueError("a header without its id or type")
    return JupyterMessage(tuple(frames), header, parent)


def make(kind: str, content: dict[str, Any], *, session: str, parent: bytes = _EMPTY) -> JupyterMessage:
    """A message of our own, as an answer to the message whose header is ``parent``."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "session": session,
        "username": _user(),
        "date": datetime.now(UTC).isoformat(),
        "version": PROTOCOL_VERSION,
    }
    return JupyterMessage((_packed(header), parent, _EMPTY, _packed(content)), header, json.loads(parent))


def pack_for_websocket(channel: str, message: JupyterMessage) -> bytes:
    """The message as one binary frame."""
    name = channel.encode()
    at = 8 * (len(message.frames) + 3)
    offsets = [at]
    for part in (name, *message.frames):
        at += len(part)
        offsets.append(at)
    return b"".join((struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets), name, *message.frames))


def unpack_from_websocket(data: bytes) -> tuple[str, JupyterMessage]:
    """Channel and message of a binary frame that a stranger sent. Raises ``ValueError``."""
    count = int.from_bytes(data[:8], "little")
    if not _PARTS + 2 <= count <= _MOST_PARTS or len(data) < 8 * (count + 1):
        raise ValueError("no message")
    offsets = struct.unpack_from(f"<{count}Q", data, 8)
    if list(offsets) != sorted(offsets) or offsets[0] < 8 * (count + 1) or offsets[-1] > len(data):
        raise ValueError("offsets that lead nowhere")
    channel = data[offsets[0] : offsets[1]].decode()
    if channel not in CHANNELS:
        raise ValueError("a channel that there is not")
    return channel, read([data[offsets[i] : offsets[i + 1]] for i in range(1, count - 1)])


def _packed(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "user"
