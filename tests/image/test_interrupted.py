"""A making that is interrupted while a mirror drips ends at once, and the next one goes on from what was fetched."""

import hashlib
import http.server
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from golem_launcher import paths
from golem_launcher.errors import ImageError
from golem_launcher.image import debian_mirrors
from golem_launcher.image.lock import Lock, Package
from tests.patience import slower

_QUICK = b"a package that comes at once"
_SLOW = bytes(100_000)


class Mirror:
    """Sends packages named ``quick`` whole, of all others a byte now and then, for as long as somebody listens."""

    def __init__(self):
        self.asked, self.dripping, over = [], threading.Event(), threading.Event()
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.asked.append(self.path)
                quick = "quick" in self.path
                self.send_response(200)
                self.send_header("Content-Length", str(len(_QUICK if quick else _SLOW)))
                self.end_headers()
                try:
                    if quick:
                        self.wfile.write(_QUICK)
                    while not quick and not over.wait(0.05):
                        self.wfile.write(b"\0")
                        mirror.dripping.set()
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self._over = over
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def mirror(monkeypatch):
    one = Mirror()
    monkeypatch.setenv(debian_mirrors.MIRROR_VARIABLE, one.address)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield one
    one.close()


def package(path, content):
    return Package("debian", path, len(content), hashlib.sha256(content).hexdigest())


_LOCK = Lock("base", "20260101T000000Z", (package("quick.deb", _QUICK), package("slow.deb", _SLOW)), Path(), "digest")


@pytest.mark.parametrize(
    "program", [["-m", "golem_launcher.cli", "image", "build"], ["-m", "golem_launcher.image", "base"]]
)
def test_ctrl_c_ends_it_at_once(mirror, tmp_path, monkeypatch, program):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    with subprocess.Popen([sys.executable, *program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as making:
        try:
            assert mirror.dripping.wait(60)
            making.send_signal(signal.SIGINT)
            _, said = making.communicate(timeout=10 * slower())  # a drip, and the interpreter's own end: half a second
        finally:
            making.kill()
    assert making.returncode not in {0, -signal.SIGKILL}
    assert b"Traceback" not in said
    assert {path.name for path in (tmp_path / "images").iterdir()} == {".lock", ".packages"}


def test_what_was_fetched_is_not_fetched_again(mirror, tmp_path):
    def interrupted(done, _total):
        if done == len(_QUICK):
            assert mirror.dripping.wait(60)
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            debian_mirrors.fetch(_LOCK, tmp_path, progress=interrupted)
    assert mirror.asked.count("/debian/quick.deb") == 1
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == _QUICK


def test_a_mirror_that_only_drips_is_left(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(debian_mirrors, "_SECONDS", 0.5)
    monkeypatch.setattr(debian_mirrors, "_SLOWEST", 1_000_000)
    monkeypatch.setattr(debian_mirrors, "_PUBLIC", f"{mirror.address}/quick")  # it has another content there
    monkeypatch.setattr(debian_mirrors, "_SNAPSHOTS", f"{mirror.address}/quick")
    with pytest.raises(ImageError, match=r"it sends too slowly; .* another hash"):
        debian_mirrors.fetch(_LOCK, tmp_path, progress=lambda *_: None)
