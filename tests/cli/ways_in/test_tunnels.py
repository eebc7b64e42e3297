"""`golem-launcher tunnel` and `connect`: any port of the provider, for this user alone."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.access.tunnel_command import CLI, REQUEST, SECONDS, ask, tunnel
from tests.patience import slower
from tests.session.conftest import command


def test_a_tunnel_to_a_port_and_none_for_others(remote_session):
    with tunnel("tunnel", "--port", "0", "--remote-port", "8888") as (process, told):
        assert told["address"].startswith("127.")
        assert not told["address"].startswith("127.0.0.1:")
        assert b'{"version"' in ask(told["address"], REQUEST)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        for secret in (remote_session[0].token(), remote_session[1].node.app_key):
            assert secret.encode() not in arguments + environment
    assert process.returncode == 0


@pytest.mark.usefixtures("remote_session")
def test_connect_joins_standard_input_and_output():
    with subprocess.Popen(
        [*CLI, "connect", "tunnel", "8888"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        process.stdin.write(REQUEST)
        assert b'{"version"' in process.stdout.read()
    assert process.returncode == 0
    done = subprocess.run(
        [*CLI, "connect", "tunnel", "9"], input=b"", capture_output=True, timeout=SECONDS * slower(), check=False
    )
    assert done.returncode == 1
    assert b"port 9" in done.stderr


@pytest.mark.usefixtures("remote_session")
def test_sessions_that_are_not_there():
    code, _, error = command("tunnel", "no-such", check=False)
    assert code == 1
    assert "There is no session 'no-such'" in error


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.usefixtures("remote_session")
def test_another_users_program_is_turned_away():
    with tunnel("tunnel", "--port", "0", "--remote-port", "8888") as (_, told):
        host, port = told["address"].split(":")
        script = f"exec 3<>/dev/tcp/{host}/{port}; printf 'GET /api HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
        done = subprocess.run(
            ["bash", "-c", script], user=65534, capture_output=True, text=True, timeout=SECONDS * slower(), check=False
        )
        assert "version" not in done.stdout
        assert "onnection" in done.stderr or not done.stdout, done
        assert b'{"version"' in ask(told["address"], REQUEST)
