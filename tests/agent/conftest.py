"""The agent as a provider gets it: its archive, started by the same command, with a real JupyterLab beside it."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from golem_launcher.agent import exit_report
from golem_launcher.workload.archive import agent_archive
from tests import leftovers
from tests.dialling import to_origin
from tests.own_address import own_address
from tests.patience import slower

TOKEN = "0123456789abcdef" * 3
_MARK = "GOLEM_AGENT_TEST"


class Agent:
    """One agent in a directory of its own. Every process it makes carries a mark, by which it is found and ended."""

    def __init__(self, directory):
        self.mark = uuid.uuid4().hex
        self.address = own_address()
        self.port = 8888
        self.run, self.work, self.config_directory = directory / "run", directory / "work", directory / "config"
        for each in (self.run, self.work, directory / "home", self.config_directory):
            each.mkdir()
        self.archive, self.config = self.run / "agent.pyz", self.run / "agent.json"
        self.archive.write_bytes(agent_archive())
        # What else is installed beside JupyterLab here only slows the tests down.
        skipped = {"voila.server_extension": False, "notebook": False}
        (self.config_directory / "jupyter_server_config.json").write_text(
            json.dumps({"ServerApp": {"jpserver_extensions": skipped}})
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory / "home"),
            "JUPYTER_CONFIG_DIR": str(self.config_directory),
            "JUPYTER_PREFER_ENV_PATH": "0",
            "GOLEM_BIND_ADDRESS": self.address,
            _MARK: self.mark,
            **leftovers.mark(),
        }

    def start(self, *options, seconds=120.0, **fields):
        """Run the command; how it ended. It has to come back although the agent goes on."""
        now = time.time()
        config = {
            "token": TOKEN, "port": self.port, "root": "../work", "now": now, "deadline": now + seconds,
            "base_url": "/", **fields,
        }  # fmt: skip
        self.config.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
        command = [sys.executable, *options, str(self.archive), str(self.config)]
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=120 * slower(),
            check=False,
        )

    def up(self, **fields):
        done = self.start(**fields)
        assert (done.returncode, done.stderr) == (0, "")
        self.answers()
        return self

    def answers(self):
        eventually(lambda: self.get("/api/status")[0] == 200)

    def request(self, method, path, token=TOKEN, body=None, port=None):
        """Status, body and headers; status 0 when nobody answers."""
        connection = http.client.HTTPConnection(self.address, port or self.port, timeout=30 * slower())
        try:
            connection.request(method, path, body, {"Authorization": f"token {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        except OSError:
            return 0, b"", {}
        finally:
            connection.close()

    def get(self, path, token=TOKEN):
        return self.request("GET", path, token)

    def ask(self, method, path, token=TOKEN, body=None):
        """Likewise of the agent's own server."""
        return self.request(method, path, token, body, self.port + 3)

    def log(self, offset=0, wait=0):
        status, data, headers = self.ask("GET", f"/log?offset={offset}&wait={wait}")
        assert status == 200
        return data, int(headers["Golem-Launcher-Offset"])

    async def dial(self, port):
        """A stream to one of its ports."""
        return await to_origin(f"http://{self.address}:{port}")()

    def last_words(self):
        """What the command of that name tells."""
        done = subprocess.run(
            [sys.executable, str(self.archive), "--last-words", str(self.config)],
            env=self.environment, capture_output=True, text=True, timeout=30 * slower(), check=True,
        )  # fmt: skip
        return exit_report.read(done.stdout)

    def kernel(self):
        status, body, _ = self.request("POST", "/api/kernels", body=b'{"name": "python3"}')
        assert status == 201
        return json.loads(body)["id"]

    def processes(self):
        """Process id to command line of all that descend from the agent and live."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{_MARK}={self.mark}".encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def manager_and_lab(self):
        """Their process ids: the Lab is forked from the process manager, so that both look alike."""

        def found():
            pids = [pid for pid, line in self.processes().items() if "agent.pyz" in line and not is_helper(pid)]
            return pids if len(pids) == 2 else []  # a third is on its way to another program

        pair = eventually(found)
        return sorted(pair, key=lambda pid: parent(pid) in pair)

    def stop(self):
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def is_helper(pid):
    """Whether this is one of the agent's processes beside the Lab."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text() in {"golem-ways\n", "golem-server\n"}
    return False


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def eventually(condition, seconds=60):
    """Wait until it holds, looking often, for so long on a machine with nothing else to do."""
    pause = threading.Event()
    end = time.monotonic() + seconds * slower()
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come to be"
        pause.wait(0.02)
    return value


@pytest.fixture
def agent(tmp_path):
    agent = Agent(tmp_path)
    yield agent
    agent.stop()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """One that runs already, for tests that leave it as it is."""
    agent = Agent(tmp_path_factory.mktemp("agent"))
    try:
        yield agent.up(seconds=3600.0)  # a busy machine takes long for all these tests
    finally:
        agent.stop()
