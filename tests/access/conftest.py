"""One session on a local network, and a program in it that serves a port as the tests ask."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import asyncssh
import pytest

from golem_launcher.access.hub import hub_proxy as hub_module
from golem_launcher.events import Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.ui.server.install import install
from tests.networks import own_network
from tests.patience import slower

SECONDS = 60
TOKEN = "a-token-of-a-hub-0123456789"
_NETWORK = """
[[provider]]
name = "far-away"

[[provider]]
name = "farther-away"
"""


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory):
    """The path of a private key, and its public half."""
    path = tmp_path_factory.mktemp("keys") / "id_ed25519"
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    key.write_private_key(path)
    return path, key.export_public_key().decode().strip()


@pytest.fixture(scope="session")
def remote_session(tmp_path_factory, ssh_key):
    """The directory of a session that is ready, and its network."""
    with own_network(tmp_path_factory.mktemp("access"), _NETWORK) as network:
        request = LaunchRequest(name="tunnel", budget=5, memory_gib=0.5, disk_gib=0.5, ssh_key=ssh_key[1])
        directory = client.start(request)
        state = client.wait_for(directory, lambda state: state.stage is Stage.READY, 3 * SECONDS * slower())
        assert state is not None, directory.supervisor_log.read_text()[-4000:]
        yield directory, network


@pytest.fixture(scope="session")
def hub(remote_session, tmp_path_factory):  # noqa: ARG001 - its network must be up
    """A server with a prefix and a token, as a hub starts one; its address. A session is begun on it, whose image is
    the user's own choice.
    """
    directory = tmp_path_factory.mktemp("hub")
    prefix = "/user/me/"
    install(directory)
    environment = {"JUPYTER_TOKEN": TOKEN, "JUPYTER_CONFIG_PATH": str(directory / "etc/jupyter")}
    before = os.environ.get(hub_module.PREFIX_VARIABLE)
    os.environ[hub_module.PREFIX_VARIABLE] = prefix
    try:
        session = client.start(
            LaunchRequest(name="on-hub", budget=5, memory_gib=0.5, disk_gib=0.5, image="golem/jupyterlab:local")
        )
    finally:
        if before is None:
            del os.environ[hub_module.PREFIX_VARIABLE]
    arguments = [
        sys.executable, "-m", "jupyter_server", f"--ServerApp.base_url={prefix}",
        "--ServerApp.jpserver_extensions={'golem_launcher.ui.server.hub_tunnel': True, 'jupyter_server_proxy': True}",
    ]  # fmt: skip
    try:
        with server(*arguments, environment=environment, directory=directory, path=f"{prefix}api") as origin:
            state = client.wait_for(session, lambda state: state.stage is Stage.READY, 3 * SECONDS * slower())
            assert state is not None, session.supervisor_log.read_text()[-4000:]
            yield f"{origin}{prefix}", session
    finally:
        client.stop("on-hub", force=True)


@contextlib.contextmanager
def server(*arguments, environment, directory, path):
    """A Jupyter server on a free port; its origin. It answers at ``path``."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = (directory / "log").open("wb")
    process = subprocess.Popen(
        [*arguments, "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"],
        env={**os.environ, **environment, "JUPYTER_RUNTIME_DIR": str(directory)},
        cwd=directory, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        origin = f"http://127.0.0.1:{port}"
        for _ in range(1800):
            assert process.poll() is None, (directory / "log").read_text()
            try:
                with urllib.request.urlopen(f"{origin}{path}", timeout=SECONDS * slower()):
                    break
            except OSError:
                signal.sigtimedwait([], 0.05)
        else:
            pytest.fail((directory / "log").read_text())
        yield origin
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS * slower())
        except subprocess.TimeoutExpired:  # Jupyter's end is not what is tested here
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS * slower())
        log.close()
