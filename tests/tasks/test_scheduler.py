"""No task is accepted twice, none is lost, whatever workers do."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from golem_launcher.tasks.scheduler import Fault, ResultVerdict, Scheduler, Worker
from tests.examples import examples


def worker(number, provider=None):
    return Worker(number, provider or f"p{number}", f"a{number}")


def joined(scheduler, *workers):
    for one in workers:
        scheduler.join(one)
    return workers


class Jobs(RuleBasedStateMachine):
    """Tasks, workers that come, go, fail and answer late, in any order."""

    def __init__(self):
        super().__init__()
        self.scheduler = None
        self.workers = []
        self.under_way = []
        self.given_up = []
        self.accepted = []
        self.tasks = 0
        self.agreements = 0

    @precondition(lambda self: self.scheduler is None)
    @rule(tasks=st.integers(1, 6), attempts=st.integers(1, 3), verify=st.integers(1, 3))
    def begin(self, tasks, attempts, verify):
        self.tasks, self.verify = tasks, verify
        self.scheduler = Scheduler(range(tasks), attempts=attempts, verify=verify)

    @precondition(lambda self: self.scheduler is not None and len(self.workers) < 5)
    @rule(provider=st.integers(0, 5))
    def join(self, provider):
        if f"p{provider}" in {one.provider for one in self.workers}:
            return  # a provider is in a network once
        self.agreements += 1
        new = Worker(self.agreements, f"p{provider}", f"a{self.agreements}")
        self.workers.append(new)
        self.scheduler.join(new)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def take(self, data):
        attempt = self.scheduler.take(data.draw(st.sampled_from(self.workers)))
        if attempt is not None:
            assert attempt.task not in self.accepted
            assert attempt.worker.provider not in self.scheduler.left
            self.under_way.append(attempt)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), digest=st.sampled_from("xyz"))
    def answer(self, data, digest):
        attempt = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(attempt)
        if self.scheduler.done(attempt, digest) is ResultVerdict.ACCEPTED:
            assert attempt.task not in self.accepted
            assert attempt.task not in self.scheduler.failed
            self.accepted.append(attempt.task)
        self.given_up.append(attempt)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), fault=st.sampled_from(Fault))
    def fail(self, data, fault):
        attempt = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(attempt)
        self.given_up.append(attempt)
        self.scheduler.fail(attempt, "why", fault)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def put_back(self, data):
        attempt = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(attempt)
        self.given_up.append(attempt)
        self.scheduler.put_back(attempt)

    @precondition(lambda self: self.given_up)
    @rule(data=st.data())
    def answer_late(self, data):
        assert self.scheduler.done(data.draw(st.sampled_from(self.given_up)), "x") is ResultVerdict.STALE

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def lose(self, data):
        gone = data.draw(st.sampled_from(self.workers))
        self.workers.remove(gone)
        self.given_up += [one for one in self.under_way if one.worker == gone]
        self.under_way = [one for one in self.under_way if one.worker != gone]
        self.scheduler.lose(gone, "gone")

    @invariant()
    def every_task_is_somewhere(self):
        if self.scheduler is None:
            return
        over = {*self.accepted, *self.scheduler.failed}
        assert len(self.accepted) + len(self.scheduler.failed) == len(over)
        live = [one for one in self.under_way if one.task not in over]
        assert self.scheduler.running == len(live)
        assert self.scheduler.finished == (len(over) == self.tasks)
        if not self.scheduler.finished and not live:
            assert self.scheduler.wanted > 0
        if self.verify == 1:
            assert self.scheduler.wanted == self.tasks - len(over) - len(live)

    def teardown(self):
        """With new providers enough, all ends."""
        if self.scheduler is None:
            return
        for number in range(200):
            if self.scheduler.finished:
                break
            new = Worker(1000 + number, f"new{number}", f"new{number}")
            self.scheduler.join(new)
            while (attempt := self.scheduler.take(new)) is not None:
                self.under_way.append(attempt)
            for attempt in self.under_way:
                if self.scheduler.done(attempt, "x") is ResultVerdict.ACCEPTED:
                    self.accepted.append(attempt.task)
            self.under_way = []
        assert self.scheduler.finished
        assert sorted([*self.accepted, *self.scheduler.failed]) == list(range(self.tasks))


TestJobs = Jobs.TestCase
TestJobs.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_a_task_that_failed_is_given_to_another_provider_first():
    scheduler = Scheduler([0])
    first, second = joined(scheduler, worker(1), worker(2))
    scheduler.fail(scheduler.take(first), "exit code 1", Fault.OPEN)
    assert scheduler.take(first) is None
    assert scheduler.take(second).number == 2


def test_where_there_is_nobody_else_it_is_tried_again_there_three_times_in_all():
    scheduler = Scheduler([0])
    (only,) = joined(scheduler, worker(1))
    for _ in range(3):
        scheduler.fail(scheduler.take(only), "exit code 1", Fault.OPEN)
    assert scheduler.failed == {0: "exit code 1 (3 attempts)"}
    assert scheduler.left == {}, "nobody could do it: that is not this provider's fault"


def test_a_provider_that_fails_at_what_others_can_do_is_left_after_the_second_time():
    scheduler = Scheduler([0, 1, 2])
    bad, good = joined(scheduler, worker(1), worker(2))
    for _ in range(2):
        scheduler.fail(scheduler.take(bad), "it took longer than 5 s", Fault.OPEN)
        assert scheduler.done(scheduler.take(good), "x") is ResultVerdict.ACCEPTED
    assert list(scheduler.left) == [bad.provider]
    assert scheduler.take(bad) is None
    assert scheduler.done(scheduler.take(good), "x") is ResultVerdict.ACCEPTED


def test_two_must_agree_and_a_third_decides():
    scheduler = Scheduler([0], verify=2)
    honest, liar, third = joined(scheduler, worker(1), worker(2), worker(3))
    one, two = scheduler.take(honest), scheduler.take(liar)
    assert scheduler.take(third) is None
    assert scheduler.done(one, "right") is ResultVerdict.COUNTED
    assert scheduler.done(two, "wrong") is ResultVerdict.COUNTED
    assert scheduler.take(honest) is None
    assert scheduler.done(scheduler.take(third), "right") is ResultVerdict.ACCEPTED
    assert list(scheduler.left) == [liar.provider]


def test_the_last_attempt_at_what_another_could_do_is_for_neither_of_them():
    scheduler = Scheduler([0], attempts=3, verify=2)
    joined(scheduler, worker(1), worker(2))
    assert scheduler.done(scheduler.take(worker(1)), "x") is ResultVerdict.COUNTED
    for _ in range(2):
        scheduler.fail(scheduler.take(worker(2)), "it took too long", Fault.OPEN)
    assert scheduler.take(worker(2)) is None
    assert scheduler.stuck, "another provider is needed"
    joined(scheduler, worker(3))
    assert scheduler.done(scheduler.take(worker(3)), "x") is ResultVerdict.ACCEPTED


def test_nor_is_it_for_who_failed_while_another_is_still_at_it():
    scheduler = Scheduler([0], attempts=3, verify=2)
    joined(scheduler, worker(1), worker(2))
    slow = scheduler.take(worker(1))
    for _ in range(2):
        scheduler.fail(scheduler.take(worker(2)), "it took too long", Fault.OPEN)
    assert scheduler.take(worker(2)) is None
    assert scheduler.done(slow, "x") is ResultVerdict.COUNTED
    joined(scheduler, worker(3))
    assert scheduler.done(scheduler.take(worker(3)), "x") is ResultVerdict.ACCEPTED


def test_several_providers_of_one_owner_have_one_word():
    scheduler = Scheduler([0], verify=2)
    first, same, other = (Worker(n, f"p{n}", f"a{n}", wallet) for n, wallet in ((1, "0xa"), (2, "0xa"), (3, "")))
    joined(scheduler, first, same)
    assert scheduler.done(scheduler.take(first), "x") is ResultVerdict.COUNTED
    assert scheduler.take(same) is None
    assert scheduler.stuck, "somebody else is needed"
    joined(scheduler, other)
    assert scheduler.done(scheduler.take(other), "x") is ResultVerdict.ACCEPTED


def test_three_different_results_are_none():
    scheduler = Scheduler([0], verify=2)
    workers = joined(scheduler, worker(1), worker(2), worker(3))
    verdicts = []
    for digest, one in zip("abc", workers, strict=True):
        verdicts.append(scheduler.done(scheduler.take(one), digest))
    assert verdicts == [ResultVerdict.COUNTED, ResultVerdict.COUNTED, ResultVerdict.REFUSED]
    assert scheduler.failed == {0: "3 providers came to as many different results"}


def test_a_task_that_takes_its_machines_with_it_is_given_up():
    scheduler = Scheduler([0])
    for number in range(7):
        (one,) = joined(scheduler, worker(number))
        assert scheduler.take(one) is not None
        scheduler.lose(one, "the machine was lost")
    assert scheduler.failed == {0: "the machine was lost"}


def test_what_was_put_back_counts_against_nobody_and_goes_to_others():
    scheduler = Scheduler([0, 1], attempts=1)
    joined(scheduler, worker(1), worker(2))
    for _ in range(20):
        scheduler.put_back(scheduler.take(worker(1)))
    assert (scheduler.failed, scheduler.left, scheduler.running) == ({}, {}, 0)
    assert {scheduler.take(worker(2)).task for _ in range(2)} == {0, 1}


def test_when_no_worker_may_decide_it_is_stuck():
    scheduler = Scheduler([0], verify=2)
    one, two = joined(scheduler, worker(1), worker(2))
    scheduler.done(scheduler.take(one), "a")
    scheduler.done(scheduler.take(two), "b")
    assert scheduler.stuck
    joined(scheduler, worker(3))
    assert not scheduler.stuck
