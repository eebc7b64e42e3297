"""What is passed on of what nodes tell of themselves: a few counts, and nothing of their words."""

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from golem_launcher import paths
from golem_launcher.events import Stage
from golem_launcher.metrics import nodes, server
from golem_launcher.metrics.collector import registry
from golem_launcher.metrics.exposition import Exposition
from tests.metrics.made import HOSTILE, make
from tests.metrics.test_metric_families import figures, of

KEY = "a-key"
TOLD = """# metrics snapshot
# TYPE market_agreements_requestor_approved counter
market_agreements_requestor_approved 3
# TYPE net_connections_p2p counter
net_connections_p2p{TargetId="0xstranger",RelayId="0xanother"} 2
net_connections_p2p{TargetId="0x\\"} 1\\nevil"} 5
# TYPE payment_invoices_requestor_paid counter
payment_invoices_requestor_paid NaN
payment_invoices_requestor_received 1e400
# TYPE something_else counter
something_else{of="0xstranger"} 7
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))


@contextlib.contextmanager
def node(monkeypatch, told, status=200, may_answer=None):
    """What stands in for the user's yagna at the one path that it is asked for; what came."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            assert may_answer is None or may_answer.wait(60)
            self.send_response(status if self.path == "/metrics-api/v1/expose" else 404)
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("YAGNA_APPKEY", KEY)
        monkeypatch.setenv("YAGNA_API_URL", f"http://127.0.0.1:{serving.server_port}")
        try:
            yield asked
        finally:
            serving.shutdown()
            thread.join()


def test_its_counts_are_passed_on_and_neither_its_labels_nor_anything_else(monkeypatch):
    with node(monkeypatch, TOLD.encode()) as asked:
        text = server.text()
    assert asked == [("/metrics-api/v1/expose", f"Bearer {KEY}")]
    found = figures(text)
    assert of(found, "node_up", node="golem") == 1
    assert of(found, "node_market_agreements_requestor_approved_total", node="golem") == 3
    assert of(found, "node_net_connections_p2p_total", node="golem") == 7, "all together"
    assert of(found, "node_payment_invoices_requestor_paid_total", node="golem") == 0, "which is no number"
    told = {name for name, *_ in found if name.startswith("golem_launcher_node_")}
    assert told <= {"golem_launcher_node_up", *(f"golem_launcher_node_{name}_total" for name in nodes.FIGURES)}
    for word in ("stranger", "another", "evil", "something_else", KEY):
        assert word not in text


@pytest.mark.parametrize(
    ("told", "status"),
    [(b"\xff\xfe", 200), (b"net_connections_p2p{ 1\n", 200), (b"net_connections_p2p 1\n", 500)],
)
def test_one_that_makes_no_sense_is_away_and_sessions_are_told_all_the_same(monkeypatch, told, status):
    make("lab", trouble=HOSTILE)
    with node(monkeypatch, told, status):
        found = figures()
    assert of(found, "node_up", node="golem") == 0
    assert of(found, "session_cost_coins", session="lab") == 0.25


def test_half_a_figure_is_none(monkeypatch):
    with node(monkeypatch, b"net_connections_p2p 1\nnet_connections_relay 12"):
        found = figures()
    assert of(found, "node_net_connections_p2p_total", node="golem") == 1
    assert of(found, "node_net_connections_relay_total", node="golem") is None


def test_one_that_says_nothing_is_waited_for_a_moment(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("YAGNA_APPKEY", KEY)
        monkeypatch.setenv("YAGNA_API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        found = figures()
    assert of(found, "node_up", node="golem") == 0
    assert of(found, "read_seconds") < 9, "Prometheus waits for ten"


def test_one_that_takes_its_time_holds_up_the_first_scrape_alone(monkeypatch):
    """What it says then is told by a later one."""
    told, may_answer = bytearray(b"net_connections_p2p 1\n"), threading.Event()
    may_answer.set()
    exposition = Exposition(registry())

    def scrape():
        found = figures(exposition.text().decode())
        return of(found, "node_up", node="golem"), of(found, "node_net_connections_p2p_total", node="golem")

    with node(monkeypatch, told, may_answer=may_answer):
        assert scrape() == (1, 1)
        may_answer.clear()
        told[:] = b"net_connections_p2p 2\n"
        assert scrape() == (1, 1), "it says nothing meanwhile"
        may_answer.set()
        end = time.monotonic() + 30
        while scrape() != (1, 2):
            assert time.monotonic() < end


def test_of_a_node_that_is_not_there_only_who_needs_it_is_told():
    assert not any(name == "golem_launcher_node_up" for name, *_ in figures())
    make("over", network="polygon", stage=Stage.ENDED)
    assert not any(name == "golem_launcher_node_up" for name, *_ in figures())
    make("goes-on", network="polygon")
    assert of(figures(), "node_up", node="golem") == 0
    assert of(figures(), "node_up", node="local") is None
