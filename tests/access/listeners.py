"""Every TCP port that the launcher's programs listen on, and what another user of this computer gets from each."""

import contextlib
import json
import os
import subprocess
import sys

import psutil

from golem_launcher import paths
from golem_launcher.session.on_disk import liveness
from tests.patience import slower

_NOBODY = 65534
_SECONDS = 60
# Run as another user where that can be: asks each address for what needs a key, and prints how the answer begins.
_STRANGER = """
import json, os, socket, sys
addresses, other = json.load(sys.stdin)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(other)
    os.setuid(other)
answers = []
for host, port, path in addresses:
    answer = b""
    try:
        with socket.socket() as connection:
            connection.settimeout(3)
            connection.connect((host, port))
            head = f"GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\nConnection: close\\r\\n\\r\\n"
            connection.sendall(head.encode("ascii"))
            while len(answer) < 1000 and (piece := connection.recv(1000)):
                answer += piece
    except OSError:
        pass
    answers.append(answer.partition(b"\\r\\n")[0].decode("latin-1"))
print(json.dumps(answers))
"""
_KEPT = {"yagna": "/me"}


def listening(network):
    """``(program, host, port)`` of each listener outside of the provider's sandbox."""
    server = psutil.Process(network.state["server"]["pid"])
    ours = {server.pid: "network"} | {daemon["pid"]: "yagna" for daemon in network.state["daemons"].values()}
    ours |= dict.fromkeys({child.pid for child in server.children(recursive=True)} - set(ours), "provider")
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            name = ours.get(process.pid) or _named(process)
            if name is not None and name != "provider":
                listeners = [each for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
                found += [(name, *listener.laddr) for listener in listeners]
    return sorted(found)


_SUPERVISORS = {"golem_launcher.session.supervision.supervisor", liveness.FORK_SERVER, liveness.LOADED_AHEAD}
"""What runs one, or forked it, or became one."""


def told_to_strangers(found):
    """How each answers another user's request; empty: not at all."""
    asked = [(host, port, _KEPT.get(name, "/api/kernels")) for name, host, port in found]
    done = subprocess.run(
        [sys.executable, "-I", "-c", _STRANGER],
        input=json.dumps([asked, _NOBODY]), capture_output=True, text=True, check=False, timeout=_SECONDS * slower(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(zip(found, json.loads(done.stdout), strict=True))


def _named(process):
    """Whose it is, of the programs that run with this home."""
    if process.environ().get(paths.HOME_VARIABLE) != os.environ[paths.HOME_VARIABLE] or process.pid == os.getpid():
        return None
    words = process.cmdline()
    if any("ipykernel" in word for word in words):
        return "kernel"
    if _SUPERVISORS & {*words}:  # the fork server itself listens at no port
        return "supervisor"
    return "page" if "page" in words else " ".join(words)
