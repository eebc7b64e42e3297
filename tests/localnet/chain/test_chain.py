"""The local network on a chain of its own: money that moves, and what is said when it can't. Needs anvil, or npm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel
from typer.testing import CliRunner

from golem_launcher.cli.main import app
from golem_launcher.errors import LocalNetError
from golem_launcher.events import Stage
from golem_launcher.kernel import kernelspec
from golem_launcher.localnet import network
from golem_launcher.localnet.accounts import ensure_accounts
from golem_launcher.localnet.chain import anvil, anvil_program, driver, rpc, token
from golem_launcher.localnet.chain.running_chain import RunningChain
from golem_launcher.localnet.chain.token import Chain
from golem_launcher.localnet.negotiation import NOTE_INTERVAL, PAYMENT_TIMEOUT
from golem_launcher.localnet.spec import load_spec
from golem_launcher.market import wallet
from golem_launcher.networks import HOODI, LOCAL
from golem_launcher.node.gsb import GsbClient
from golem_launcher.node.node import Node
from golem_launcher.node.rest_client import BlockingRest
from golem_launcher.processes import ProcessRecord
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.on_disk.bill import bill_of
from golem_launcher.session.on_disk.directory import session_directories, session_directory
from golem_launcher.ui.form.fields import _options
from golem_launcher.ui.header.network import network_view
from golem_launcher.ui.header.wallet import WalletPanel
from tests.kernel.cells import Notebook
from tests.localnet.conftest import network_of, processes_below
from tests.localnet.requestor import Requestor, play
from tests.localnet.requestor import until as eventually
from tests.localnet.test_market import ended, reason
from tests.networks import at_home
from tests.patience import slower
from tests.session.conftest import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from golem_launcher.session_state import SessionState

NETWORK = """
chain = "anvil"
chain_gift = 0

[[provider]]
name = "paid"
price_start = 0.01
price_hour = 3.6

[[provider]]
name = "paid on the way"
price_hour = 36
"""
SETTLED_SECONDS = 20.0
PAYMENT_SECONDS = 15


def command(*words: str) -> tuple[int, Any, str]:
    """Run the command line in this process: the exit code, the JSON value or text, the errors."""
    done = CliRunner().invoke(app, words)
    try:
        return done.exit_code, json.loads(done.stdout), done.stderr
    except ValueError:
        return done.exit_code, done.stdout, done.stderr


def begun(name: str, stage: Stage, budget: int = 5) -> SessionState:
    """A session of that name, come to ``stage``."""
    directory = client.start(LaunchRequest(name=name, memory_gib=0.5, disk_gib=0.5, budget=budget, save=False))
    state = client.wait_for(directory, lambda state: state.stage is stage, 60 * slower())
    assert state is not None, explain(directory)
    return state


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds * slower()
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def program_on_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program, on the PATH: the machine's own, else one that npm installs once and for all."""
    try:
        found = anvil_program.find_anvil()
    except LocalNetError:
        cache = getattr(request.config, "cache", None)
        with at_home(cache.mkdir("anvil") if cache else tmp_path_factory.mktemp("anvil")):
            try:
                found = anvil_program.install(seconds=90)
            except LocalNetError as error:
                pytest.skip(f"no anvil: {error}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(found.parent), os.environ["PATH"]]))
        yield found


@pytest.fixture(scope="module")
def on_chain(program_on_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.LocalNetwork]:
    """A network on a chain; the wallet begins empty. The tests of this module use it one after the other."""
    home = tmp_path_factory.mktemp("on-chain")
    with network_of(home, NETWORK) as up, at_home(home):
        assert program_on_path.exists()
        yield up
        for directory in session_directories():
            client.stop(directory.name, force=True)


@pytest.fixture
def chain(on_chain: network.LocalNetwork) -> Chain:
    known = on_chain.chain
    assert known is not None
    return known


@pytest.fixture(scope="module")
def settled(on_chain: network.LocalNetwork) -> dict[str, Any]:
    """A session from the empty wallet to the payment on the chain; what was said on the way."""
    said: dict[str, Any] = {}
    said["doctor"] = command("doctor", "--json")
    said["poor"] = begun("poor", Stage.FAILED)
    said["fund"] = command("fund", "--network", "local", "--json")[1]
    said["funded"] = command("wallet", "--json")[1]
    said["dear"] = begun("dear", Stage.FAILED, budget=500)
    begun("settles", Stage.READY)
    said["stopped"] = client.stop("settles")
    end = time.monotonic() + SETTLED_SECONDS * slower()
    while True:
        said["bill"] = bill_of(session_directory("settles"), on_chain.node)
        if said["bill"].state == "paid" and said["bill"].agreements[0].transactions:
            return said
        assert time.monotonic() < end, (said["bill"], explain(session_directory("settles")))
        time.sleep(0.2)


@pytest.mark.slow
def test_too_little_for_fees_is_said_by_doctor_and_at_the_start(settled: dict[str, Any]) -> None:
    code, found, error = settled["doctor"]
    assert code == 1
    (check,) = [one for one in found["checks"] if one["name"] == "local network"]
    assert check["verdict"] == "fail"
    assert "golem-launcher fund --network local" in error
    assert "has 0 tETH for fees" in settled["poor"].reason
    assert "golem-launcher fund --network local" in settled["poor"].reason
    assert "has 100 tGLM to set aside, and this takes 500 tGLM" in settled["dear"].reason


@pytest.mark.slow
def test_test_tokens_are_made_and_seen(settled: dict[str, Any], chain: Chain) -> None:
    assert "100 test tokens are made" in settled["fund"]["said"]
    found = settled["funded"]
    assert (Decimal(found["amount"]), Decimal(found["gas"]), found["gas_coin"]) == (100, 1, "tETH")
    _, listed, _ = command("networks", "--json")
    assert "test tokens on a chain on this machine" in listed["networks"][0]["sentence"]
    _, text, _ = command("localnet", "status")
    assert f"token {chain.token}" in text


@pytest.mark.slow
def test_an_invoice_is_settled_on_the_chain(
    settled: dict[str, Any], on_chain: network.LocalNetwork, chain: Chain
) -> None:
    assert settled["stopped"].stage is Stage.ENDED
    (agreement,) = settled["bill"].agreements
    (transaction,) = agreement.transactions
    assert agreement.invoice_state == "SETTLED"
    assert rpc.call(chain.url, "eth_getTransactionReceipt", transaction)["status"] == "0x1"
    assert token.balances(chain, agreement.provider_id)[0] == agreement.invoiced == settled["bill"].cost
    _, text, _ = command("bill", "settles")
    assert f"paid by:     {transaction}" in text
    _, ledger, _ = command("ledger", "--json")
    assert {one["session"]: one["state"] for one in ledger}["settles"] == "paid"
    found = wallet.look(on_chain.node, LOCAL)
    assert found.amount == 100 - agreement.invoiced
    assert found.gas is not None
    assert 0 < found.gas < 1
    (payment,) = found.payments
    assert (payment.transaction, payment.amount, payment.url) == (transaction, agreement.invoiced, "")
    assert found.reserved == found.owed == 0
    until(lambda: _provider_invoices(on_chain, agreement.agreement_id) == ["SETTLED"])  # its node looks a moment later


@pytest.mark.slow
def test_who_pays_a_debit_note_in_time_keeps_the_agreement_and_who_does_not_loses_it(
    settled: dict[str, Any], on_chain: network.LocalNetwork
) -> None:
    assert settled  # the wallet is filled

    async def scene(someone: Requestor) -> None:
        asked = {NOTE_INTERVAL: 1, PAYMENT_TIMEOUT: PAYMENT_SECONDS}
        agreement = await someone.agree(name="paid on the way", properties=asked)
        await someone.activity(agreement)
        begin = time.monotonic()
        while not any(note["status"] == "SETTLED" for note in await someone.bills("debitNotes", agreement, 1)):
            assert time.monotonic() < begin + 2 * PAYMENT_SECONDS
            assert not await ended(someone, agreement)
        assert not await ended(someone, agreement)  # and nothing is accepted any more
        await eventually(lambda: ended(someone, agreement), patience=3 * PAYMENT_SECONDS)
        assert (await reason(someone, agreement))["golem.provider.code"] == "DebitNoteNotPaid"

    play(on_chain, scene)


@pytest.mark.slow
def test_the_page_shows_the_wallet_and_its_payment(settled: dict[str, Any]) -> None:
    told: list[dict[str, Any]] = []
    panel = WalletPanel(told.append)
    try:
        asyncio.run(panel.look())
        view = told[-1]
        assert view["words"].endswith("tETH for fees")
        assert not view["bad"]
        assert view["settles"]
        assert view["fund"]
        (of_session,) = settled["bill"].agreements[0].transactions
        assert of_session in [payment["transaction"] for payment in view["payments"]]  # other requestors paid, too
    finally:
        panel.close()
    assert "paid in test tokens" in network_view()["detail"]
    (tile,) = [tile for tile in _options("network") if tile["value"] == LOCAL.name]
    assert "test tokens on a chain on this machine" in tile["sentence"]


def _provider_invoices(up: network.LocalNetwork, agreement_id: str) -> list[str]:
    """How the provider sees its invoices of an agreement, once it has looked at the chain itself.

    There are others: what `doctor` rents for a moment is billed, and not paid.
    """

    async def keys() -> list[str]:
        async with await GsbClient.connect(up.state["daemons"]["provider"]["gsb_url"]) as bus:
            return [account.app_key for account in (await ensure_accounts(bus, 1))[0]]

    (key,) = asyncio.run(keys())
    node = Node(up.state["daemons"]["provider"]["api_url"], key, "")
    invoices = BlockingRest(node).get("/payment-api/v1/invoices")
    return [one["status"] for one in invoices if one["agreementId"] == agreement_id]


@pytest.mark.slow
@pytest.mark.usefixtures("settled")
def test_a_notebook_fills_the_wallet(
    on_chain: network.LocalNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    kernelspec.install()
    before = wallet.look(on_chain.node, LOCAL).amount
    notebook = Notebook(*start_new_kernel(kernel_name="golem", cwd=str(tmp_path)), tmp_path)
    try:
        done = notebook.run("%fund local")
        assert "100 test tokens are made" in done.text
        assert done.updates >= 1  # one display, of which the progress was a part
        assert "tGLM" in notebook.run("%status").text
    finally:
        notebook.close()
    after = wallet.look(on_chain.node, LOCAL).amount
    assert before is not None
    assert after == before + 100


@pytest.mark.slow
@pytest.mark.usefixtures("settled")
def test_the_chain_outlives_its_node_and_the_network(on_chain: network.LocalNetwork) -> None:
    before, known = wallet.look(on_chain.node, LOCAL), on_chain.chain
    assert known is not None

    def answers() -> bool:
        with contextlib.suppress(LocalNetError):
            return rpc.number(known.url, "eth_chainId") == token.CHAIN_ID
        return False

    record = on_chain.directory / "chain" / "process.json"
    node = ProcessRecord.from_json(json.loads(record.read_text()))
    assert node is not None
    node.signal(signal.SIGTERM)
    until(lambda: not node.alive() and record.exists() and json.loads(record.read_text()) != node.to_json())
    until(answers)
    assert token.balances(known, before.identity)[0] == before.amount
    server = ProcessRecord.from_json(on_chain.state["server"])
    assert server is not None
    server.signal(signal.SIGKILL)
    until(lambda: not server.alive())
    again = network.up()  # it was not taken down, so its description is the one that it had
    assert again.chain is not None
    assert again.chain.key == known.key
    after = wallet.look(again.node, LOCAL)
    assert (after.identity, after.amount, after.gas) == (before.identity, before.amount, before.gas)


@pytest.mark.slow
def test_a_chain_that_is_lost_begins_anew(program_on_path: Path, tmp_path: Path) -> None:
    assert program_on_path.exists()
    chain_node = RunningChain(tmp_path, "anvil", gift=Decimal(7))
    try:
        first = chain_node.start()
        chain_node.welcome(first, first.bank)  # it has coins, so it has been here before
        assert token.balances(first, first.bank)[0] == 0
        stranger = "0x" + "ab" * 20
        chain_node.welcome(first, stranger)
        assert token.balances(first, stranger) == (7, 1)
        # Somebody else's token on the same chain, as at a node that is not ours.
        other = RunningChain(tmp_path / "other", first.url, gift=Decimal(0)).start()
        assert other.token != first.token
        chain_node.stop()
        (tmp_path / "chain" / "chain.json").write_text("{torn")
        second = chain_node.start()
        assert second.key != first.key
        assert second.token == first.token  # made in the same way: an address alone would not tell
        assert token.balances(second, stranger) == (0, 0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(token, "CHAIN_ID", 1)
            with pytest.raises(LocalNetError, match="anvil --chain-id 1"):
                token.open_chain(second.url, tmp_path)
        with pytest.raises(LocalNetError, match="refused no_such_method"):
            rpc.call(second.url, "no_such_method")
    finally:
        chain_node.stop()
    assert not processes_below(tmp_path)


@pytest.mark.slow
def test_a_chain_that_does_not_answer(home: Path) -> None:
    with pytest.raises(LocalNetError, match=r"http://127\.0\.0\.1:9 does not answer"):
        network.up(chain="http://127.0.0.1:9")
    assert network.status()["stage"] == "failed"  # and is tried again by the next `up`, until `down`
    assert not processes_below(home)


@pytest.mark.parametrize("chain", ["yes", "ftp://127.0.0.1", "http://me:secret@127.0.0.1"])
def test_what_is_no_chain(home: Path, chain: str) -> None:
    with pytest.raises(LocalNetError, match=r"anvil|password"):
        network.up(chain=chain)
    described = home / "network.toml"
    described.write_text(f'chain = "{chain}"\n[[provider]]\nname = "one"\n')
    with pytest.raises(LocalNetError, match=r"chain: .*(anvil|password)"):
        load_spec(described)


def test_without_the_program_it_is_said_how_to_get_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = home / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(LocalNetError, match="golem-launcher localnet install-chain"):
        anvil_program.find_anvil()
    with pytest.raises(LocalNetError, match=r"Install Node\.js with npm"):
        anvil_program.install()
    npm = tools / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network is down' >&2\nexit 1\n")
    npm.chmod(0o755)
    code, _, error = command("localnet", "install-chain")
    assert code == 1
    assert "network is down" in error


def test_a_program_that_ends_at_once(home: Path) -> None:
    bad = home / "anvil"
    bad.write_text("#!/bin/sh\nexit 3\n")
    bad.chmod(0o755)
    with pytest.raises(LocalNetError, match="did not start"):
        anvil.start(home / "chain", bad)


def test_the_driver_is_told_of_this_chain_alone(tmp_path: Path) -> None:
    driver.write_config(tmp_path, Chain("http://127.0.0.1:1", 560048, "0x" + "1" * 40, "k", "0x" + "2" * 40))
    text = (tmp_path / "config-payments.toml").read_text()
    assert text.count("\n[chain.") == 1
    assert "golem.network" not in text
    assert driver.NETWORK == LOCAL.payment_network == HOODI.payment_network


def test_without_a_chain_nothing_is_settled(in_troupe: network.LocalNetwork) -> None:
    assert in_troupe.chain is None
    assert "nothing is settled" in command("localnet", "status")[1]
    assert "Nothing is settled." in command("networks", "--json")[1]["networks"][0]["sentence"]
    code, _, error = command("fund", "--network", "local")
    assert code == 1
    assert "golem-launcher localnet up --chain anvil" in error
