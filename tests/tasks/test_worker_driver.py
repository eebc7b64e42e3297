"""Machines at work for a job: two agents as providers run them, a scheduler, tasks that are short and that are long."""

import asyncio
import contextlib

import pytest

from golem_launcher.agent.program_workload import TASKS
from golem_launcher.tasks import task_client
from golem_launcher.tasks.events import AttemptBegun, AttemptPrinted, TaskDone
from golem_launcher.tasks.payload import Payload
from golem_launcher.tasks.scheduler import Fault, Scheduler, Worker
from golem_launcher.tasks.task_client import TaskClient
from golem_launcher.tasks.worker_driver import WorkerDriver
from tests.agent.conftest import TOKEN, Agent, eventually
from tests.dialling import to_origin
from tests.patience import slower


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    agents = [Agent(tmp_path_factory.mktemp(name)) for name in ("one", "two")]
    about = {"name": "The task server", "argv": list(TASKS), "unsaved": [], "stays": True, "probe": ""}
    try:
        for agent in agents:
            agent.start(workload={**about, "port": agent.port})
        for agent in agents:
            eventually(lambda agent=agent: agent.get("/tasks")[0] == 200)
        yield agents
    finally:
        for agent in agents:
            agent.stop()


class Commands:
    """The source of tasks that are commands, which keeps what came of them in memory."""

    def __init__(self, script, seconds=60.0):
        self.script, self.seconds = script, seconds
        self.kept, self.said, self.at_once = [], [], []

    def payload(self, task):
        return Payload({"argv": ["/bin/sh", "-c", self.script, str(task), str(task)], "outputs": []}, (), self.seconds)

    def fault(self, attempt, answer):  # noqa: ARG002
        return None if answer.exit == 0 else (f"exit code {answer.exit}", Fault.OPEN)

    async def check(self, task, answer):  # noqa: ARG002
        return ""

    async def keep(self, results):
        self.kept += [(attempt.task, attempt.worker.machine, answer.log) for attempt, answer in results]

    async def give_up(self, task, reason):
        self.said.append((task, reason))

    def told(self, happened):
        if isinstance(happened, AttemptBegun):
            self.at_once.append(happened.attempt.task)


@contextlib.asynccontextmanager
async def driven(agent, tmp_path, scheduler, source, number=1, *, dial=None):
    """A machine of a job: its driver, and a client of its agent, reached by ``dial`` where that is given."""
    worker = Worker(number, f"p{number}", f"a{number}")
    scheduler.join(worker)
    dial = dial or to_origin(f"http://{agent.address}:{agent.port}")
    async with TaskClient(dial, TOKEN, tmp_path, most_bytes=1_000_000) as machine:
        yield WorkerDriver(worker, "job", scheduler, source), machine


async def hear_out(driver, machine):
    """Have it do what it is given, until it has nothing left."""
    await driver.give(machine)
    while not driver.idle:
        await driver.hear(machine)


async def work(agents, tmp_path, scheduler, source, until):
    """Have all agents work until that is so."""

    async def at(number, agent):
        async with driven(agent, tmp_path, scheduler, source, number) as (driver, machine), driver.keeping():
            try:
                while not until():
                    await driver.give(machine)
                    if driver.idle:
                        await asyncio.sleep(0.01)
                    else:
                        await driver.hear(machine)
            finally:
                await machine.clear()  # for the next test

    working = [asyncio.ensure_future(at(number, agent)) for number, agent in enumerate(agents, 1)]
    async with asyncio.timeout(60 * slower()):
        await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
    for one in working:
        one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one


def test_short_tasks_are_held_by_the_dozen_and_each_counts_once(machines, tmp_path):
    scheduler, source = Scheduler(range(200)), Commands("echo $1")
    asyncio.run(work(machines, tmp_path, scheduler, source, lambda: scheduler.finished))
    assert sorted((task, log) for task, _, log in source.kept) == [(n, b"%d\n" % n) for n in range(200)]
    assert {machine for _, machine, _ in source.kept} == {1, 2}
    assert len(source.at_once) < 100, "each message is of several"
    assert all(agent.get("/tasks")[1].count(b"true") <= 64 for agent in machines), (
        "what is known here is forgotten there"
    )


def test_what_waits_behind_a_task_that_runs_long_is_done_elsewhere_meanwhile(machines, tmp_path):
    """The hundredth hangs: by then its machine holds more than one."""
    scheduler, source = Scheduler(range(150)), Commands('test "$1" != 100 || sleep 50')
    asyncio.run(work(machines, tmp_path, scheduler, source, lambda: len(source.kept) == 149))
    assert {task for task, *_ in source.kept} == {*range(150)} - {100}
    assert (scheduler.running, scheduler.failed, scheduler.left) == (1, {}, {})


def test_what_is_kept_while_its_machine_is_let_go_of_is_told_all_the_same(machines, tmp_path):
    """As the last result of a job: with it all is done, before it is on the disk."""
    agent, scheduler, source = machines[0], Scheduler(range(1)), Commands("echo $1")
    done = []
    source.told = done.append

    async def test():
        keeping, may_end = asyncio.Event(), asyncio.Event()

        async def keep(*_):
            keeping.set()
            await may_end.wait()

        source.keep = keep
        async with driven(agent, tmp_path, scheduler, source) as (driver, machine):

            async def hear():
                async with driver.keeping():
                    await hear_out(driver, machine)

            hearing = asyncio.create_task(hear())
            await keeping.wait()
            hearing.cancel()
            await asyncio.sleep(0)
            assert not any(isinstance(one, TaskDone) for one in done)
            may_end.set()
            with pytest.raises(asyncio.CancelledError):
                await hearing

    asyncio.run(asyncio.wait_for(test(), 60 * slower()))
    assert sum(isinstance(one, TaskDone) for one in done) == 1


def test_what_was_accepted_is_kept_though_its_machine_is_let_go_of_while_another_is_checked(machines, tmp_path):
    """Several come in one answer: the first counts already, and nobody would ever be asked for it again."""
    agent, scheduler, source = machines[0], Scheduler(range(50)), Commands("echo $1")

    async def test():
        stands_still, of_this_answer = asyncio.Event(), []

        async def check(task, _):
            of_this_answer.append(task)
            if len(of_this_answer) > 1:
                stands_still.set()
                await asyncio.Event().wait()
            return ""

        source.check = check
        async with driven(agent, tmp_path, scheduler, source) as (driver, machine):

            async def hear():
                async with driver.keeping():
                    while True:
                        of_this_answer.clear()
                        await driver.give(machine)
                        await driver.hear(machine)

            hearing = asyncio.create_task(hear())
            await stands_still.wait()
            hearing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hearing
            scheduler.lose(driver.worker, "it was lost")
            await machine.clear()
        assert of_this_answer[0] in {task for task, *_ in source.kept}
        assert scheduler.wanted == 50 - len(source.kept)

    asyncio.run(asyncio.wait_for(test(), 60 * slower()))


def test_what_a_disk_does_not_take_is_told_though_its_machine_is_let_go_of(machines, tmp_path):
    agent, scheduler, source = machines[0], Scheduler(range(1)), Commands("echo $1")

    async def test():
        keeps, fails = asyncio.Event(), asyncio.Event()

        async def keep(_):
            keeps.set()
            await fails.wait()
            raise OSError("there is no room")

        source.keep = keep
        async with driven(agent, tmp_path, scheduler, source) as (driver, machine):

            async def hear():
                async with driver.keeping():
                    await hear_out(driver, machine)
                    await asyncio.Event().wait()

            hearing = asyncio.create_task(hear())
            await keeps.wait()
            hearing.cancel()
            await asyncio.sleep(0)
            fails.set()
            with pytest.raises(OSError, match="no room"):
                await hearing

    asyncio.run(asyncio.wait_for(test(), 60 * slower()))


def test_a_machine_goes_on_while_the_disk_takes_what_it_did(machines, tmp_path):
    agent, scheduler, source = machines[0], Scheduler(range(2)), Commands("echo $1")
    takes = asyncio.Event()

    async def keep(results):
        await takes.wait()
        source.kept += [attempt.task for attempt, _ in results]

    source.keep = keep

    async def test():
        async with driven(agent, tmp_path, scheduler, source) as (driver, machine):
            async with driver.keeping():
                for _ in range(2):
                    await driver.give(machine)
                    assert not driver.idle
                    if scheduler.wanted:
                        await driver.hear(machine)
                assert source.kept == []
                takes.set()
                await driver.hear(machine)
            assert sorted(source.kept) == [0, 1], "all is kept once the block is left"

    asyncio.run(asyncio.wait_for(test(), 60 * slower()))


def test_a_disk_that_takes_no_more_ends_the_work_at_once_whatever_runs(machines, tmp_path):
    agent, scheduler, source = machines[0], Scheduler(range(2)), Commands('echo "$1"; test "$1" = 0 || sleep 50')
    runs = asyncio.Event()

    async def keep(_):
        await runs.wait()
        raise OSError("there is no room")

    def told(happened):
        if isinstance(happened, AttemptPrinted) and happened.attempt.task == 1:
            runs.set()

    source.keep, source.told = keep, told

    async def test():
        async with driven(agent, tmp_path, scheduler, source) as (driver, machine):

            async def hear():
                async with driver.keeping():
                    while True:
                        await driver.give(machine)
                        await driver.hear(machine)

            with pytest.raises(OSError, match="no room"):
                await hear()
            await machine.clear()

    asyncio.run(asyncio.wait_for(test(), 30 * slower()))


@pytest.mark.parametrize("reached", [True, False])
def test_a_machine_that_nobody_reaches_for_a_while_is_not_left_for_it(machines, tmp_path, monkeypatch, reached):
    """Only what the session reaches, and the job does not, is the provider's own silence."""
    monkeypatch.setattr(task_client, "SILENT_SECONDS", 0.2)
    agent, scheduler, source = machines[0], Scheduler(range(3)), Commands("echo $1")
    there = to_origin(f"http://{agent.address}:{agent.port}")
    cut = True

    async def dial():
        if cut:
            raise OSError("the way is closed")
        return await there()

    async def test():
        nonlocal cut
        async with driven(agent, tmp_path, scheduler, source, dial=dial) as (driver, machine), driver.keeping():
            await driver.give(machine)
            assert driver.reached(well=reached) is not reached
            while not driver.idle:
                await driver.hear(machine)
            if reached:
                return
            await driver.give(machine)
            assert driver.idle, "it gets nothing while nobody reaches it"
            cut = False
            assert driver.reached(well=True)
            while not scheduler.finished:
                await driver.give(machine)
                await driver.hear(machine)

    asyncio.run(asyncio.wait_for(test(), 60 * slower()))
    assert list(scheduler.left) == (["p1"] if reached else [])
    assert sorted(task for task, *_ in source.kept) == ([] if reached else [0, 1, 2])
