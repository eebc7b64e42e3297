"""Files on their way to and from the page while the connection to its server breaks."""

from __future__ import annotations

import base64
import os
import socket
import threading
import zipfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import new_context, open_page
from tests.patience import milliseconds
from tests.ui.made import make_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]

_MEGA = 1_000_000


class _Line:
    """A way to a server that breaks, all its connections at once, when ``breaks_after`` more bytes went through."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.breaks_after: int | None = None
        self.broke = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._join, args=(near, far), daemon=True).start()

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        with self._lock:
            self._ends |= {near, far}
        with near, far:
            back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
            back.start()
            self._carry(near, far)
            back.join()
            with self._lock:
                self._ends -= {near, far}

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._breaks(len(data)):
                    self._cut()
                    self.broke.set()
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _breaks(self, size: int) -> bool:
        with self._lock:
            if self.breaks_after is None:
                return False
            self.breaks_after -= size
            if self.breaks_after > 0:
                return False
            self.breaks_after = None
            return True

    def _cut(self) -> None:
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


@contextmanager
def _line_to(address: str) -> Iterator[tuple[_Line, str]]:
    port = urlsplit(address).port
    assert port is not None
    line = _Line(port)
    try:
        yield line, address.replace(f":{port}/", f":{line.port}/", 1)
    finally:
        line.close()


def test_a_connection_that_breaks_costs_no_file(chromium: Browser, address: str, home: Path, tmp_path: Path) -> None:
    directory = make_session("mine")
    logged = base64.encodebytes(os.urandom(7 * _MEGA))
    directory.workload_log.write_bytes(logged)
    data = os.urandom(11 * _MEGA)
    (tmp_path / "data.bin").write_bytes(data)
    with _line_to(address) as (line, over), new_context(chromium, strict=False) as context:
        page = open_page(context, over)
        card = page.get_by_role("article", name="mine")
        card.wait_for()

        line.breaks_after = 6 * _MEGA
        page.get_by_label("Upload files").set_input_files(tmp_path / "data.bin")
        page.locator(".gl-upload").get_by_role("button", name="Remove").wait_for(timeout=milliseconds(40))
        assert line.broke.is_set()
        assert next(home.glob("uploads/*/data.bin")).read_bytes() == data
        page.locator(".gl-upload").get_by_role("button", name="Remove").click()

        line.broke.clear()
        line.breaks_after = 6 * _MEGA
        with page.expect_download(timeout=milliseconds(40)) as download:
            card.get_by_role("button", name="Download the whole log").click()
        assert line.broke.is_set()
        with zipfile.ZipFile(download.value.path()) as archive:
            assert archive.read("jupyterlab.log") == logged
