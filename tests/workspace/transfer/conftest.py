"""The server of an agent in a process of its own, as the process manager runs it, and a store to save into."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from golem_launcher.workspace.repository.store import open_store
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from tests.dialling import to_origin
from tests.own_address import own_address

TOKEN = "0123456789abcdef" * 2
_PROGRAM = """
import os, sys
from golem_launcher.agent.config import Config
from golem_launcher.agent import server
address, root, log, gate = sys.argv[1:]
token = sys.stdin.readline().strip()
config = Config(token=token, endpoint_token=token, port=8888, address=address, root=root, deadline=0.0, base_url="/",
                index_url="", log=log, hold=True)
print("ready", flush=True)
server.run(config, int(gate), 0, 2)
"""


class Provider:
    """A workspace and its server."""

    def __init__(self, directory):
        self.directory = directory
        self.address = own_address()
        self.work, self.run = directory / "work", directory / "run"
        self.packs = self.run / "golem-launcher-agent.packs"
        self.process = None
        self.gate, self._gate = os.pipe()
        self.environment = {**os.environ, "HOME": str(directory)}
        for each in (self.work, self.run):
            each.mkdir(parents=True)

    @property
    def url(self):
        return f"http://{self.address}:8891"

    def start(self):
        argv = [sys.executable, "-c", _PROGRAM, self.address, str(self.work)]
        argv += [str(self.run / "golem-launcher-agent.log"), str(self._gate)]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[self._gate], env=self.environment, text=True
        )
        self.process.stdin.write(TOKEN + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ready\n"
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.address, 8891)):
                return self

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                stream.close()
            self.process = None

    def close(self):
        self.kill()
        os.close(self.gate)
        os.close(self._gate)

    def agent(self, bulk=None, token=TOKEN):
        return AgentWorkspace(to_origin(self.url), token, bulk)


class BulkTransfer:
    """What an exe-unit's transfer does, on one machine."""

    def __init__(self, provider):
        self._provider = provider
        self.out = self.into = 0

    async def transfer_out(self, container_path, local_path):
        self.out += 1
        await asyncio.to_thread(shutil.copyfile, self._here(container_path), local_path)

    async def transfer_in(self, local_path, container_path):
        self.into += 1
        await asyncio.to_thread(shutil.copyfile, local_path, self._here(container_path))

    def _here(self, path):
        return self._provider.run / Path(path).relative_to("/golem/run")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path / "launcher"))


@pytest.fixture
def providers(tmp_path):
    """Makes providers, and ends them."""
    made = []

    def make(name="provider"):
        made.append(Provider(tmp_path / name))
        return made[-1].start()

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def provider(providers):
    return providers()


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def tree(directory):
    """Everything below a directory: kind, mode, time and content, but the times of directories' own entries."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            found[name] = ("directory", status.st_mode, status.st_mtime_ns)
        else:
            found[name] = ("file", status.st_mode, status.st_mtime_ns, path.read_bytes())
    return found
