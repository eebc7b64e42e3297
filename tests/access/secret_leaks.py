"""Looks for secrets wherever somebody else could: other users of this computer, readers of logs, the provider."""

import contextlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import psutil

from golem_launcher import paths
from golem_launcher.session.on_disk.directory import session_directories
from tests.patience import slower

_NOBODY = 65534
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LARGEST = 64 << 20
_LOGS = {".log", ".jsonl", ".1"}
# Run as another user, who reads what /proc shows of everybody's processes; the secrets come by standard input.
_SPY = """
import contextlib, json, os, pathlib, sys
secrets, other = json.load(sys.stdin)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(other)
    os.setuid(other)
own = os.geteuid()
names = ["cmdline", "comm"] + ["environ"] * (own == other)  # one's own may be seen
for path in [pathlib.Path("/proc", pid, name) for pid in os.listdir("/proc") if pid.isdigit() for name in names]:
    with contextlib.suppress(OSError):
        data = path.read_bytes()
        found = [name for name, secret in secrets.items() if secret.encode() in data]
        if found:
            print(*found, "in", path, (path.parent / "comm").read_text().strip())
"""


def seen(network, **others):
    """Where the secrets of all sessions, of the node and ``others`` can be seen. Nowhere is what is wanted."""
    secrets = {f"the token of {found.name}": found.token() for found in session_directories() if found.token()}
    secrets |= {"the node's key": network.node.app_key, **others}
    assert all(len(secret) >= 16 for secret in secrets.values())
    return [*_in_processes(secrets), *_in_files(paths.home(), secrets), *_at_the_provider(network, secrets)]


def _in_processes(secrets):
    spy = subprocess.run(
        [sys.executable, "-I", "-c", _SPY],
        input=json.dumps([secrets, _NOBODY]), capture_output=True, text=True, check=False, timeout=60 * slower(),
    )  # fmt: skip
    assert spy.returncode == 0, spy.stderr
    return spy.stdout.splitlines()


def _in_files(home, secrets):
    """What others could read if they got at it, and whatever is a log."""
    found = []
    for path in home.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            about = path.lstat()
            if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:
                continue
            if about.st_mode & _OTHERS or path.suffix in _LOGS:
                data = path.read_bytes()
                found += [f"{name} in {path}" for name, secret in secrets.items() if secret.encode() in data]
    return found


def _at_the_provider(network, secrets):
    """The arguments and the environments of what runs there: its other programs can read them."""
    found = []
    server = psutil.Process(network.state["server"]["pid"])
    yagnas = {daemon["pid"] for daemon in network.state["daemons"].values()}
    inside = [process for process in server.children(recursive=True) if process.pid not in yagnas]
    assert any("golem-ways" in process.name() for process in inside), inside
    for process in inside:
        with contextlib.suppress(psutil.Error):
            shown = "\0".join([*process.cmdline(), *map("=".join, process.environ().items())])
            found += [f"{name} in {process} at the provider" for name, secret in secrets.items() if secret in shown]
    return found


def private_part(path: Path) -> str:
    """A line of a private key that is in no other."""
    return path.read_text().splitlines()[3]
