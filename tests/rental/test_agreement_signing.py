"""Who gets the agreement when several are asked side by side. yapapi's job and agreements stand in, without a node."""

import asyncio
import selectors
from types import SimpleNamespace

import pytest

from golem_launcher.session.supervision import preload
from golem_launcher.waiting import wait_for

preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
from ya_market import ApiException  # noqa: E402
from yapapi import events  # noqa: E402
from yapapi.rest.market import Agreement as NodesAgreement  # noqa: E402

from golem_launcher.rental.agreement_signing import Signing  # noqa: E402

NEVER, REFUSES = None, False
SOON = 0.02
"""Seconds of a head start, long enough for whoever signs at once."""


def free(_provider_id):
    return False


def as_judged(_provider_id, judged, agreed):
    """Refuses to sign what is not what was scored."""
    return judged != agreed


class Agreement:
    """Signed after ``signs`` turns of the loop, refused, or never decided on. It is its own REST client."""

    def __init__(self, name, signs, *, cancelled=True, price=1):
        self.id, self.signs, self.cancelled = name, signs, cancelled
        self.provider_view = SimpleNamespace(properties={"price": price})
        self.fate = []
        self.asked = asyncio.Event()
        self._api = self

    async def get_details(self):
        return self

    async def confirm(self):
        self.asked.set()
        if self.signs is NEVER:
            await asyncio.Event().wait()
        for _ in range(self.signs or 0):
            await asyncio.sleep(0)
        return self.signs is not REFUSES

    async def cancel_agreement(self, agreement_id, request_body):
        assert agreement_id == self.id
        assert request_body["golem.requestor.code"] == "Cancelled"
        self.fate.append("cancelled")
        if not self.cancelled:
            raise OSError("signed already")

    async def terminate(self, _reason):
        self.fate.append("terminated")


class Job:
    """Offers by name, the first one the best."""

    def __init__(self, *agreements, scores=(1.0, 0.99, 0.98)):
        self.scores = scores
        self.events, self.signed, self.recycled = [], [], []
        self.table = {}
        for place, agreement in enumerate(agreements):
            made = {"create_agreement": lambda a=agreement: asyncio.sleep(0, a), "props": {"price": 1}}
            proposal = SimpleNamespace(issuer=agreement.id, **made)
            self.table[agreement.id] = SimpleNamespace(score=self.scores[place], proposal=proposal)
        self.offer_again = self.recycled.append

    @property
    def offers(self):
        return list(self.table.values())

    def take(self, offer):
        del self.table[offer.proposal.issuer]

    async def keep(self, agreement):
        self.signed.append(agreement.id)

    def emit(self, event, *, agreement):
        self.events.append((event, agreement.id))


class Jumps(selectors.DefaultSelector):
    """Waits for no time to pass: it has passed at once."""

    now = 0.0

    def select(self, timeout=None):
        self.now += max(timeout or 0.0, 0.0)
        return super().select(None if timeout is None else 0)


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next moment at which there is something to do."""

    def __init__(self):
        self._jumps = Jumps()
        super().__init__(self._jumps)

    def time(self):
        return self._jumps.now


class NodesMarket:
    """A node's market at one agreement, as strict as it is there. The provider signs ``late`` seconds after us."""

    def __init__(self, late):
        self.state, self.late = "Proposal", late
        self.decided = asyncio.Event()
        self.approved = asyncio.Event()

    async def get_agreement(self, _agreement_id):
        return SimpleNamespace(offer=SimpleNamespace(properties={"price": 1}))

    async def confirm_agreement(self, _agreement_id):
        self._move({"Proposal"}, "Pending")
        self._provider = asyncio.create_task(self._approve())

    async def wait_for_approval(self, _agreement_id, *, timeout, _request_timeout):
        try:
            await wait_for(self.approved.wait(), timeout)
        except TimeoutError:
            raise ApiException(status=408) from None

    async def cancel_agreement(self, _agreement_id, request_body):  # noqa: ARG002 - by its name
        self._move({"Proposal", "Pending"}, "Cancelled")

    async def terminate_agreement(self, _agreement_id, request_body):  # noqa: ARG002 - by its name
        self._move({"Approved"}, "Terminated")

    async def _approve(self):
        await asyncio.sleep(self.late)
        try:
            self._move({"Pending"}, "Approved")
            self.approved.set()
        except ApiException:
            pass  # so the provider hears
        finally:
            self.decided.set()

    def _move(self, before, after):
        if self.state not in before:
            raise ApiException(status=410)
        self.state = after


async def _sign(job):
    signing = Signing(job, free, as_judged)
    signed = await signing.sign(SOON)
    while signing._terminations:
        await asyncio.wait(signing._terminations)
    await signing.aclose()
    return signed


def test_the_best_alone_is_asked_when_it_signs_at_once():
    best, next_best = Agreement("a", 2), Agreement("b", 0)
    job = Job(best, next_best)
    assert asyncio.run(_sign(job))
    assert job.signed == ["a"]
    assert job.events == [(events.AgreementCreated, "a")]
    assert best.fate == next_best.fate == []


def test_who_never_signs_costs_its_head_start_and_is_let_go():
    silent, other = Agreement("a", NEVER), Agreement("b", 1)
    job = Job(silent, other)
    assert asyncio.run(_sign(job))
    assert job.signed == ["b"]
    assert silent.fate == ["cancelled"]
    assert other.fate == []


def test_the_head_start_is_longer_before_one_that_is_much_worse():
    job = Job(Agreement("a", NEVER), scores=(1.0,))
    signing = Signing(job, free, as_judged)
    leads = []
    for score in (2.0, 1.0, 0.5, 0.01, 0.0):
        job.table["a"].score = score
        leads.append(signing._lead(1.0))
    assert leads == [1, 1, 2, 5, 5]


def test_who_signed_too_late_is_ended():
    silent, other = Agreement("a", NEVER, cancelled=False), Agreement("b", 1)
    assert asyncio.run(_sign(Job(silent, other)))
    assert silent.fate == ["cancelled", "terminated"]


@pytest.mark.parametrize(("late", "state"), [(60, "Cancelled"), (16, "Cancelled"), (14, "Approved")])
def test_who_signs_long_after_we_stopped_waiting_binds_nobody(late, state):
    """The clock jumps; the agreement is yapapi's own."""

    async def sign():
        loop, market = asyncio.get_running_loop(), NodesMarket(late)
        agreement = NodesAgreement(market, "a")
        job = Job(agreement)
        signing = Signing(job, free, as_judged)
        signed = await signing.sign(SOON)
        assert loop.time() < 16
        await market.decided.wait()
        assert loop.time() == pytest.approx(late)
        assert market.state == state
        signed = signed is agreement
        assert signed == (state == "Approved")
        assert job.signed == ["a"] * signed
        told = [events.AgreementCreated] + [events.AgreementRejected] * (not signed)
        assert [event for event, _ in job.events] == told
        await signing.aclose()

    loop = QuickLoop()
    try:
        loop.run_until_complete(sign())
    finally:
        loop.close()


def test_of_two_that_sign_in_the_same_moment_one_is_taken():
    turns = 40
    agreements = [Agreement("a", NEVER), Agreement("b", turns), Agreement("c", turns)]

    async def both():
        job = Job(*agreements)
        signing = Signing(job, free, as_judged)
        signing._wanted = 1
        asked = {}
        for _ in range(3):
            await signing._first(asked, 0)
        first = None
        while first is None:
            first = await signing._first(asked, SOON)
        await signing._part(asked)
        while signing._terminations:
            await asyncio.wait(signing._terminations)
        return first

    first = asyncio.run(both())
    assert first.fate == []
    assert all(agreement.fate for agreement in agreements if agreement is not first)


def test_all_refuse_and_the_offers_are_gone():
    refusers = [Agreement(name, REFUSES) for name in "ab"]
    job = Job(*refusers)
    assert not asyncio.run(_sign(job))
    assert [event for event, _ in job.events].count(events.AgreementRejected) == 2
    assert job.signed == []


def test_what_asks_for_more_than_was_judged_is_not_signed_and_the_next_is_asked():
    dearer, other = Agreement("a", 0, price=2), Agreement("b", 0)
    job = Job(dearer, other)
    assert asyncio.run(_sign(job))
    assert not dearer.asked.is_set()
    assert dearer.fate == ["cancelled"]
    assert job.events == [(events.AgreementCreated, "b")]
    assert job.signed == ["b"]


def test_those_let_go_are_there_for_the_next_time():
    job = Job(Agreement("a", NEVER), Agreement("b", 1))

    async def twice():
        signing = Signing(job, free, as_judged)
        assert await signing.sign(SOON)
        assert not await signing.sign(SOON)
        await signing.aclose()

    asyncio.run(twice())
    assert [proposal.issuer for proposal in job.recycled] == ["a"]


def test_several_sign_at_a_time_and_each_gets_its_own():
    agreements = [Agreement(name, 3) for name in "abc"]

    async def three():
        signing = Signing(Job(*agreements), free, as_judged)
        signed = await asyncio.gather(*(signing.sign(5) for _ in range(3)))
        await signing.aclose()
        return signed

    signed = asyncio.run(three())
    assert {agreement.id for agreement in signed} == set("abc")
    assert all(agreement.fate == [] for agreement in agreements)


def test_who_stops_meanwhile_leaves_nothing_signed():
    silent = Agreement("a", NEVER)

    async def stop():
        signing = Signing(Job(silent), free, as_judged)
        signs = asyncio.create_task(signing.sign(SOON))
        await silent.asked.wait()
        signs.cancel()
        with pytest.raises(asyncio.CancelledError):
            await signs
        while signing._terminations:
            await asyncio.wait(signing._terminations)

    asyncio.run(stop())
    assert silent.fate == ["cancelled"]


def test_who_pauses_is_not_asked_though_it_is_the_best():
    lost, other = Agreement("a", 0), Agreement("b", 0)
    job = Job(lost, other)
    signing = Signing(job, {"a"}.__contains__, as_judged)
    assert asyncio.run(signing.sign(SOON))
    assert job.signed == ["b"]
    assert not signing.may_begin
