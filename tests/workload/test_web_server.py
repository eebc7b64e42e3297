"""A workload that a stranger adds, as docs/architecture.md has it, run by the agent as a provider gets it."""

import asyncio
import http.client
import json
import os
import runpy
import signal
import socket
import zlib
from pathlib import Path

import pytest

from golem_launcher.access.machine.workload_client import WorkloadClient
from golem_launcher.agent import exit_report
from golem_launcher.agent.config import CARRIER_OFFSET
from golem_launcher.agent.tcp_carrier_protocol import OPEN, OPENING, STATUS_PORT, TAKEN, Decoder, Record, encode, key
from golem_launcher.workload.base import PYTHON, Endpoint, Workload
from golem_launcher.workload.shipment import shipment
from tests.agent.conftest import TOKEN, Agent, eventually, parent
from tests.patience import slower

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "web-server" / "web_server.py"
WEB_SERVER = runpy.run_path(str(EXAMPLE))["WEB_SERVER"]


@pytest.fixture
def machine(tmp_path):
    """An agent of what the workload sends, to be started with more settings."""
    agent = Agent(tmp_path)
    yield agent
    agent.stop()


def send(machine, workload=WEB_SERVER, **settings):
    """Start the workload there, as its shipment says."""
    (_, archive), (_, config) = shipment(workload, {}, familiar=True).files
    machine.archive.write_bytes(archive)
    fields = json.loads(config)
    fields.pop("root")
    return machine.start(**fields, **settings)


def answers(machine):
    async def ask():
        async with WorkloadClient(WEB_SERVER, machine.dial, TOKEN, endpoint_token=TOKEN) as client:
            return await client.answers(seconds=5)

    return asyncio.run(ask())


def page(machine):
    connection = http.client.HTTPConnection(machine.address, machine.port, timeout=10 * slower())
    try:
        connection.request("GET", "/index.html")
        return connection.getresponse().read()
    except OSError:
        return b""
    finally:
        connection.close()


@pytest.mark.slow
def test_the_documents_show_all_of_it():
    _, name, rest = EXAMPLE.read_text().partition("WEB_SERVER = ")
    assert name + rest in (ROOT / "docs" / "architecture.md").read_text()


def test_it_is_started_in_the_workspace_and_again_when_it_crashed(machine):
    public = machine.work / "public"
    public.mkdir()
    (public / "index.html").write_text("hello")
    done = send(machine)
    assert (done.returncode, done.stderr) == (0, "")
    eventually(lambda: answers(machine))
    assert page(machine) == b"hello"
    (server,) = [pid for pid, line in machine.processes().items() if "http.server" in line]
    os.kill(server, signal.SIGKILL)
    eventually(lambda: server not in machine.processes())
    eventually(lambda: answers(machine))


def test_a_page_that_is_not_found_or_a_port_where_nobody_listens_is_not_well(machine):
    (machine.work / "public").mkdir()
    for endpoint, probe in ((Endpoint("web"), "/nowhere"), (Endpoint("sql", 5432, "tcp"), "/")):
        unwell = Workload("unwell", "Unwell", argv=WEB_SERVER.argv, endpoints=(endpoint,), probe=probe)
        send(machine, unwell)
        eventually(lambda: machine.ask("GET", "/health")[0])
        eventually(lambda: page(machine))
        assert machine.ask("GET", "/health")[1] == b'{"well": false}'
        machine.stop()


def test_a_program_that_takes_connections_is_well(machine):
    (machine.work / "public").mkdir()
    send(machine, Workload("tcp", "Tcp", argv=WEB_SERVER.argv, endpoints=(Endpoint("sql", 8888, "tcp"),)))
    eventually(lambda: answers(machine))


_SLOW = "import http.server, time; time.sleep(1); http.server.test(port=8888, bind='{address}')"


def test_who_asks_early_whether_it_is_well_hears_it_as_soon_as_it_is(machine):
    argv = (PYTHON, "-c", _SLOW.replace("{address}", machine.address))
    send(machine, Workload("slow", "Slow", argv=argv, endpoints=(Endpoint("web", protocol="tcp"),)))
    assert eventually(lambda: machine.ask("GET", "/health?wait=20")[1]) == b'{"well": true}'
    assert machine.ask("GET", "/health?wait=nan")[0] == 400


def test_a_carrier_that_comes_while_nobody_answers_waits_for_who_does(machine):
    (machine.work / "public").mkdir()
    send(machine)
    for _ in range(2):  # at the start, and after a crash
        with socket.create_connection(
            (machine.address, machine.port + CARRIER_OFFSET), timeout=20 * slower()
        ) as carrier:
            carrier.sendall(encode(0, Record(OPEN, OPENING.pack(STATUS_PORT, key(TOKEN)))))
            first, *_ = Decoder().receive(carrier.recv(1000))
        assert first.kind == TAKEN
        ways = next(pid for pid in machine.processes() if Path(f"/proc/{pid}/comm").read_text() == "golem-ways\n")
        os.kill(ways, signal.SIGKILL)


def test_its_log_and_its_end_are_told(machine):
    (machine.work / "public").mkdir()
    send(machine)
    eventually(lambda: answers(machine))
    eventually(lambda: '"GET / HTTP' in machine.last_words().log)
    (manager,) = [pid for pid in machine.processes() if parent(pid) not in machine.processes()]
    os.kill(manager, signal.SIGTERM)
    eventually(lambda: not machine.processes())
    assert machine.last_words().kind == exit_report.TOLD


def test_a_program_that_has_done_its_work_is_told_and_its_files_can_be_fetched(machine):
    script = "open('result', 'w').write('42'); print('done')"
    job = Workload("job", "The job", argv=(PYTHON, "-c", script), endpoints=(), ends_session=True)
    send(machine, job)

    def state():
        return json.loads(machine.ask("GET", "/state")[1] or b"{}")

    eventually(lambda: state().get("ended"))
    assert machine.last_words()[::2] == (exit_report.OVER, "done")
    assert b"result" in zlib.decompress(machine.ask("POST", "/changes", body=b'{"base": null, "state": ""}')[1])
    (manager,) = [pid for pid in machine.processes() if parent(pid) not in machine.processes()]
    os.kill(manager, signal.SIGTERM)
    eventually(lambda: not machine.processes())


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x\n"},
        {"name": 5},
        {"argv": "ls"},
        {"argv": [5]},
        {"unsaved": None},
        {"stays": 1},
        {"port": 65536},
        {"probe": "index.html"},
        None,
    ],
)
def test_one_that_makes_no_sense_is_refused(machine, change):
    sensible = {"name": "x", "argv": ["ls"], "unsaved": [], "stays": False, "port": 8888, "probe": "/"}
    done = machine.start(workload=5 if change is None else {**sensible, **change})
    assert done.returncode == 2
    assert exit_report.read(done.stderr).kind == exit_report.CONFIGURATION
