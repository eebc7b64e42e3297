"""Services outside: faucet and balances as the node tells them, reputation, the node's own complaints. Fakes answer
in the shapes that yagna 0.17 and the reputation service were recorded with."""

import asyncio
import base64
import dataclasses
import json
import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher import paths
from golem_launcher.cli.this_computer import node as node_commands
from golem_launcher.errors import BudgetError, NodeUnreachable, RequestError, ServiceError
from golem_launcher.market import golem_web_services, image_registry, reputation, wallet
from golem_launcher.market import identity_backup as identities
from golem_launcher.market.golem_web_services import REGISTRY, REPUTATION
from golem_launcher.networks import HOODI, NETWORKS, POLYGON, RETIRED, SEPOLIA
from golem_launcher.node import clock_check, health, manager, probe
from golem_launcher.node.doctor_check import Verdict
from golem_launcher.node.node import Node
from golem_launcher.request import parse_request
from tests.market.test_prices import JUNK

ME = "0x" + "12" * 20
HASH = "ab" * 32
STATUS = {
    "amount": "12.5",
    "reserved": "1",
    "outgoing": {
        "requested": {"totalAmount": "3", "agreementsCount": 2},
        "accepted": {"totalAmount": "2.5", "agreementsCount": 2},
        "confirmed": {"totalAmount": "2", "agreementsCount": 1},
    },
    "incoming": {},
    "driver": "erc20",
    "network": "hoodi",
    "token": "tGLM",
    "gas": {"currency_short_name": "tETH", "currency_long_name": "Hoodi Ether", "balance": "0.01"},
    "block_number": 1,
    "block_datetime": datetime.now(UTC).isoformat(),
}
PAYMENT = {
    "paymentId": "p",
    "payerId": ME,
    "payeeId": "0x" + "34" * 20,
    "paymentPlatform": "erc20-hoodi-tglm",
    "amount": "2",
    "timestamp": "2026-11-20T10:00:00.000Z",
    "details": base64.b64encode(bytes.fromhex(HASH)).decode(),
}
ALLOCATIONS = [
    {"allocationId": "a", "paymentPlatform": "erc20-hoodi-tglm", "remainingAmount": "1.25"},
    {"allocationId": "b", "paymentPlatform": "erc20-polygon-glm", "remainingAmount": "7"},
]
SHA3 = "5c" * 28
SILENCE = object()
IMAGE = {
    "http": f"http://registry.golem.network/download/{SHA3}",
    "https": f"https://registry.golem.network/download/{SHA3}",
    "sha3": SHA3,
    "size": 330000000,
}
SCORES = {
    "providers": [
        {"providerId": "0x1", "scores": {"uptime": 0.9, "successRate": 0.6}},
        {"providerId": "0x2", "scores": {"uptime": 5, "successRate": None}},
        {"providerId": 3},
        "junk",
    ]
}


@pytest.fixture
def answers():
    return {
        "/me": {"identity": ME},
        "/_gsb/local/driver/erc20/Init": {"Ok": {}},
        "/_gsb/local/payment/GetStatus": {"Ok": STATUS},
        "/_gsb/local/driver/erc20/Fund": {"Ok": "Received 0.01 tETH and minted 1000 tGLM"},
        "/payment-api/v1/allocations": ALLOCATIONS,
        "/payment-api/v1/payments": [
            PAYMENT,
            {**PAYMENT, "payerId": "0x" + "99" * 20},
            {**PAYMENT, "paymentPlatform": "erc20-polygon-glm"},
        ],
        "/payment-api/v1/payments/status": [{"kind": "InsufficientGas", "network": "hoodi"}, {"kind": "New<b>\x1b[2J"}],
        "/version/get": {"current": {"version": "0.17.6"}, "pending": {"version": "0.18.0"}},
        "/_gsb/local/net/Status": {"Ok": {"sessions": 0, "public_address": None}},
        "/v2/providers/scores": SCORES,
    }


@pytest.fixture
def asked():
    return []


@pytest.fixture
def server(answers, asked):
    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            size = int(self.headers.get("Content-Length") or 0)
            asked.append((self.path, json.loads(self.rfile.read(size) or b"null")))
            path = self.path.split("?")[0]
            if answers.get(path) is SILENCE:
                self.connection.recv(1)  # until the asker has left
                return
            body = json.dumps(answers.get(path, {})).encode()
            self.send_response(200 if path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def node(server):
    return Node(server, "key")


def test_the_wallet_and_where_its_payments_can_be_seen(node, asked):
    found = wallet.look(node, HOODI)
    assert (found.identity, found.amount, found.gas, found.gas_coin) == (ME, Decimal("12.5"), Decimal("0.01"), "tETH")
    assert (found.reserved, found.owed, found.free) == (Decimal("1.25"), Decimal("0.5"), Decimal("11.25"))
    (payment,) = found.payments
    assert payment.url == f"https://hoodi.etherscan.io/tx/0x{HASH}"
    init = next(body for path, body in asked if path.endswith("Init"))
    assert (init["network"], init["token"]) == ("hoodi", "tGLM")  # the network is always named


def test_a_clock_that_is_wrong_is_told_by_the_chains(node, answers):
    hours = 6
    block = datetime.now(UTC) + timedelta(hours=hours)
    answers["/_gsb/local/payment/GetStatus"] = {"Ok": {**STATUS, "block_datetime": block.isoformat()}}
    found = wallet.look(node, HOODI)
    assert found.amount == Decimal("12.5")
    assert f"clock is {hours} h behind" in found.problem
    for nonsense in (None, "soon", 5, "2026-11-21T00:00:00"):
        assert wallet._clock_problem(nonsense) == ""


def test_a_chain_out_of_reach_is_said_and_the_rest_is_shown(node, answers):
    answers["/_gsb/local/payment/GetStatus"] = {"Err": {"inner": "Error getting balance - Server is unreachable, x.rs"}}
    found = wallet.look(node, HOODI)
    assert found.amount is None
    assert found.free is None
    assert "can't be reached" in found.problem
    assert found.reserved == Decimal("1.25")


def test_a_chain_that_is_silent_is_waited_for_in_bounds(node, answers, monkeypatch):
    monkeypatch.setattr(wallet, "_STATUS_SECONDS", 0.2)
    answers["/_gsb/local/payment/GetStatus"] = SILENCE
    found = wallet.look(node, HOODI)
    assert found.amount is None
    assert "no answer from the chain" in found.problem
    assert found.reserved == Decimal("1.25")


def test_the_faucet_gives_or_says_why_not(node, answers, asked):
    assert "minted" in wallet.fund(node, HOODI)
    assert asked[-1][1]["mint_only"] is False
    wallet.fund(node, SEPOLIA)
    assert asked[-1][1]["mint_only"] is True
    answers["/_gsb/local/driver/erc20/Fund"] = {"Err": {"inner": "deadline has elapsed"}}
    with pytest.raises(BudgetError, match=r"deadline has elapsed.* busy"):
        wallet.fund(node, HOODI)
    with pytest.raises(BudgetError, match="Minting needs some tETH"):
        wallet.fund(node, SEPOLIA)
    answers["/_gsb/local/driver/erc20/Fund"] = {"Err": {"inner": "Error getting balance - Server is unreachable, x.rs"}}
    with pytest.raises(BudgetError, match=r"the chain can't be reached from the node\. Look"):
        wallet.fund(node, SEPOLIA)
    with pytest.raises(BudgetError, match="no faucet"):
        wallet.fund(node, POLYGON)


def test_the_nodes_complaints_are_said_with_what_to_do(node, answers):
    found = health.troubles(node)
    assert [one.name for one in found] == ["release", "neighbours", "payments", "payments"]
    assert "0.18.0" in found[0].message
    assert "fees on hoodi" in found[2].message
    assert "\x1b" not in found[3].message
    answers["/_gsb/local/net/Status"] = {"Ok": {"sessions": 3, "public_address": None}}
    assert health.troubles(node)[1].name == "nat"


def test_reputation_where_it_is_reachable(server, asked, monkeypatch):
    monkeypatch.setenv(REPUTATION.variable, server)
    found = asyncio.run(reputation.scores(POLYGON))
    assert found == {"0x1": pytest.approx(0.8), "0x2": pytest.approx(2 / 3)}
    assert asked[-1][0] == "/v2/providers/scores?network=polygon"
    monkeypatch.setenv(REPUTATION.variable, "http://127.0.0.1:1")
    assert asyncio.run(reputation.scores(POLYGON)) == {}


def test_an_image_by_tag_and_by_hash(server, answers, asked):
    answers["/v1/image/info"] = IMAGE
    for image, query in (("you/image:1", "tag=you/image:1"), (SHA3, f"hash={SHA3}")):
        package = asyncio.run(image_registry.task_package(image, registry_url=server))
        assert package == f"hash:sha3:{SHA3}:{IMAGE['http']}"
        assert unquote(asked[-1][0]) == f"/v1/image/info?{query}&count=true"


def test_an_image_that_is_not_there_is_told_at_its_field(server):
    with pytest.raises(RequestError, match="no image 'you/image:1' in the registry") as caught:
        asyncio.run(image_registry.task_package("you/image:1", registry_url=server))
    assert caught.value.field == "image"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        {**IMAGE, "sha3": "zz"},
        {**IMAGE, "http": "file:///etc/passwd"},
        {**IMAGE, "http": "http://" + "a" * 3000},
    ],
)
def test_a_registry_that_makes_no_sense_is_not_believed(server, answers, answer):
    answers["/v1/image/info"] = answer
    with pytest.raises(ServiceError, match="makes no sense"):
        asyncio.run(image_registry.task_package("you/image:1", registry_url=server))
    answers["/v1/image/info"] = IMAGE
    with pytest.raises(ServiceError, match="makes no sense"):  # another image than was asked for
        asyncio.run(image_registry.task_package("0" * 56, registry_url=server))


@pytest.mark.parametrize("service", [REGISTRY, REPUTATION], ids=lambda service: service.variable)
def test_what_goes_wrong_with_a_service_is_said_in_words(service, server, answers, monkeypatch):
    def failure(**changes):
        changed = dataclasses.replace(service, **changes)
        with pytest.raises(ServiceError, match=service.name) as caught:
            asyncio.run(golem_web_services.ask(changed, "/large", {}))
        assert caught.value.remedy == service.remedy
        return caught.value

    monkeypatch.setenv(service.variable, "http://127.0.0.1:1")
    assert "127.0.0.1:1" in failure().what
    monkeypatch.setenv(service.variable, server)
    assert (failure().status, "says 404" in failure().what) == (404, True)
    answers["/large"] = ["x" * 1000]
    assert "too large" in failure(largest=100).what
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(service.variable, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "no answer in time" in failure(seconds=0.2).what


@given(JUNK | st.fixed_dictionaries({"providers": JUNK}))
def test_any_answer_is_read(value):
    assert all(0 <= score <= 1 for score in reputation.read_scores(value).values())
    assert isinstance(health.payments(value), list)


def test_a_node_elsewhere_is_remembered_for_its_owner_alone(server, tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    monkeypatch.delenv("YAGNA_APPKEY", raising=False)
    monkeypatch.delenv("YAGNA_API_URL", raising=False)
    assert manager.remember_node(server, "secret") == ME
    kept = tmp_path / "named-node.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert manager.named_node().api_url == server
    assert "secret" not in repr(manager.named_node())
    assert manager.forget_node()
    assert manager.named_node() is None
    with pytest.raises(RequestError, match="read the node's key"):
        manager.remember_node("http://node.example.org", "secret")
    with pytest.raises(NodeUnreachable):
        manager.remember_node("http://127.0.0.1:1", "secret")


def test_an_identity_comes_back(node, answers, asked):
    keystore = json.dumps({"address": "AB" * 20, "crypto": {}, "version": 3})
    identity = "0x" + "ab" * 20
    answers["/_gsb/local/identity/List"] = {"Ok": [{"nodeId": ME}]}
    answers["/_gsb/local/identity/CreateGenerated"] = {"Ok": {"nodeId": identity}}
    answers["/_gsb/local/identity/Update"] = {"Ok": {"nodeId": identity}}
    assert identities.restore(node, keystore) == identity
    assert next(body for path, body in asked if path.endswith("CreateGenerated"))["fromKeystore"] == keystore
    assert asked[-1][1] == {"nodeId": identity, "alias": None, "setDefault": True}
    answers["/_gsb/local/identity/List"] = {"Ok": [{"nodeId": ME}, {"nodeId": identity}]}
    del answers["/_gsb/local/identity/CreateGenerated"]
    assert identities.restore(node, keystore) == identity  # it is in the node already
    for junk in ("", "[]", "{}", '{"address": "zz", "crypto": {}}', "null"):
        with pytest.raises(RequestError, match="no keystore"):
            identities.restore(node, junk)


def test_networks():
    assert [NETWORKS[name].platform for name in ("polygon", "mainnet", "hoodi", "amoy", "sepolia")] == [
        "erc20-polygon-glm",
        "erc20-mainnet-glm",
        "erc20-hoodi-tglm",
        "erc20-amoy-tglm",
        "erc20-sepolia-tglm",
    ]
    for name, instead in RETIRED.items():
        with pytest.raises(RequestError, match=f"retired; use '{instead}' instead"):
            parse_request({"network": name})
    assert ME in POLYGON.onboarding_url(ME)
    assert HOODI.onboarding_url(ME) == ""


def test_a_clock_that_is_off_is_told_by_an_answers_date(server, asked, monkeypatch):
    monkeypatch.setenv(REGISTRY.variable, server)
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: format_datetime(there, usegmt=True))
    for hours, verdict, words in (
        (0, Verdict.OK, "agrees with the internet's"),
        (-1 / 60, Verdict.WARN, " s ahead of"),
        (6, Verdict.FAIL, "6 h behind"),
        (-24 * 400, Verdict.FAIL, "400 days ahead of"),
    ):
        there = datetime.now(UTC) + timedelta(hours=hours)
        check = node_commands._clock_outside()
        assert (check.verdict, words in check.message) == (verdict, True), check
        assert bool(check.remedy) == (verdict is not Verdict.OK)
    there = datetime.now(UTC) + timedelta(hours=6)
    assert probe.clock_ahead(Node(server, "key")) == pytest.approx(-6 * 3600, abs=30)
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: "yesterday, at 25 o'clock")
    assert "does not say the time" in node_commands._clock_outside().message
    monkeypatch.setenv(REGISTRY.variable, "http://127.0.0.1:1")
    assert node_commands._clock_outside().verdict is Verdict.OK  # nobody to ask is no fault of the clock
    assert asked[-1][0] in {"/", "/version/get"}


def test_a_clock_that_was_set_back_is_told_by_our_own_files(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    assert clock_check.offline().verdict is Verdict.OK
    (tmp_path / "providers.json").touch()
    later = time.time() + 7500
    os.utime(tmp_path / "providers.json", (later, later))
    check = clock_check.offline()
    assert (check.verdict, " h later" in check.message) == (Verdict.WARN, True)
