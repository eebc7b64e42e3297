"""Stores over TLS are believed by the system's certificates, and by no list that a library brings."""

import contextlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from golem_launcher.access.sockets.tls import server_context
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.backends.locations import open_location

HOST = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Knows of no object, and remembers what it was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__((HOST, 0), Handler)
        context, _ = server_context(HOST)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.asked = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the name that the base class asks for

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture(params=["s3", "hdfs"])
def store(request, server, monkeypatch):
    """The address of a store at that server, of a kind whose library brings certificates of its own."""
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://{HOST}:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pytest.importorskip({"s3": "s3fs", "hdfs": "requests"}[request.param])
    return {"s3": "s3://saves/mine", "hdfs": f"swebhdfs://{HOST}:{server.server_port}/mine"}[request.param]


def test_who_is_in_the_systems_list_is_believed(store, server, tmp_path, monkeypatch):
    bundle = tmp_path / "system.pem"
    bundle.write_text(ssl.get_server_certificate((HOST, server.server_port)))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with contextlib.suppress(FileNotFoundError, WorkspaceError):
        open_location(store).read("packs/ab")
    assert server.asked


def test_who_is_not_in_it_is_not(store, server):
    with pytest.raises(WorkspaceError, match="can't be reached"):
        open_location(store).read("packs/ab")
    assert server.asked == []
