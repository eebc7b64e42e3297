"""Machines at work for a job: two agents as providers run them, a scheduler, tasks that are short and that are long."""

import asyncio
import contextlib

import pytest

from golem_launcher.agent.program import TASKS
from golem_launcher.tasks.employed import Employed
from golem_launcher.tasks.happenings import AttemptBegun
from golem_launcher.tasks.scheduler import Fault, Scheduler, Worker
from golem_launcher.tasks.task_client import Payload, TaskClient
from tests.agent.conftest import TOKEN, Agent, eventually
from tests.dialling import to_origin


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
    """The owner of tasks that are commands, which keeps what came of them in memory."""

    def __init__(self, script, seconds=60.0):
        self.script, self.seconds = script, seconds
        self.kept, self.said, self.at_once = [], [], []

    def payload(self, task):
        return Payload({"argv": ["/bin/sh", "-c", self.script, str(task), str(task)], "outputs": []}, (), self.seconds)

    def fault(self, attempt, answer):  # noqa: ARG002
        return None if answer.exit == 0 else (f"exit code {answer.exit}", Fault.OPEN)

    async def check(self, task, answer):  # noqa: ARG002
        return ""

    async def keep(self, attempt, answer):
        self.kept.append((attempt.task, attempt.worker.machine, answer.log))

    async def give_up(self, task, reason):
        self.said.append((task, reason))

    def told(self, happened):
        if isinstance(happened, AttemptBegun):
            self.at_once.append(happened.attempt.task)


async def work(agents, tmp_path, scheduler, owner, until):
    """Have all agents work until that is so."""

    async def at(number, agent):
        worker = Worker(number, f"p{number}", f"a{number}")
        scheduler.join(worker)
        employed = Employed(worker, "job", scheduler, owner)
        dial = to_origin(f"http://{agent.address}:{agent.port}")
        async with TaskClient(dial, TOKEN, tmp_path, most_bytes=1_000_000) as machine:
            while not until():
                await employed.give(machine)
                if employed.idle:
                    await asyncio.sleep(0.01)
                else:
                    await employed.hear(machine)

    working = [asyncio.ensure_future(at(number, agent)) for number, agent in enumerate(agents, 1)]
    async with asyncio.timeout(60):
        await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
    for one in working:
        one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one


def test_short_tasks_are_held_by_the_dozen_and_each_counts_once(machines, tmp_path):
    scheduler, owner = Scheduler(range(200)), Commands("echo $1")
    asyncio.run(work(machines, tmp_path, scheduler, owner, lambda: scheduler.finished))
    assert sorted((task, log) for task, _, log in owner.kept) == [(n, b"%d\n" % n) for n in range(200)]
    assert {machine for _, machine, _ in owner.kept} == {1, 2}
    assert len(owner.at_once) < 100, "each message is of several"
    assert all(agent.get("/tasks")[1].count(b"true") < 64 for agent in machines), (
        "what is known here is forgotten there"
    )


def test_what_waits_behind_a_task_that_runs_long_is_done_elsewhere_meanwhile(machines, tmp_path):
    """The hundredth hangs: by then its machine holds more than one."""
    scheduler, owner = Scheduler(range(150)), Commands('test "$1" != 100 || sleep 50')
    asyncio.run(work(machines, tmp_path, scheduler, owner, lambda: len(owner.kept) == 149))
    assert {task for task, *_ in owner.kept} == {*range(150)} - {100}
    assert (scheduler.running, scheduler.failed, scheduler.left) == (1, {}, {})
