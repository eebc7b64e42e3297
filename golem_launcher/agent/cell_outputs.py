"""Keeps what notebooks' cells put out, and writes it into a notebook that no page has open. For Jupyter's server.

JupyterLab's page puts a cell's outputs into the notebook, so those that come while a laptop is closed are lost. Here
they are heard as well, of each cell that a page runs (it says which in its request), and kept until the page has had
time to save them. Once no page is connected to the kernel they go into the notebook's file; a page that opens it while
a cell runs asks for what comes (``GET api/kernels/<id>/cells``).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyter_server.utils import ensure_async, url_path_join
from tornado import web
from tornado.ioloop import PeriodicCallback

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

SETTING = "golem_launcher_cell_outputs"
"""Where the server's handlers find it."""
_ROUND_MILLISECONDS = 1000
_ALONE_ROUNDS = 2
"""A page that is reloaded is away for less."""
_READ_SECONDS = 15.0
"""A page that has read a notebook connects to its kernel within so many. Written meanwhile, the file would be another
than the page has, and JupyterLab would ask which of the two counts."""
_PAUSE_SECONDS = 10.0
"""Between two writes of a cell that goes on."""
_SETTLE_SECONDS = 0.05
"""In which it is heard of who has read a notebook meanwhile."""
_EVENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"
_KEPT_SECONDS = 120.0
"""An ended cell whose page is there: a laptop that sleeps is noticed in less."""
_NEW_SECONDS = 15.0
"""A cell that ended sooner may be missing in the file that a page has just read."""
_MOST_BYTES = 8 * 1024 * 1024
"""Of one cell."""
_MOST_TEXT = 256 * 1024
"""A stream's text is looked through for lines that were written over whenever it has grown by so much."""
_MOST_CELLS = 200
_TOO_MUCH = "\n(A cell's output beyond 8 MiB is left out.)\n"
_REQUEST = b"execute_request"
_HEAD = 2048
_MOST_PARTS = 1000
"""Of a message; more would be worked at for ever."""
_OVERWRITTEN = re.compile(r"(?m)^[^\n]*\r(?!\n|\Z)")
"""What of a line is written over by what follows; a return that nothing follows yet has written over nothing. Looked
for from lines' beginnings alone: from each character on, a long line would be looked through endlessly often."""
_OUTPUTS = {"display_data", "execute_result", "error"}


class Cell:
    """What one run of a cell has put out."""

    def __init__(self, name: str, code: str, client: str) -> None:
        self.name = name
        """Its id in the notebook."""
        self.code = code
        self.client = client
        """The session id of the page that ran it."""
        self.count: int | None = None
        self.outputs: list[Any] = []
        self.ended: float | None = None
        self.version = 0
        """Grows with each change."""
        self.written = 0
        """The version that is in the notebook's file."""
        self.wrote_at = 0.0
        self._displays: dict[str, dict[str, Any]] = {}
        self._size = 0
        self._clears = False

    def take(self, kind: str, content: dict[str, Any], size: int) -> None:
        """Take a message about it. Raises ``KeyError`` and others for one that is none."""
        self.version += 1
        if kind == "status":
            self.ended = time.monotonic() if content["execution_state"] == "idle" else None
        elif kind == "execute_input":
            self.count = content["execution_count"]
        elif kind == "clear_output":
            self._clears = True
            if not content.get("wait"):
                self._clear()
        elif kind == "update_display_data":
            known = self._displays.get(content.get("transient", {}).get("display_id"))
            if known is not None:
                known.update(data=content["data"], metadata=content["metadata"])
        elif kind == "stream" or kind in _OUTPUTS:
            self._clear()
            self._add(kind, content, size)

    def _clear(self) -> None:
        if self._clears:
            self._clears = False
            self.outputs, self._displays, self._size = [], {}, 0

    def _add(self, kind: str, content: dict[str, Any], size: int) -> None:
        if self._size > _MOST_BYTES:
            return
        if self._size + size > _MOST_BYTES:
            kind, content = "stream", {"name": "stderr", "text": _TOO_MUCH}
        last = self.outputs[-1] if self.outputs else None
        if kind == "stream" and isinstance(last, _Stream) and last.name == content["name"]:
            self._size += last.add(content["text"], size)
            return
        self._size += size
        if kind == "stream":
            self.outputs.append(_Stream(content["name"], content["text"], size))
        else:
            output = dict(nbformat.v4.output_from_msg({"header": {"msg_type": kind}, "content": content}))  # type: ignore[no-untyped-call]
            self.outputs.append(output)
            display = content.get("transient", {}).get("display_id")
            if display:
                self._displays[display] = output

    @property
    def is_new(self) -> bool:
        """Whether it goes on, or ended just now."""
        return self.ended is None or time.monotonic() - self.ended < _NEW_SECONDS

    def told(self) -> list[dict[str, Any]]:
        """Its outputs as a notebook has them."""
        return [each.told() if isinstance(each, _Stream) else each for each in self.outputs]


class _Stream:
    """Text that was printed; lines that were written over, as progress bars do it, are not kept."""

    def __init__(self, name: str, text: str, size: int) -> None:
        self.name = name
        self._lines: list[str] = []
        """Whole ones, which are never looked through again."""
        self._open = [text]
        self._kept = 0
        """How long the lines are."""
        self._size = self._looked = size

    def add(self, text: str, size: int) -> int:
        """More of it; by how much it has grown, or less than nothing."""
        before = self._size
        self._open.append(text)
        self._size += size
        if self._size - self._looked > _MOST_TEXT:
            whole, end, begun = self._looked_through().rpartition("\n")
            if end:
                self._lines.append(whole + end)
                self._kept += len(whole) + 1
            self._open = [begun]
            self._size = self._looked = self._kept + len(begun)
        return self._size - before

    def _looked_through(self) -> str:
        return _OVERWRITTEN.sub("", "".join(self._open))

    def told(self) -> dict[str, Any]:
        """As a notebook has it."""
        return {
            "output_type": "stream",
            "name": self.name,
            "text": "".join([*self._lines, self._looked_through()]),
        }


class CellOutputs:
    """The outputs of all kernels of one server. Call it in the server's loop only."""

    def __init__(self, server: ServerApp) -> None:
        self._server = server
        self._kernels: Any = server.kernel_manager
        self._listeners: dict[str, Any] = {}
        """By kernel."""
        self._cells: dict[str, dict[str, Cell]] = {}
        """By kernel and by the id of the request, the oldest first."""
        self._alone: dict[str, int] = {}
        """For how many rounds nobody has been connected."""
        self._writing = False
        self._read: dict[str, float] = {}
        """When a file was last read by somebody else, by its path."""
        self._own: Counter[str] = Counter()
        """Reads of ours that are yet to be heard of."""

    async def heard(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - as it is called
        """Something happened to a file: called with the events of Jupyter's contents."""
        path = str(data.get("path", "")).strip("/")
        if data.get("action") == "save":  # which reads it as well
            self._read.pop(path, None)
        if data.get("action") != "get":
            return
        if self._own[path]:
            self._own[path] -= 1
            return
        self._read.pop(path, None)
        self._read[path] = time.monotonic()
        while len(self._read) > _MOST_CELLS:
            del self._read[next(iter(self._read))]

    def _is_opened(self, path: str) -> bool:
        """Whether a page may have read it that is about to connect to its kernel."""
        return time.monotonic() - self._read.get(path.strip("/"), -_READ_SECONDS) < _READ_SECONDS

    def listen(self, kernel: str) -> None:
        """A page connects to this kernel: hear what it puts out from now on."""
        if kernel in self._listeners:
            return
        manager = self._kernels.get_kernel(kernel)
        session = manager.session

        def hear(frames: list[bytes]) -> None:
            try:
                _, (_, header, parent, _, content, *_) = session.feed_identities(frames)
                cell = self._cells.get(kernel, {}).get(json.loads(parent).get("msg_id", ""))
                if cell is not None:
                    cell.take(json.loads(header)["msg_type"], json.loads(content), len(content))
            except (AttributeError, KeyError, TypeError, ValueError):  # a message that is none
                return

        stream = self._listeners[kernel] = manager.connect_iopub()
        stream.on_recv(hear)

    def requested(self, kernel: str, data: bytes | str) -> None:
        """What a page sent: when it runs a cell, note which."""
        if (
            not isinstance(data, bytes)
            or _REQUEST not in data[:_HEAD]
            or int.from_bytes(data[:8], "little") > _MOST_PARTS
        ):
            return  # also what is written in the way from before: no page of JupyterLab's is
        try:
            _, (header, _, metadata, content, *_) = deserialize_msg_from_ws_v1(data)
            header, name, code = json.loads(header), json.loads(metadata).get("cellId"), json.loads(content)["code"]
            if header["msg_type"] != "execute_request" or not isinstance(name, str) or not isinstance(code, str):
                return
            cell = Cell(name, code, header["session"])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return
        cells = self._cells.setdefault(kernel, {})
        for request in [request for request, other in cells.items() if other.name == name]:
            del cells[request]
        while len(cells) >= _MOST_CELLS:
            del cells[next(iter(cells))]
        cells[header["msg_id"]] = cell

    async def look(self) -> None:
        """Write what nobody sees, and forget what was seen. Called every second."""
        if self._writing:
            return
        self._writing = True
        try:
            here = set(self._kernels.list_kernel_ids())
            for kernel in [kernel for kernel in self._listeners if kernel not in here]:
                self._listeners.pop(kernel).close()
                self._cells.pop(kernel, None)
                self._alone.pop(kernel, None)
            for kernel in list(self._cells):
                await self._look_at(kernel)
        finally:
            self._writing = False

    async def _look_at(self, kernel: str) -> None:
        cells = self._cells[kernel]
        if self._kernels.kernel_model(kernel)["connections"]:
            self._alone[kernel] = 0
        else:
            self._alone[kernel] = self._alone.get(kernel, 0) + 1
        now = time.monotonic()
        if self._alone[kernel] >= _ALONE_ROUNDS:
            due = [cell for cell in cells.values() if cell.version > cell.written]
            if any(cell.ended is not None or now - cell.wrote_at >= _PAUSE_SECONDS for cell in due):
                await self._write(kernel, due)
        for request, cell in list(cells.items()):
            if cell.ended is not None and now - cell.ended > _KEPT_SECONDS:
                cells.pop(request, None)

    async def _write(self, kernel: str, cells: list[Cell]) -> None:
        """Put the outputs of these cells into the notebook that this kernel is for."""
        versions = [(cell, cell.version) for cell in cells]
        try:
            contents = self._server.contents_manager
            path = (await self._server.session_manager.get_session(kernel_id=kernel))["path"]
            if self._is_opened(path):
                return
            self._own[path.strip("/")] += 1
            notebook = (await ensure_async(contents.get(path, content=True, type="notebook")))["content"]
            found = [(_find(notebook["cells"], cell), cell) for cell in cells]
            for there, cell in found:
                if there is not None:
                    there["outputs"] = nbformat.from_dict(cell.told())  # type: ignore[no-untyped-call]
                    there["execution_count"] = cell.count
            await asyncio.sleep(_SETTLE_SECONDS)
            if self._is_opened(path) or self._kernels.kernel_model(kernel)["connections"]:
                return
            if any(there is not None for there, _ in found):
                await ensure_async(contents.save({"type": "notebook", "format": "json", "content": notebook}, path))
        except Exception:  # no notebook, or one that was damaged or removed: there is nowhere to write to
            self._server.log.warning("Outputs of a notebook that is not open could not be kept", exc_info=True)
            self._own.clear()
        for cell, version in versions:
            cell.written, cell.wrote_at = version, time.monotonic()

    def unseen(self, kernel: str, client: str, after: dict[str, int]) -> list[dict[str, Any]]:
        """The cells that another page than ``client`` ran, for it to show: what changed after these versions."""
        return [
            {
                "run": run,
                "cell": cell.name,
                "version": cell.version,
                "running": cell.ended is None,
                "count": cell.count,
                **({"outputs": cell.told()} if cell.version > after.get(run, -1) else {}),
            }
            for run, cell in self._cells.get(kernel, {}).items()
            if cell.client != client and (run in after or cell.is_new)
        ]


def watch(server: ServerApp) -> None:
    """From when the server runs until it ends. Called once, on an initialized server."""
    if not hasattr(server.kernel_manager, "kernel_model") or not hasattr(server, "event_logger"):
        return  # its kernels run elsewhere, or it is one that does not tell who reads what
    outputs = server.web_app.settings[SETTING] = CellOutputs(server)
    server.web_app.add_handlers(".*$", [(url_path_join(server.base_url, r"/api/kernels/([\w-]+)/cells"), _Cells)])
    server.event_logger.add_listener(schema_id=_EVENTS, listener=outputs.heard)
    PeriodicCallback(outputs.look, _ROUND_MILLISECONDS).start()


class _Cells(APIHandler):
    """What a page asks for that opens a notebook."""

    @web.authenticated
    def get(self, kernel: str) -> None:
        """The cells that other pages ran; ``after``: the versions that it has."""
        after = json.loads(self.get_argument("after", "{}"))
        self.finish(json.dumps(self.settings[SETTING].unseen(kernel, self.get_argument("client", ""), after)))


def _find(cells: list[Any], run: Cell) -> Any:
    """The cell that was run: by its id, or the only one with its code, as old notebooks have no ids."""
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    same = [cell for cell in code if cell.get("id") == run.name] or [
        cell for cell in code if cell["source"] == run.code
    ]
    return same[0] if len(same) == 1 else None
