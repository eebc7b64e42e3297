"""What is taken for granted of yapapi's inside, each by its name. Fails where another yapapi has it otherwise."""

import ast
import asyncio
import dis
import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest

from golem_launcher import rental
from golem_launcher.session.supervision import preload

preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
from ya_market import RequestorApi  # noqa: E402
from ya_market.models import ProposalEvent, ProposalRejectedEvent  # noqa: E402
from yapapi.agreements_pool import AgreementsPool, BufferedAgreement, _BufferedProposal  # noqa: E402
from yapapi.config import ApiConfig  # noqa: E402
from yapapi.ctx import WorkContext  # noqa: E402
from yapapi.engine import Job, _Engine  # noqa: E402
from yapapi.network import Network  # noqa: E402
from yapapi.rest import Activity, Market, Net, Payment  # noqa: E402
from yapapi.rest.activity import Activity as OneActivity  # noqa: E402
from yapapi.rest.activity import Batch  # noqa: E402
from yapapi.rest.configuration import Configuration  # noqa: E402
from yapapi.rest.market import Agreement, OfferProposal  # noqa: E402
from yapapi.storage.gftp import GftpProvider  # noqa: E402

from golem_launcher.node.node import Node  # noqa: E402
from golem_launcher.rental import yapapi_engine  # noqa: E402
from golem_launcher.rental.yapapi_engine import YapapiEngine, YapapiJob, _HearingMarket, clients  # noqa: E402

SET = {
    "_api_config": _Engine.__init__,
    "_budget_allocations": _Engine.__init__,
    "_services": _Engine.__init__,
    "_process_invoices_job": _Engine.__init__,
    "_activity_created_at": _Engine.__init__,
    "_market_api": _Engine.start,
    "_activity_api": _Engine.start,
    "_payment_api": _Engine.start,
    "_net_api": _Engine.start,
    "_storage_manager": _Engine.start,
    "payment_decorator": _Engine.start,
    "_offer_buffer": AgreementsPool.__init__,
    "_agreements": AgreementsPool.__init__,
    "_lock": AgreementsPool.__init__,
    "_agreement": WorkContext.__init__,
    "_activity": WorkContext.__init__,
    "_process": GftpProvider.__init__,
}
"""Attributes, and who gives them to their objects."""

REST = [Activity, Agreement, Market, Net, OneActivity, Payment]
"""Whose ``_api`` is yagna's client."""

TAKES = {
    _Engine._process_invoices: "(self)",
    _Engine._process_debit_notes: "(self)",
    _Engine.start: "(self)",
    _Engine.stop: "(self, *exc_info, wait_for_payments=True)",
    _Engine.add_job: "(self, job)",
    _Engine.finalize_job: "(self, job)",
    _Engine.start_worker: (
        "(self, job, run_worker, on_agreement_ready=None, existing_agreement_id=None, existing_activity_id=None)"
    ),
    _Engine.process_batches: "(self, job_id, agreement_id, activity, batch_generator)",
    _Engine.accept_payments_for_agreement: "(self, job_id, agreement_id)",
    Job.__init__: "(self, engine, expiration_time, payload, id=None)",
    Job.find_offers: "(self)",
    AgreementsPool.__init__: "(self, emitter, offer_recycler, market_api)",
    AgreementsPool._prepare_agreement: "(self, agreement, proposal=None, requires_confirmation=True)",
    AgreementsPool._terminate_agreement: "(self, agreement_id, reason)",
    AgreementsPool.use_agreement: "(self, cbk, agreement_id=None)",
    Agreement.confirm: "(self)",
    Agreement.get_details: "(self)",
    Agreement.terminate: "(self, reason)",
    Market.__init__: "(self, api_client)",
    Network.add_node: "(self, node_id, ip=None)",
    Net.add_node: "(self, network_id, node_id, ip)",
    Network.create: "(net_api, ip, owner_id, owner_ip=None, mask=None, gateway=None)",
    OneActivity.send: "(self, script, deadline=None)",
    OneActivity.state: "(self)",
    Configuration.market: "(self)",
    Configuration.payment: "(self)",
    Configuration.activity: "(self)",
    Configuration.net: "(self)",
    RequestorApi.cancel_agreement: "(self, agreement_id, **kwargs)",
    RequestorApi.collect_offers: "(self, subscription_id, **kwargs)",
    RequestorApi.counter_proposal_demand: "(self, subscription_id, proposal_id, demand_offer_base, **kwargs)",
    RequestorApi.unsubscribe_demand: "(self, subscription_id, **kwargs)",
}


def stores(function):
    return {each.argval for each in dis.get_instructions(function) if each.opname == "STORE_ATTR"}


@pytest.mark.parametrize("name", SET)
def test_attribute(name):
    assert name in stores(SET[name])


@pytest.mark.parametrize("kind", REST)
def test_rest_client(kind):
    assert "_api" in stores(kind.__init__)


@pytest.mark.parametrize("function", TAKES, ids=lambda function: function.__qualname__)
def test_signature(function):
    found = inspect.signature(function)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()]
    assert str(inspect.Signature(bare)) == TAKES[function]


def test_fields():
    assert {"score", "proposal"} <= set(_BufferedProposal._fields)
    assert "worker_task" in BufferedAgreement.__dataclass_fields__
    assert isinstance(Batch.id, property)
    assert isinstance(OfferProposal.issuer, property)
    assert isinstance(ProposalRejectedEvent.reason, property)


def test_no_other_private_name_is_used():
    """What is added to the adapter has to be added here; ruff sees to it that nobody else uses any."""
    tree = ast.parse(Path(yapapi_engine.__file__).read_text())
    ours = {"_said_no", "_refused", "_issuers", "_remember", "_client"}
    private = {
        each.attr for each in ast.walk(tree)
        if isinstance(each, ast.Attribute) and each.attr.startswith("_") and not each.attr.endswith("__")
    }  # fmt: skip
    tested = {*SET, "_api", *(function.__name__ for function in TAKES)}
    assert private - ours == {name for name in tested if name.startswith("_") and not name.endswith("__")}


def test_no_method_of_yapapis_is_replaced():
    """Its objects may be told other facts, not other behaviour: assignments go to what it has as data."""
    for path in Path(rental.__file__).parent.rglob("*.py"):
        for each in ast.walk(ast.parse(path.read_text())):
            if isinstance(each, ast.Assign):
                names = {target.attr for target in each.targets if isinstance(target, ast.Attribute)}
                assert not names & {function.__name__ for function in TAKES}, path.name


def test_what_is_ours_hides_nothing_of_yapapis():
    for ours, theirs in ((YapapiEngine, _Engine), (YapapiJob, Job)):
        added = {name for name in vars(ours) if not name.startswith("__")} - {"_market_api"}
        assert not added & (set(dir(theirs)) | stores(theirs.__init__)), ours.__name__
    assert "_said_no" not in stores(_Engine.__init__) | stores(_Engine.start)


@pytest.mark.filterwarnings("ignore:path is deprecated:DeprecationWarning")  # certifi's
@pytest.mark.parametrize("kind", ["market", "payment", "activity", "net"])
def test_a_client_of_a_node_without_tls_is_yapapis_but_for_the_authorities(kind):
    """Which take 0.8 MB of each session, and 30 ms, for each of its clients."""
    node = Node(app_key="key", api_url="http://127.0.0.1:7465")

    async def made(configuration):
        async with getattr(configuration, kind)() as client:
            known = client.rest_client.pool_manager.connector._ssl.cert_store_stats()["x509"]
            return type(client), client.configuration.host, dict(client.default_headers), known

    *ours, few = asyncio.run(made(clients(node)))
    *theirs, many = asyncio.run(made(Configuration(ApiConfig(app_key=node.app_key, api_url=node.api_url))))
    assert ours == theirs
    assert (few, many > 50) == (1, True)


def test_the_clients_of_a_node_with_tls_are_yapapis_own():
    assert type(clients(Node(app_key="key", api_url="https://node.example"))) is Configuration
    assert type(clients(Node(app_key="key", api_url="http://127.0.0.1:7465"))) is not Configuration


def test_who_refuses_and_why_is_heard_and_passed_on(monkeypatch):
    offer = ProposalEvent(proposal=SimpleNamespace(proposal_id="theirs", issuer_id="0xab"))
    refusal = ProposalRejectedEvent(proposal_id="ours", reason=SimpleNamespace(message="too cheap"))
    stranger = ProposalRejectedEvent(proposal_id="another", reason=None)
    events = iter([[offer, SimpleNamespace()], [refusal, stranger]])

    async def collect(_self, subscription_id, **options):
        assert (subscription_id, options) == ("demand", {"timeout": 5, "max_events": 10})
        return next(events)

    async def counter(_self, *arguments):
        assert arguments == ("demand", "theirs", "terms")
        return "ours"

    monkeypatch.setattr(RequestorApi, "collect_offers", collect)
    monkeypatch.setattr(RequestorApi, "counter_proposal_demand", counter)
    heard = []
    api = _HearingMarket(SimpleNamespace(), lambda *said: heard.append(said))._api

    async def negotiate():
        offers = await api.collect_offers("demand", timeout=5, max_events=10)
        assert offers[0] is offer
        assert await api.counter_proposal_demand("demand", "theirs", "terms") == "ours"
        assert await api.collect_offers("demand", timeout=5, max_events=10) == [refusal, stranger]

    asyncio.run(negotiate())
    assert heard == [("demand", "0xab", "too cheap"), ("demand", "", "")]
