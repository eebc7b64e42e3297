"""A Dask cluster beside a session's notebook, on real daemons: who asks, who decides, and what it computes."""

import asyncio
import json
import socket
from urllib.parse import urlsplit

import pytest

from golem_launcher.access.sockets.port_socket import port_socket_path
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from tests.cluster.conftest import Notebook, ready_workers, wait_for
from tests.patience import slower
from tests.session.conftest import command
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow


def of_standby(state):
    """What the machine that stands by costs an hour, where there is one at the moment."""
    return state.standby.price_per_hour or 0


def test_a_notebook_has_a_client_and_scales_within_what_was_allowed(session, notebook):
    told = notebook.run(
        f"cluster.scale(3); client.wait_for_workers(3, timeout={90 * slower():.0f})\n"
        "print(sorted(cluster.observed), client.submit(sum, [1, 2, 3]).result(), cluster.scheduler_address[:6])"
    )
    assert told.split("\n")[0] == "['machine-2', 'machine-3', 'machine-4'] 6 tls://"
    state = wait_for(session, lambda state: ready_workers(state) == [2, 3, 4])
    assert len({one.provider_id for one in state.machines}) == 4
    assert state.price_per_hour == sum(one.price_per_hour for one in state.machines) + of_standby(state)
    assert (state.cluster.workers, state.cluster.most) == (3, 3)
    shown = command("cluster", session.name)[1]
    assert "3 Dask workers, 3 at most" in shown
    assert shown.count("ready") == 3


def test_a_small_task_is_back_soon(notebook):
    told = notebook.run(
        "import time, statistics\n"
        "def took():\n"
        "    began = time.perf_counter(); client.submit(lambda: 1, pure=False).result()\n"
        "    return time.perf_counter() - began\n"
        "took(); print(statistics.median(took() for _ in range(50)))"
    )
    assert float(told) < 0.25  # 0.05 on a computer that has nothing else to do: see benchmarks


PROGRAMS = {
    "futures": "print(client.gather(client.map(lambda x: x ** 2, range(20)))[-1])",
    "array": "import dask.array as da\nx = da.random.random((800, 800), chunks=(200, 200))\n"
    "print(round(float((x + x.T).mean().compute()), 1) == 1.0)",
    "dataframe": "import pandas as pd, dask.dataframe as dd\n"
    "df = dd.from_pandas(pd.DataFrame({'k': list('abab'), 'v': [1, 2, 3, 4]}), npartitions=2)\n"
    "print(df.groupby('k').v.sum().compute().to_dict())",
    "actors": "class Counter:\n    def __init__(self): self.n = 0\n    def add(self, k): self.n += k; return self.n\n"
    "counter = client.submit(Counter, actor=True).result()\ncounter.add(2).result()\nprint(counter.add(3).result())",
    "joblib": "import joblib\nwith joblib.parallel_config(backend='dask'):\n"
    "    print(joblib.Parallel()(joblib.delayed(abs)(-i) for i in range(4)))",
    "delayed": "import dask\nprint(dask.delayed(sum)([dask.delayed(lambda: 2)(), 3]).compute())",
}
ANSWERS = {
    "futures": "361",
    "array": "True",
    "dataframe": "{'a': 4, 'b': 6}",
    "actors": "5",
    "joblib": "[0, 1, 2, 3]",
    "delayed": "5",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_as_dask_documents_them(notebook, name):
    assert notebook.run(PROGRAMS[name]).strip().split("\n")[-1] == ANSWERS[name]


def test_what_the_notebook_installs_is_on_all_workers_and_on_those_that_come_later(session, notebook):
    imported = (
        "import importlib\ndef version(): importlib.invalidate_caches(); import cowsay; return cowsay.__version__\n"
    )
    notebook.run(
        f"%pip install --quiet cowsay==6.1\ncluster.scale(1); client.wait_for_workers(1, timeout={60 * slower():.0f})"
    )
    wait_for(session, lambda state: ready_workers(state) == [2])
    everywhere = (
        f"{imported}import time\nend = time.monotonic() + 60\n"
        "while True:\n"
        "    try: found = client.run(version); break\n"
        "    except (ModuleNotFoundError, OSError):\n"  # not installed yet; one that was let go is still known
        "        if time.monotonic() > end: raise\n"
        "        time.sleep(0.2)\n"
        "print(sorted(set(found.values())), len(found))"
    )
    assert notebook.run(everywhere).strip() == "['6.1'] 1"
    # as the tests after this one find it
    notebook.run(f"cluster.scale(3); client.wait_for_workers(3, timeout={90 * slower():.0f})")
    assert notebook.run(everywhere).strip() == "['6.1'] 3"


def test_nothing_of_dasks_is_unpickled_on_the_users_side(notebook, tmp_path):
    """A result and an exception that leave a file behind wherever they are unpickled: over there, and not here."""
    canary = tmp_path / "canary"
    told = notebook.run(
        "import pathlib\n"
        f"place = pathlib.Path({str(canary)!r})\n"
        "class Canary(Exception):\n"
        "    def __reduce__(self):\n"
        f"        code = \"p = __import__('pathlib').Path({str(canary)!r}); \"\n"
        "        return exec, (code + 'p.parent.mkdir(parents=True, exist_ok=True); p.touch()',)\n"
        "def bad(): raise Canary()\n"
        "for work in (Canary, bad):\n"
        "    try: client.submit(work, pure=False).result(timeout=20)\n"
        "    except Exception: pass\n"
        "print(place.exists())"
    )
    assert told.strip() == "True"
    assert not canary.exists()


def test_a_worker_that_is_killed_in_the_middle_is_replaced_and_the_computation_goes_on(session, notebook, lose):
    notebook.run(
        "import time\ndef slow(x): time.sleep(1); return x\nfutures = client.map(slow, range(30), pure=False)\n"
    )
    before = session.state()
    lose(session, machine=3)
    told = notebook.run("print(sum(client.gather(futures)))")
    assert told.strip() == str(sum(range(30)))
    state = wait_for(session, lambda state: state.machines[2].lost == 1 and ready_workers(state) == [2, 3, 4])
    assert state.machines[2].provider_id != before.machines[2].provider_id
    assert state.head.activity_id == before.head.activity_id
    notebook.run(f"client.wait_for_workers(3, timeout={60 * slower():.0f})")


def test_the_dashboard_is_behind_the_link_and_at_a_tunnel(session, notebook):
    link = notebook.run("print(cluster.dashboard_link)").strip()
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}

    async def shown():
        async with Jupyter(session.url()) as lab, lab.http.get(lab.origin + link, headers=headers) as response:
            return response.status, str(response.url), await response.text()

    status, address, page = asyncio.run(shown())
    assert status == 200, address
    assert urlsplit(address).path == "/status"
    assert urlsplit(address).netloc != urlsplit(session.url()).netloc
    assert "Dask" in page
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(port_socket_path(session.path)))
        connection.sendall(b"1 8787\nGET /status HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as answer:
            assert b" 200 " in answer.readline()


def test_a_client_of_the_address_alone_has_the_certificates_and_a_link_that_leads_somewhere(notebook):
    """As dask-labextension writes it into a notebook."""
    told = notebook.run(
        "from dask.distributed import Client\n"
        "other = Client(cluster.scheduler_address, set_as_default=False)\n"
        "print(other.submit(sum, [1, 2]).result(), other.dashboard_link)\n"
        "other.close()"
    )
    assert told.split() == ["3", "/proxy/8787/status"]


def test_who_has_no_certificate_of_the_sessions_gets_nowhere(notebook):
    told = notebook.run(
        "import socket, ssl\n"
        "def knock(address):\n"
        "    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); context.check_hostname = False\n"
        "    context.verify_mode = ssl.CERT_NONE\n"
        "    host, port = address.removeprefix('tls://').rsplit(':', 1)\n"
        "    try:\n"
        "        with socket.create_connection((host, int(port)), timeout=10) as plain:\n"
        "            with context.wrap_socket(plain) as end: return len(end.recv(1))\n"
        "    except ssl.SSLError as error: return error.reason\n"
        "workers = list(client.scheduler_info()['workers'])\n"
        "print([knock(address) for address in [cluster.scheduler_address, workers[0]]])"
    )
    assert told.count("CERTIFICATE_REQUIRED") == 2, told


ASK = (
    "import json, os, urllib.request\n"
    "def ask(body, token=os.environ['GOLEM_LAUNCHER_CLUSTER_TOKEN'], path=''):\n"
    "    url = os.environ['GOLEM_LAUNCHER_CLUSTER'] + path\n"
    "    request = urllib.request.Request(url, data=body, headers={'Authorization': f'token {token}'})\n"
    "    try: return urllib.request.urlopen(request, timeout=10).status\n"
    "    except urllib.error.HTTPError as error: return error.code\n"
    "    except OSError: return 0\n"
)
"""What a notebook does that asks by itself, and not by our class."""
HOSTILE = [
    {"workers": 10**9}, {"workers": -1}, {"workers": True}, {"workers": "9"}, {"workers": 2.5}, {"workers": None},
    {"workers": [9]}, {"retired": list(range(10**4))}, {"workers": 3, "retired": ["x"]}, {}, [], "9",
    {"workers": 1000}, {"workers": 33, "retired": [1]},
]  # fmt: skip
"""The head's number, what is no number, and more than anybody may have."""


def test_a_hostile_lab_gets_nothing_more(session, notebook):
    command("cluster", session.name, "scale", "3")  # from now on machines are counted that its notebook is given
    before = session.state()
    notebook.run(ASK)
    said = notebook.run(f"print([ask(json.dumps(each).encode()) for each in {HOSTILE!r}])")
    assert json.loads(said) == [400] * 12 + [200, 200], said
    assert notebook.run("print(ask(b'{}', token='no'), ask(b'{', ), ask(b'[' * 10000))").split() == [
        "403",
        "400",
        "400",
    ]
    assert notebook.run("print(ask(b'{}', path='/../deadline'))").strip() == "404"
    notebook.run("for n in range(600): ask(json.dumps({'workers': n % 7}).encode())")
    notebook.run("print(ask(json.dumps({'workers': 1000}).encode()))")
    wait_for(session, lambda state: state.cluster.asked == 1000)
    state = wait_for(session, lambda state: len(ready_workers(state)) == 3)
    assert state.cluster.most == before.cluster.most == 3
    assert state.cluster.workers == 3
    assert len(state.machines) == 4
    assert state.head.activity_id == before.head.activity_id
    assert "the notebook asks for 1,000" in command("cluster", session.name)[1]
    assert "scale 15" in notebook.run("print(cluster.status_line)")


def test_a_notebook_that_changes_its_mind_all_the_time_is_given_no_machine_each_time(session, notebook):
    """What it may have twice is soon had; then it is one a minute, and the user's own word counts at once."""
    before = len(Journal.read(session.path).entries.agreements)
    notebook.run(
        f"{ASK}import time\n"
        "for n in range(24): ask(json.dumps({'workers': 0 if n % 2 else 3}).encode()); time.sleep(0.7)\n"
        "cluster.scale(1000)"  # and hears what is said to it
    )
    state = wait_for(session, lambda state: state.cluster.asked == 1000)
    given = len(Journal.read(session.path).entries.agreements) - before
    assert given <= 2 * 3 + 2, "and those of the minute that this took"
    assert state.cluster.workers < 3
    assert "one a minute" in notebook.run("print(cluster.status_line)")
    told = command("cluster", session.name, "scale", "3", "--json")[1]
    assert told["workers"] == 3
    wait_for(session, lambda state: len(ready_workers(state)) == 3)


def test_the_user_alone_allows_more(session, notebook):
    assert command("cluster", session.name, "scale", "16", check=False)[0] != 0
    assert command("cluster", session.name, "scale", check=False)[0] == 2
    told = command("cluster", session.name, "scale", "4", "--json")[1]
    assert (told["workers"], told["most"]) == (4, 4)
    state = wait_for(session, lambda state: len(ready_workers(state)) == 4)
    assert state.stage is Stage.READY
    notebook.run(f"client.wait_for_workers(4, timeout={60 * slower():.0f})")
    notebook.run("cluster.scale(1)")
    state = wait_for(session, lambda state: sum(one.stage.final for one in state.machines[1:]) == 3)
    assert ready_workers(state) == [2]
    own = state.head.price_per_hour + state.machines[1].price_per_hour
    assert state.price_per_hour == own + of_standby(state)
    assert notebook.run("print(client.submit(sum, [4, 5]).result())").strip() == "9"


def test_it_adapts(session, notebook):
    notebook.run(
        "cluster.adapt(minimum=1, maximum=3, interval='500ms', wait_count=4, target_duration='2s')\n"
        "def slow(x): __import__('time').sleep(1); return x\n"
        "work = client.map(slow, range(80), pure=False)"
    )
    wait_for(session, lambda state: len(ready_workers(state)) == 3)
    notebook.run("del work")  # what is not done by then is given up
    wait_for(session, lambda state: len(ready_workers(state)) == 1)
    notebook.run("cluster._adaptive.stop()")


def test_a_lost_head_takes_the_scheduler_along_and_its_worker_joins_the_next(session, lose):
    before = wait_for(session, lambda state: state.standby.stage == "ready")
    lose(session, machine=1)
    state = wait_for(session, lambda state: state.providers_lost > before.providers_lost and state.stage is Stage.READY)
    assert state.head.agreement_id == before.standby.agreement_id
    assert state.machines[1].activity_id == before.machines[1].activity_id
    notebook = Notebook(session.url())
    told = notebook.run(
        "from golem_launcher.cluster import GolemCluster\n"
        "cluster = GolemCluster(); client = cluster.client()\n"
        f"client.wait_for_workers(1, timeout={90 * slower():.0f})\n"
        "print(client.submit(sum, [1, 1]).result(), cluster.scheduler_address)"
    )
    notebook.close()
    assert told.split() == ["2", f"tls://{state.head.ip}:8786"]


def test_it_ends_with_its_session_and_nothing_is_left(session):
    client.stop(session.name)
    state = session.state()
    assert state.stage is Stage.ENDED
    assert 0 < state.cost <= state.budget
