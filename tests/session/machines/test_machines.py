"""Sessions of several machines: one budget, one network; one that is lost is replaced by itself."""

import asyncio
import http.client
import importlib
import json
import socket
import subprocess
import sys
import time
from decimal import Decimal

import pytest

from golem_launcher import paths
from golem_launcher.access.machine.agent_ports import AGENT_PORT, CARRIER_PORT
from golem_launcher.access.machine.tcp_carrier_client import CarrierAddress, CarrierClient
from golem_launcher.access.sockets.port_socket import port_socket_path
from golem_launcher.agent.tcp_carrier_protocol import key
from golem_launcher.errors import AccessError
from golem_launcher.events import ProviderLost, Stage
from golem_launcher.localnet import daemons
from golem_launcher.node import yagna_process
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.request import parse_request
from golem_launcher.session import client
from golem_launcher.workload import registry
from tests.networks import own_network
from tests.patience import slower
from tests.session.conftest import ONLY, command, explain, wait_for
from tests.session.losing_node import kill

pytestmark = pytest.mark.slow

SECONDS = 60.0

_SOURCE = """\
from golem_launcher.workload.base import ADDRESS, PORT, PYTHON, Workload

WEB_SERVER = Workload(
    name="web-server",
    title="The web server",
    argv={argv},
)
"""


_MOVER = """\
import hashlib, http.server, os, socket, sys, threading, urllib.parse

PORT, SIZE = 7000, 10 * 1000 * 1000


def hashed(connection, size):
    digest = hashlib.sha256()
    while size:
        data = connection.recv(min(size, 1 << 16))
        if not data:
            return "ended early"
        digest.update(data)
        size -= len(data)
    return digest.hexdigest()


def serve(listener):
    # Sends what it has, takes what comes, and says the hash of that.
    while True:
        connection, _ = listener.accept()
        with connection:
            mine = os.urandom(SIZE)
            sending = threading.Thread(target=connection.sendall, args=(mine,))
            sending.start()
            got = hashed(connection, SIZE)
            sending.join()
            connection.sendall((got + hashlib.sha256(mine).hexdigest()).encode())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        peer = urllib.parse.urlsplit(self.path).query
        said = "well"
        if peer:
            try:
                said = self.move(peer)
            except OSError as error:
                said = str(error)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said.encode())

    def move(self, peer):
        mine = os.urandom(SIZE)
        with socket.create_connection((peer, PORT), timeout=60) as connection:
            sending = threading.Thread(target=connection.sendall, args=(mine,))
            sending.start()
            got = hashed(connection, SIZE)
            sending.join()
            told = b""
            while data := connection.recv(128):
                told += data
        whole = told.decode() == hashlib.sha256(mine).hexdigest() + got
        return "whole" if whole else "damaged"


listener = socket.create_server(("0.0.0.0", PORT))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
http.server.ThreadingHTTPServer((sys.argv[2], int(sys.argv[1])), Handler).serve_forever()
"""
"""Each machine has a port that others of the network move 10 MB to and from, and asks for that when it is told to."""


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """Brings a workload, by a package as a person would install it: the one in docs/architecture.md or another argv."""

    def bring(argv="(PYTHON, '-m', 'http.server', PORT, '--bind', ADDRESS)"):
        (tmp_path / "brought_web_server.py").write_text(_SOURCE.format(argv=argv))
        about = tmp_path / "brought_web_server-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: brought-web-server\nVersion: 1.0\n")
        entry = "[golem_launcher.workloads]\nweb-server = brought_web_server:WEB_SERVER\n"
        (about / "entry_points.txt").write_text(entry)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        importlib.invalidate_caches()
        registry._brought.cache_clear()
        return "web-server"

    yield bring
    registry._brought.cache_clear()
    sys.modules.pop("brought_web_server", None)


@pytest.fixture
def web_server(brought):
    return brought()


def all_ready(state):
    return state.stage is Stage.READY and all(one.stage is Stage.READY for one in state.machines)


def agent_says(directory, machine, token):
    """The status of an answer of a machine's agent to whoever shows ``token``, by the port socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS * slower())
        connection.connect(str(port_socket_path(directory.path)))
        connection.sendall(
            b"%d %d\nGET /state HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: token %b\r\n\r\n"
            % (machine, AGENT_PORT, token.encode())
        )
        with connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


def comes_in(node, directory, machine, token):
    """Whether a carrier to a machine is taken of whoever knows ``token``, at its address in the private network."""
    network_id = Journal.read(directory.path).entries.network_id
    ip = directory.state().machines[machine - 1].ip
    uri = f"{node.api_url.replace('http', 'ws', 1)}/net-api/v1/net/{network_id}/tcp/{ip}/{CARRIER_PORT}"

    async def dial():
        async with CarrierClient(lambda: CarrierAddress(uri, node.app_key, key=key(token))) as carriers:
            (await carriers.dial(AGENT_PORT)).close()

    try:
        asyncio.run(asyncio.wait_for(dial(), 3 * SECONDS * slower()))
    except AccessError:
        return False
    return True


def connections():
    """How many the requestor's node was asked to make into private networks so far."""
    log = daemons.data_dir(paths.home() / "localnet", daemons.REQUESTOR) / yagna_process.LOG
    return log.read_text(errors="replace").count(": connecting (")


def listing(directory, machine, path="/", seconds=SECONDS):
    """What the web server of a machine shows of its workspace, by the port socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(port_socket_path(directory.path)))
        connection.sendall(b"%d 8888\nGET %s HTTP/1.0\r\n\r\n" % (machine, path.encode()))
        with connection.makefile("rb") as answer:
            return answer.read().decode()


def test_three_machines_one_of_them_lost(ready, lose, node, web_server, tmp_path):
    (tmp_path / "brought.txt").write_text("for all of them")
    directory = ready(machines=3, workload=web_server, budget=6, inputs=[str(tmp_path / "brought.txt")])
    before = wait_for(directory, all_ready, 60)
    assert [one.number for one in before.machines] == [1, 2, 3]
    for name in ("provider_id", "agreement_id", "activity_id", "ip"):
        assert len({getattr(one, name) for one in before.machines} - {None}) == 3, name
    assert before.price_per_hour == sum(one.price_per_hour for one in before.machines)
    for number in (1, 2, 3):
        assert "brought.txt" in listing(directory, number)
    entries = Journal.read(directory.path).entries
    assert {one.provider_id for one in before.machines} <= node.members(entries.network_id)

    answered = directory.machine_log(2).read_text().count("GET / HTTP")
    made = connections()
    asked = lambda _: directory.machine_log(2).read_text().count("GET / HTTP") >= answered + 4  # noqa: E731
    wait_for(directory, asked, 90)
    assert connections() < made + 8  # how they are is asked by connections that are kept

    known = directory.token(2)
    assert agent_says(directory, 2, known) == 200
    assert comes_in(node.node, directory, 2, known)
    lose(directory, machine=2)
    state = wait_for(directory, lambda state: state.providers_lost == 1 and all_ready(state), 60)
    head, second, third = state.machines
    assert (head.activity_id, third.activity_id) == (before.machines[0].activity_id, before.machines[2].activity_id)
    assert second.provider_id not in {one.provider_id for one in before.machines}
    assert (head.lost, second.lost, third.lost) == (0, 1, 0)
    assert Stage.RECOVERING not in {stage for stage, _ in state.stages}  # the head worked on
    assert state.address == before.address
    assert agent_says(directory, 2, known) == 403  # what the lost provider knew opens nothing
    assert not comes_in(node.node, directory, 2, known)
    assert agent_says(directory, 2, directory.token(2)) == 200
    assert comes_in(node.node, directory, 2, directory.token(2))
    (lost,) = [event for event in directory.events()[0] if isinstance(event, ProviderLost)]
    assert (lost.machine, lost.provider_name) == (2, before.machines[1].provider_name)
    assert before.machines[1].provider_id not in node.members(Journal.read(directory.path).entries.network_id)
    for number in (1, 2, 3):
        assert "brought.txt" in listing(directory, number)

    ended = client.stop(directory.name)
    assert ended.stage is Stage.ENDED, explain(directory)
    entries = Journal.read(directory.path).entries
    worked = [one for one in entries.agreements if one.activity_id]
    assert len(worked) == 4
    invoices = [node.invoice(one.agreement_id) for one in worked]
    assert ended.cost == sum((Decimal(one["amount"]) for one in invoices if one), Decimal(0))
    assert 0 < ended.cost < ended.budget
    node.holds_nothing_of(entries)
    bill = command("bill", directory.name, "--json")[1]
    assert len([one for one in bill["agreements"] if one["invoiced"]]) == sum(one is not None for one in invoices)


def test_a_head_that_is_lost_is_replaced_and_the_others_work_on(ready, lose, node, web_server):
    directory = ready(machines=2, workload=web_server, budget=6)
    before = wait_for(directory, all_ready, 60)
    lose(directory, machine=1)
    state = wait_for(directory, lambda state: state.providers_lost == 1 and all_ready(state), 60)
    head, other = state.machines
    assert head.provider_id not in {one.provider_id for one in before.machines}
    assert other.activity_id == before.machines[1].activity_id
    assert [stage for stage, _ in state.stages][-2:] == [Stage.RECOVERING, Stage.READY]
    assert state.extendable_until == before.extendable_until  # their agreements end at the same time
    client.stop(directory.name)
    node.holds_nothing_of(Journal.read(directory.path).entries)


def test_a_machine_that_never_had_a_provider_says_that_it_waits_for_one(ready, web_server):
    directory = ready(machines=2, workload=web_server, budget=6, **ONLY)
    state = wait_for(directory, lambda state: state.machines[1].trouble, 90)
    second = state.machines[1]
    assert second.stage is Stage.NEGOTIATING
    assert "A provider is looked for again in 60 s." in second.trouble
    assert second.trouble in command("show", directory.name)[1].replace("\n", " ")
    assert state.stage is Stage.READY


def test_commands_take_which_machine(ready, web_server):
    directory = ready(machines=2, workload=web_server, budget=6)
    state = wait_for(directory, all_ready, 60)
    name, second = directory.name, state.machines[1]
    for which in ("2", second.provider_name):
        process = subprocess.Popen(
            [sys.executable, "-m", "golem_launcher.cli", "tunnel", name, "--port", "0", "--remote-port", "8888",
             "--machine", which, "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            told = ""
            while not told.endswith("}\n"):
                told += process.stdout.readline()
            host, _, port = json.loads(told)["address"].partition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=SECONDS * slower())
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
            connection.close()
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS * slower())
    client.extend(name, hours="0.5")
    for number in (1, 2):  # each agent knows the new deadline
        log = directory.machine_log(number)
        wait_for(directory, lambda _, log=log: "the deadline is in" in log.read_text(), 30)
        assert float(log.read_text().rpartition("the deadline is in ")[2].split()[0]) > 3600
    shown = command("show", name)[1]
    for machine in state.machines:
        assert f"{machine.number} ({machine.provider_name}): ready, {machine.ip}" in shown
        assert machine.activity_id in shown
    assert f"{state.head.provider_name} +1"[:24] in command("list")[1]
    assert "GET / HTTP" in command("logs", name, "--machine", "2")[1]
    for words in (
        ("logs", name, "--machine", "3"),
        ("ssh", name, "--machine", "3"),
        ("ssh", name, "--machine=3", "id"),
    ):
        code, _, error = command(*words, check=False)
        assert code == 2
        assert "There is no machine '3'" in error


def test_all_machines_are_rejoined_when_the_node_is_started_anew(tmp_path, web_server):
    providers = "".join(f'\n[[provider]]\nname = "anew-{number}"\n' for number in range(3))
    with own_network(tmp_path, providers) as network:
        directory = client.start(
            parse_request({"name": "anew", "machines": 3, "workload": web_server, "budget": 6, "disk_gib": 0.5})
        )
        before = wait_for(directory, all_ready, 120)
        with kill(network):
            wait_for(directory, lambda state: Stage.RECOVERING in {stage for stage, _ in state.stages}, 120)
            state = wait_for(directory, all_ready, 200)
            for number in (1, 2, 3):
                assert "Directory listing" in listing(directory, number)
        assert state.providers_lost == 0
        assert [one.activity_id for one in state.machines] == [one.activity_id for one in before.machines]
        client.extend("anew", budget="1")
        assert directory.state().budget == 7
        assert client.stop("anew").stage is Stage.ENDED


def test_machines_reach_each_other_by_their_private_addresses(ready, brought):
    """Straight, as on Golem, where frames go to nodes that are known and to nobody else: so all are told of all."""
    brought(f"(PYTHON, '-c', {_MOVER!r}, PORT, ADDRESS)")
    directory = ready(machines=3, workload="web-server", budget=6)
    state = wait_for(directory, all_ready, 60)
    addresses = {one.number: one.ip for one in state.machines}
    for of, to in ((2, 3), (3, 2), (1, 3)):
        said, end = "", time.monotonic() + 90
        while said != "whole" and time.monotonic() < end:  # each try takes as long as the question for the way
            said = listing(directory, of, f"/?{addresses[to]}", seconds=90).rpartition("\n")[2]
        assert said == "whole", (of, to)
