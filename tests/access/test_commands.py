"""`golem-launcher tunnel` and `connect`: any port of the provider, for this user alone."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from golem_launcher import peers
from tests.session.conftest import command

SECONDS = 60
CLI = (sys.executable, "-m", "golem_launcher.cli")


@contextlib.contextmanager
def tunnel(*arguments):
    """A running `golem-launcher tunnel`; what it printed, as JSON."""
    process = subprocess.Popen(
        [*CLI, "tunnel", *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            text += line
        yield process, json.loads(text)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)


def ask(address, question):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), SECONDS) as connection:
        connection.sendall(question)
        # Not ended from here: a Jupyter server drops its answer to somebody who has.
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                found += data
        return found


REQUEST = b"GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def test_a_tunnel_to_a_port_and_none_for_others(far_session):
    with tunnel("tunnel", "--port", "0", "--remote-port", "8888") as (process, told):
        assert told["address"].startswith("127.")
        assert not told["address"].startswith("127.0.0.1:")
        assert b'{"version"' in ask(told["address"], REQUEST)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        for secret in (far_session[0].token(), far_session[1].node.app_key):
            assert secret.encode() not in arguments + environment
    assert process.returncode == 0


@pytest.mark.usefixtures("far_session")
def test_connect_joins_standard_input_and_output():
    with subprocess.Popen(
        [*CLI, "connect", "tunnel", "8888"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        process.stdin.write(REQUEST)
        assert b'{"version"' in process.stdout.read()
    assert process.returncode == 0
    done = subprocess.run(
        [*CLI, "connect", "tunnel", "9"], input=b"", capture_output=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1
    assert b"port 9" in done.stderr


@pytest.mark.usefixtures("far_session")
def test_sessions_that_are_not_there():
    code, _, error = command("tunnel", "no-such", check=False)
    assert code == 1
    assert "There is no session 'no-such'" in error


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.usefixtures("far_session")
def test_another_users_program_is_turned_away():
    with tunnel("tunnel", "--port", "0", "--remote-port", "8888") as (_, told):
        host, port = told["address"].split(":")
        script = f"exec 3<>/dev/tcp/{host}/{port}; printf 'GET /api HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
        done = subprocess.run(
            ["bash", "-c", script], user=65534, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert "version" not in done.stdout
        assert "onnection" in done.stderr or not done.stdout, done
        assert b'{"version"' in ask(told["address"], REQUEST)


def test_the_kernel_is_asked_whose_a_connection_is():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        assert peers.owner(near.getsockname(), near.getpeername()) == os.geteuid()
        with pytest.raises(OSError, match="no such socket"):
            peers.owner(("127.0.0.1", 1), near.getpeername())
