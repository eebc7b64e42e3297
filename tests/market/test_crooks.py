"""Providers that misbehave with money: never more than the cap is paid, and the user is told why. On real daemons."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_network

import pytest
from pydantic import TypeAdapter

from golem_launcher import outbound, paths
from golem_launcher.events import Stage
from golem_launcher.market import history, scan, wallet
from golem_launcher.market import identity_backup as identities
from golem_launcher.market.golem_web_services import REGISTRY
from golem_launcher.networks import LOCAL
from golem_launcher.node import probe
from golem_launcher.node.rest_client import NodeRest
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.rental.payment_terms import ACCEPT_TIMEOUT, NOTE_INTERVAL
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.on_disk.bill import bill_of
from tests.market.conftest import PARTNER, PROVIDERS
from tests.patience import slower
from tests.session.conftest import command, explain
from tests.session.rest import Node
from tests.test_permits import descriptor

BUDGET = Decimal("0.5")
CROOKS = (
    "overbills",
    "floods",
    "overbills-and-floods",
    "inflates-invoice",
    "raises",
    "raises-start",
    "instant-end",
    "no-terms",
)
UNTIMELY = ("signs-late", "late-invoice", "early-invoice")
DATA = "https://data.example.org"


_TIME = TypeAdapter(datetime)
PATIENCE = 150
"""Seconds for what takes a few: a dozen sessions begin at once, on a machine that may be busy otherwise."""

DESCRIBED = {
    "described": ("bills-again", None, PARTNER),
    "unknown-root": ("never-signs", None, None),
    "other-node": ("never-signs", "0x" + "ab" * 20, PARTNER),
}
"""Sessions with a node descriptor: the provider, the node it is for (``None``: ours), its root (``None``: nobody's)."""
FIELDS = {"budget": BUDGET, "memory_gib": 0.5, "disk_gib": 0.5, "outbound": "off", "save": False}
BEYOND = {**FIELDS, "outbound": "listed", "outbound_urls": [DATA]}


@pytest.fixture(scope="module")
def sessions(crooks):
    """One session at each crook, and one by the way of the real networks, all at once."""
    found = {name: client.start(LaunchRequest(name=name, allow=[name], **FIELDS)) for name in CROOKS}
    found["unsigned"] = client.start(LaunchRequest(name="unsigned", allow=["signs"], **BEYOND))
    permit = [str(paths.home() / name) for name in ("trusted.pem", "key.pem")]
    allow = ["never-signs", "signs"]
    found["permitted"] = client.start(LaunchRequest(name="permitted", allow=allow, outbound_permit=permit, **BEYOND))
    with pytest.MonkeyPatch.context() as patch:  # to the launcher, these providers are the test network of a named node
        patch.setenv("YAGNA_API_URL", crooks.node.api_url)
        patch.setenv("YAGNA_APPKEY", crooks.node.app_key)
        patch.setenv(REGISTRY.variable, crooks.registry_url)
        image = "golem/jupyterlab:local"
        found["real"] = client.start(LaunchRequest(name="real", network="hoodi", allow=["gpu"], image=image, **FIELDS))
    yield found
    for name in found:
        client.stop(name, force=True)


@pytest.fixture(scope="module")
def described(sessions, crooks):
    """Those with a node descriptor, when the first of the others have ended."""
    me = probe.identity(crooks.node)
    found = {}
    for name, (provider, node_id, root) in DESCRIBED.items():
        permit = paths.home() / f"{name}.json"
        permit.write_text(json.dumps(descriptor({"urls": [DATA]}, node_id or me, root=root)[0]))
        asked = {**BEYOND, "outbound_permit": [str(permit)], "recover": False}
        found[name] = client.start(LaunchRequest(name=name, allow=[provider], **asked))
    sessions.update(found)
    yield found
    for name in found:
        client.stop(name, force=True)


@pytest.fixture(scope="module")
def untimely(sessions):
    """Those at providers that do things too early or too late, when most of the others have ended."""
    found = {name: client.start(LaunchRequest(name=name, allow=[name], **FIELDS)) for name in UNTIMELY}
    sessions.update(found)
    yield found
    for name in found:
        client.stop(name, force=True)


@pytest.fixture(scope="module")
def late(untimely):
    """The session whose provider's invoice is late, as it was when it had ended."""
    reached(untimely["late-invoice"], Stage.READY)
    return client.stop("late-invoice")


def ended(directory):
    return reached(directory, Stage.ENDED, Stage.FAILED)


def reached(directory, *stages):
    """The state of a session that has entered one of these stages, whatever it went on to since."""
    state = client.wait_for(
        directory, lambda state: any(stage in stages for stage, _ in state.stages), PATIENCE * slower()
    )
    assert state is not None, explain(directory)
    return state


async def _agreement_events(node, since):
    """What happened to each agreement since, by its id: the kind of event and the time by the node's clock."""
    async with NodeRest.open(node) as rest:
        query = {"afterTimestamp": since.isoformat(), "maxEvents": "100", "timeout": "0"}
        found = await rest.get("/market-api/v1/agreementEvents", **query)
        return {(one["agreementId"], one["eventType"]): _TIME.validate_python(one["eventDate"]) for one in found}


def paid(directory, node):
    """What was accepted of everything that was billed."""
    bill = bill_of(directory, node)
    accepted = {"ACCEPTED", "SETTLED"}
    return sum(
        one.invoiced if one.invoice_state in accepted else one.debited if one.debit_state in accepted else Decimal(0)
        for one in bill.agreements
    )


async def _allocate(node, body):
    async with NodeRest.open(node) as rest:
        made = await rest.post("/payment-api/v1/allocations", body)
        return made["allocationId"]


def said(directory):
    state = directory.state()
    return " ".join((state.reason, *state.notices))


@pytest.mark.slow
def test_offers_live_on_the_network(crooks):
    request = LaunchRequest(memory_gib=0.5, disk_gib=0.5, gpus=1, gpu_model="rtx", hours=2, budget=100)
    found = asyncio.run(scan.offers_for(request, crooks.node, subnet="public", held={}))
    (gpu,) = found.fitting
    assert (gpu.machine.name, gpu.machine.gpus, gpu.machine.gpu_memory_gib) == ("gpu", 1, 24)
    assert gpu.start == Decimal("0.001")
    assert gpu.whole == pytest.approx(Decimal("0.001") + 2 * gpu.per_hour, rel=Decimal("1e-6"))
    assert all("no GPUs, 1 asked for" in offer.why for offer in found.others)
    assert len(found.others) == PROVIDERS - 1
    code, shown, _ = command("offers", "gpus>=2", "--json", check=False)
    assert code == 1
    assert shown["advice"][0]["values"]["gpus"] == "1"


@pytest.mark.slow
def test_the_wallet_of_a_network_without_money(crooks):
    found = wallet.look(crooks.node, LOCAL)
    assert found.amount is None
    assert "nothing is settled" in found.problem
    end = datetime.now(UTC) + timedelta(days=1)
    body = {"totalAmount": "3", "paymentPlatform": LOCAL.platform, "timeout": end.isoformat(), "makeDeposit": False}
    allocation = asyncio.run(_allocate(crooks.node, {**body, "address": found.identity}))
    assert wallet.look(crooks.node, LOCAL).reserved == 3
    assert wallet.release(crooks.node, LOCAL, keep={allocation}) == 0
    code, shown, _ = command("wallet", "--release", "--json")
    assert (code, shown["reserved"]) == (0, "0")
    keystore = identities.key_file(crooks.node)
    assert '"crypto"' in keystore


@pytest.mark.slow
def test_a_provider_that_never_signs_delays_nobody(sessions, crooks):
    """The next best is asked beside it, and it is left with nothing to sign. Both let nobody out without a permit."""
    directory = sessions["permitted"]
    state = reached(directory, Stage.DEPLOYING)
    assert state.head.provider_name == "signs"
    silent, signed = Journal.read(directory.path).entries.agreements
    assert (silent.provider_name, signed.provider_name) == ("never-signs", "signs")
    assert silent.activity_id is None
    node = Node(crooks.node)
    end = time.monotonic() + PATIENCE * slower()
    while node.ask("agreement", silent.agreement_id)["state"] != "Cancelled":  # while the session goes on
        assert time.monotonic() < end, explain(directory)
    happened = asyncio.run(_agreement_events(crooks.node, state.created_at))
    signs, let_go = (signed.agreement_id, "AgreementApprovedEvent"), (silent.agreement_id, "AgreementCancelledEvent")
    assert happened[signs] < happened[let_go], explain(directory)  # its 15 s were not waited for
    assert client.stop(directory.name).stage is Stage.ENDED
    node.holds_nothing_of(Journal.read(directory.path).entries)


@pytest.mark.slow
def test_an_invoice_above_its_debit_notes(sessions, crooks):
    directory = sessions["inflates-invoice"]
    reached(directory, Stage.STARTING)
    state = client.stop("inflates-invoice")
    assert state.stage is Stage.ENDED
    assert "The provider sent an invoice of" in state.reason, explain(directory)
    _, shown, _ = command("bill", "inflates-invoice")
    assert "not paid:    The provider sent an invoice of" in shown
    assert paid(directory, crooks.node) <= state.cost < Decimal("0.05")
    bill = bill_of(directory, crooks.node)
    assert bill.agreements[0].invoice_state == "RECEIVED"
    record = next(one for one in history.read().values() if one.name == "inflates-invoice")
    assert record.overbilled == 1
    assert history.forget("inflates-invoice") == 1


@pytest.mark.slow
def test_a_session_by_the_way_of_the_real_networks(sessions, crooks):
    """A node that the user names, an image, a payment account of the network: all but the chain itself."""
    directory = sessions["real"]
    state = reached(directory, Stage.READY)
    assert (state.network, state.head.provider_name) == ("hoodi", "gpu")
    node, entries = Node(crooks.node), Journal.read(directory.path).entries
    demand = node.ask("agreement", state.head.agreement_id)["demand"]["properties"]
    assert outbound.PROPERTY not in demand  # nothing outside is asked for
    assert {name: demand[name] for name in (NOTE_INTERVAL, ACCEPT_TIMEOUT)} == {NOTE_INTERVAL: 2, ACCEPT_TIMEOUT: 240}
    (network,) = [one for one in node.ask("networks") if one["id"] == entries.network_id]
    assert network["gateway"] == str(ip_network(entries.network_address)[1])
    keystore = paths.home() / "identity.json"
    keystore.write_text(json.dumps({"address": "12" * 20, "crypto": {}}))
    code, _, refused = command("identity", "restore", str(keystore), check=False)  # its node would be started anew
    assert (code, "Sessions run on the node: real." in refused) == (1, True)
    assert client.stop("real").stage is Stage.ENDED
    bill = bill_of(directory)
    assert (bill.state, bill.token) == ("accepted", "tGLM")
    (agreement,) = bill.agreements
    assert agreement.start_fee == Decimal("0.001")
    assert agreement.invoiced == paid(directory, crooks.node) == pytest.approx(bill.cost)


@pytest.mark.slow
def test_a_machine_that_is_never_ready_is_stopped_without_a_bill_of_note(sessions, crooks):
    """Begun here: a deploy that stands still is given up after a while, whether somebody looks or not."""
    directory = sessions["never-ready"] = client.start(
        LaunchRequest(name="never-ready", allow=["never-ready"], **FIELDS)
    )
    reached(directory, Stage.DEPLOYING)
    assert client.stop("never-ready").stage is Stage.ENDED
    assert paid(directory, crooks.node) <= BUDGET
    assert wallet.leftovers(crooks.node, LOCAL) == [] or Journal.read(directory.path).entries.closed


@pytest.mark.slow
def test_ten_times_too_much(sessions, crooks):
    directory = sessions["overbills"]
    state = ended(directory)
    assert state.stage is Stage.FAILED
    assert "more than the" in said(directory)
    assert paid(directory, crooks.node) <= state.cost <= BUDGET
    record = next(one for one in history.read().values() if one.name == "overbills")
    assert record.overbilled == 1
    _, shown, _ = command("providers")
    assert "avoided: The provider sent a debit note" in shown
    assert history.forget("overbills") == 1


@pytest.mark.slow
def test_a_flood_of_debit_notes(sessions, crooks):
    directory = sessions["floods"]
    state = ended(directory)
    assert "debit notes within" in said(directory), explain(directory)
    assert paid(directory, crooks.node) <= BUDGET
    assert state.cost <= BUDGET


@pytest.mark.slow
def test_ten_times_too_much_in_a_flood(sessions, crooks):
    directory = sessions["overbills-and-floods"]
    state = ended(directory)
    assert state.stage is Stage.FAILED
    assert "overbills-and-floods" in said(directory), explain(directory)
    assert paid(directory, crooks.node) <= state.cost < Decimal("0.05")
    assert history.forget("overbills-and-floods") == 1


@pytest.mark.slow
def test_a_price_that_rises_after_the_offer(sessions, crooks):
    directory = sessions["raises"]
    state = ended(directory)
    assert state.stage is Stage.FAILED
    assert "when it came to an agreement" in state.reason
    assert state.cost == paid(directory, crooks.node) == 0


@pytest.mark.slow
def test_a_start_fee_that_rises_after_the_offer_is_not_signed_though_the_hour_costs_less(sessions, crooks):
    directory = sessions["raises-start"]
    state = ended(directory)
    assert state.stage is Stage.FAILED
    assert "it offered itself for 0 tGLM at the start, 0.4 tGLM an hour" in state.reason, explain(directory)
    assert "and asked 0.05 tGLM at the start, 0.2 tGLM an hour" in state.reason
    assert Journal.read(directory.path).entries.agreements == ()
    assert state.cost == paid(directory, crooks.node) == 0


@pytest.mark.slow
def test_an_agreement_that_ends_at_once(sessions, crooks):
    directory = sessions["instant-end"]
    state = ended(directory)
    assert state.stage is Stage.FAILED
    assert "instant-end" in said(directory)
    assert paid(directory, crooks.node) <= BUDGET


@pytest.mark.slow
def test_what_is_beyond_the_whitelist_needs_a_signature(sessions):
    state = ended(sessions["unsigned"])
    assert state.stage is Stage.FAILED
    assert "--outbound-permit" in state.reason
    assert Journal.read(sessions["unsigned"].path).entries.agreements == ()


@pytest.mark.slow
def test_nobody_accepts_the_terms(sessions, crooks):
    directory = sessions["no-terms"]
    state = ended(directory)
    assert state.stage is Stage.FAILED
    assert "none came to terms" in state.reason
    assert "Providers said: 'This provider refuses all terms'." in state.reason
    assert state.cost == paid(directory, crooks.node) == 0


@pytest.mark.slow
def test_a_session_is_over_before_a_late_invoice_comes(untimely, late, crooks):
    """Until then the cost is the most that it may be; the session is over, and nobody need wait for it."""
    directory = untimely["late-invoice"]
    assert (late.stage, late.owed_at_most) == (Stage.ENDED, True), explain(directory)
    _, shown, _ = command("bill", "late-invoice")
    assert "cost:      at most" in shown
    assert "it is late and waited for" in shown
    entries = Journal.read(directory.path).entries
    assert entries.awaits_until is not None
    kept = {one["allocationId"]: Decimal(one["totalAmount"]) for one in Node(crooks.node).ask("allocations")}
    assert kept[entries.allocation_id] == late.cost < BUDGET


@pytest.mark.slow
def test_a_provider_that_knows_a_node_descriptor_lets_out_and_bills_more_than_once_in_vain(described, crooks):
    """What is beyond the whitelist is granted by the descriptor. The second invoice and the late note are not paid."""
    directory = described["described"]
    state = reached(directory, Stage.READY)
    assert state.head.provider_name == "bills-again"
    assert client.stop(directory.name).stage is Stage.ENDED
    (entry,) = Journal.read(directory.path).entries.agreements
    node, after = Node(crooks.node), entry.started_at - timedelta(minutes=1)
    end = time.monotonic() + PATIENCE * slower()
    while True:
        invoices = [one for one in node.ask("invoices", after) if one["agreementId"] == entry.agreement_id]
        notes = [one for one in node.ask("debit_notes", after) if one["agreementId"] == entry.agreement_id]
        if len(invoices) > 1 and max(Decimal(one["totalAmountDue"]) for one in notes) > Decimal("0.3"):
            break
        assert time.monotonic() < end, (invoices, notes)
    assert sorted(one["status"] for one in invoices) == ["ACCEPTED", "RECEIVED"]
    assert all(one["status"] != "ACCEPTED" for one in notes if Decimal(one["totalAmountDue"]) > Decimal("0.3"))
    bill = bill_of(directory, crooks.node)
    assert (bill.state, bill.agreements[0].invoice_state) == ("nothing is settled", "ACCEPTED")
    assert bill.agreements[0].invoiced == pytest.approx(bill.cost)
    assert bill.cost < Decimal("0.05")


@pytest.mark.slow
def test_a_node_descriptor_of_nobody_that_is_known_lets_nobody_out(described):
    state = ended(described["unknown-root"])
    assert state.stage is Stage.FAILED
    assert "the node descriptor's root is no partner" in state.reason
    assert Journal.read(described["unknown-root"].path).entries.agreements == ()


@pytest.mark.slow
def test_a_node_descriptor_for_another_node_costs_nothing(described):
    state = ended(described["other-node"])
    assert state.stage is Stage.FAILED
    assert f"the node descriptor is for the node {'0x' + 'ab' * 20}" in state.reason
    assert not Journal.read(described["other-node"].path).entries.demanded


@pytest.mark.slow
def test_an_invoice_in_mid_session_is_said_and_the_provider_is_left(untimely, crooks):
    directory = untimely["early-invoice"]
    state = ended(directory)
    assert state.stage is Stage.FAILED
    assert "sent its invoice while the session ran" in said(directory), explain(directory)
    assert "There is no other provider that fits" in said(directory)
    assert paid(directory, crooks.node) <= state.cost <= BUDGET
    assert not any(one.overbilled for one in history.read().values() if one.name == "early-invoice")


@pytest.mark.slow
def test_an_approval_that_comes_too_late_binds_nobody(untimely, crooks):
    directory = untimely["signs-late"]
    node, end = Node(crooks.node), time.monotonic() + PATIENCE * slower()
    while not (agreements := Journal.read(directory.path).entries.agreements) or (
        node.ask("agreement", agreements[0].agreement_id)["state"] != "Cancelled"
    ):
        assert time.monotonic() < end, explain(directory)
        time.sleep(0.2)
    assert client.stop("signs-late", force=True).stage.final
    entries = Journal.read(directory.path).entries
    assert all(entry.activity_id is None for entry in entries.agreements)
    assert paid(directory, crooks.node) == 0
    states = {node.ask("agreement", entry.agreement_id)["state"] for entry in entries.agreements}
    assert states <= {"Cancelled", "Expired", "Rejected", "Terminated"}


@pytest.mark.slow
def test_a_late_invoice_is_accepted_after_the_session(untimely, late, crooks):
    """It came while the tests before this one ran, or comes now."""
    directory = untimely["late-invoice"]
    end = time.monotonic() + PATIENCE * slower()
    while directory.state().owed_at_most:  # nobody asks for it
        assert time.monotonic() < end, explain(directory)
        time.sleep(0.5)
    bill = bill_of(directory, crooks.node)
    assert bill.agreements[0].invoice_state == "ACCEPTED"
    assert bill.cost == bill.agreements[0].invoiced == paid(directory, crooks.node) < late.cost
    Node(crooks.node).holds_nothing_of(Journal.read(directory.path).entries)


@pytest.mark.slow
def test_all_of_it_is_in_the_ledger(sessions):
    assert all(client.stop(name, force=True).stage.final for name in sessions)
    code, ledger, _ = command("ledger", "--json")
    assert code == 0
    assert {one["session"] for one in ledger} == set(sessions)
    _, text, _ = command("bill", "overbills", "--csv")
    assert text.startswith("session,network,token")
