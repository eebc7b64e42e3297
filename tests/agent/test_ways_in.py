"""The image's own sshd, started by the agent with its own files; and the status that the agent tells."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from golem_launcher.access.ssh import new_host_key
from tests.agent.conftest import eventually
from tests.patience import slower

SECONDS = 60
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.mark.slow
@pytest.mark.skipif(not SSHD or not shutil.which("ssh"), reason="OpenSSH is not installed")
def test_the_images_sshd_with_keys_alone(agent, tmp_path):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True, timeout=SECONDS * slower()
    )
    account = pwd.getpwuid(os.geteuid())
    agent.environment["HOME"] = account.pw_dir  # as in an image, where the account is the session's
    key = " ".join((tmp_path / "id.pub").read_text().split()[:2])
    agent.up(ssh={"authorized_key": key, "host_key": new_host_key(tmp_path, "x")})
    options = [
        "-F", "none", "-i", tmp_path / "id", "-p", str(agent.port + 2), "-o", "HostKeyAlias=golem-x",
        "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
        "-o", f"UserKnownHostsFile={tmp_path / 'known_hosts'}",
    ]  # fmt: skip

    def ssh(*command):
        address = f"{account.pw_name}@{agent.address}"
        return subprocess.run(
            ["ssh", *options, address, *command], capture_output=True, timeout=SECONDS * slower(), check=False
        )

    eventually(lambda: ssh("true").returncode == 0)
    assert agent.environment["PATH"].rpartition(":")[2] in ssh("echo $PATH").stdout.decode()
    assert ssh("pwd").stdout.decode() == f"{agent.work}\n"  # the account's home is elsewhere
    assert ssh("cd / && exec cat", "/proc/self/comm").stdout == b"cat\n"
    built = ssh(f"PATH={Path(sys.executable).parent} jupyter lab build")
    assert (built.returncode, b"Nothing was built: this session has no Node.js" in built.stderr) == (1, True)
    (tmp_path / "sent").write_text("by scp")
    scp = ["scp", *("-P" if option == "-p" else option for option in options), tmp_path / "sent"]
    for form in ([], ["-O"]):  # by sftp, and by scp on both sides
        for name in ("", "as"):
            target = f"{account.pw_name}@{agent.address}:{name}"
            subprocess.run(
                [*scp[:1], *form, *scp[1:], target], check=True, timeout=SECONDS * slower(), capture_output=True
            )
            arrived = agent.work / (name or "sent")
            assert arrived.read_text() == "by scp"
            arrived.unlink()
    done = ssh("-o", "PreferredAuthentications=password", "true")
    assert b"(publickey)" in done.stderr


def test_keys_that_are_none_are_refused(agent, tmp_path):
    good = new_host_key(tmp_path, "x")
    for ssh in (
        {"authorized_key": "ssh-ed25519 AAAA\nssh-ed25519 BBBB", "host_key": good},
        {"authorized_key": 'command="x" ssh-ed25519 AAAA', "host_key": good},
        {"authorized_key": "ssh-ed25519 AAAA", "host_key": "x"},
        json.dumps({}),
    ):
        assert agent.start(ssh=ssh).returncode == 2
