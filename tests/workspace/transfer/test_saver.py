"""From a provider's workspace into a store and into another provider: real processes, real HTTP, a real store."""

import asyncio
import math
import os

import pytest

from golem_launcher.errors import NothingToSave
from golem_launcher.workspace.repository.store import open_store
from golem_launcher.workspace.transfer import chunk_fetcher
from golem_launcher.workspace.transfer.fence import Fence
from golem_launcher.workspace.transfer.file_sender import send
from golem_launcher.workspace.transfer.local_files import LocalFiles
from golem_launcher.workspace.transfer.restore import restore_into
from golem_launcher.workspace.transfer.saver import Saver
from tests.agent.conftest import eventually
from tests.patience import slower
from tests.workspace.transfer.conftest import BulkTransfer, tree


def fill(work):
    (work / "notes").mkdir()
    (work / "notes" / "a.ipynb").write_text('{"cells": []}' * 50)
    (work / "notes" / ".ipynb_checkpoints").mkdir()
    (work / "notes" / ".ipynb_checkpoints" / "a.ipynb").write_text("before")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "empty").mkdir()
    (work / "nothing").write_bytes(b"")
    (work / "ünï côdé\n.txt").write_text("ü")
    (work / "latest").symlink_to("notes/a.ipynb")
    (work / "big.bin").write_bytes(os.urandom(9_000_000))
    (work / "twice.bin").write_bytes((work / "big.bin").read_bytes())
    (work / ".cache").mkdir()
    (work / ".cache" / "x").write_text("made again by itself")
    os.mkfifo(work / "pipe")
    for path in work.rglob("*"):
        os.utime(path, ns=(1_600_000_000_123_456_789,) * 2, follow_symlinks=False)


@pytest.mark.parametrize("bulk", [True, False], ids=["by transfers", "over the tunnel"])
def test_the_same_files_at_another_provider(providers, store, bulk):
    one, other = providers("one"), providers("other")
    fill(one.work)

    async def scenario():
        transfer = BulkTransfer(one) if bulk else None
        async with one.agent(transfer) as agent:
            assert await agent.answers()
            saver = Saver(agent, store, "work")
            generation = await saver.save_now()
            assert generation is not None, saver.saving
            assert (generation.number, generation.files, generation.flags) == (1, 7, ())
            assert saver.saving.problem == ""
            assert agent.received < 9_200_000
            received = agent.received
            again = await saver.save_now()
            assert again.number == 1  # nothing changed: nothing is written down
            assert agent.received - received < 1000
            (one.work / "notes" / "a.ipynb").write_text("changed")
            with (one.work / "big.bin").open("ab") as file:
                file.write(os.urandom(200_000))
            assert (await saver.save_now()).number == 2
            assert agent.received - received < 800_000
            (one.work / "run.sh").unlink()
            assert (await saver.save_now()).files == 6
        if bulk:
            assert transfer.out in {1, 2, 3}  # the 200 kB too, and the first in two, where the tunnel was slow
        async with other.agent(BulkTransfer(other) if bulk else None) as agent:
            assert await restore_into(agent, store, store.manifest("work")) == []
            (one.work / ".cache" / "x").unlink()
            (one.work / ".cache").rmdir()
            (one.work / "pipe").unlink()
            here, there = tree(one.work), tree(other.work)
            assert there == here
            # What was just put there is known: saving it reads no file and makes no generation.
            saver = Saver(agent, store, "work", after=3)
            assert (await saver.save_now()).number == 3
            assert not list(other.packs.iterdir())
            await agent.start_workload()
        assert os.read(other.gate, 10) == b"o"

    asyncio.run(scenario())
    assert not list((one.directory.parent / "launcher" / "transfers").glob("*/*"))


def test_what_comes_too_late_does_not_pass(provider, store, monkeypatch):
    """A machine that was silent is no longer the first, and what was under way from there ends before the fence."""
    (provider.work / "a.txt").write_text("of the first")
    fence, commits = Fence(), []

    async def scenario():
        async with provider.agent() as agent:
            saver = Saver(agent, store, "work", fence=fence)
            assert (await saver.save_now()).number == 1
            before, commit = store.generations("work"), store.commit
            monkeypatch.setattr(store, "commit", lambda *all, **named: commits.append(1) or commit(*all, **named))
            fence.close()
            (provider.work / "a.txt").write_text("late")
            assert await saver.save_now() is None
            assert "no longer the session's" in saver.saving.problem
            assert store.generations("work") == before
            assert commits == []

    asyncio.run(scenario())


def test_who_asks_for_a_save_when_saving_stops_gets_the_last_one_or_none(provider, store):
    """The machine that is moved to has the last one: another one would be nobody's."""
    (provider.work / "a.txt").write_text("a")

    async def scenario():
        async with provider.agent() as agent:
            saver = Saver(agent, store, "work")
            assert (await saver.save_now()).number == 1
            (provider.work / "a.txt").write_text("b")
            asked = asyncio.create_task(saver.save_now())
            await asyncio.sleep(0)  # it is under way
            await saver.stop()
            assert saver.saving.generation == 2
            (provider.work / "a.txt").write_text("c")
            assert await saver.save_now() is None
            assert (await asked).number == saver.saving.generation == 2
            assert [each.number for each in store.generations("work")] == [1, 2]

    asyncio.run(scenario())


def test_what_is_lost_in_the_store_costs_its_file_alone(provider, store, tmp_path):
    data = {name: os.urandom(300_000) for name in ("a", "m", "z")}
    packs = {}

    async def scenario():
        async with provider.agent() as agent:
            saver = Saver(agent, store, "work")
            for name, content in data.items():
                known = set((tmp_path / "store" / "packs").glob("*"))
                (provider.work / name).write_bytes(content)
                assert await saver.save_now() is not None
                (packs[name],) = set((tmp_path / "store" / "packs").glob("*")) - known
            (provider.work / "n").write_bytes(data["m"])
            (provider.work / "to m").symlink_to("m")
            assert await saver.save_now() is not None
            packs["m"].unlink()
            for path in provider.work.iterdir():
                path.unlink()
            reader = open_store(str(tmp_path / "store"))
            notices = await restore_into(agent, reader, reader.manifest("work"))
        assert [line for line in notices if line.startswith("m could not be written: a part of it is lost")], notices
        assert {path.name for path in provider.work.iterdir()} == {"a", "z", "to m"}
        assert (provider.work / "z").read_bytes() == data["z"]

    asyncio.run(scenario())


def test_a_file_of_the_users_that_changes_while_it_is_sent_costs_no_other(provider, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    for name in ("a", "m", "z"):
        (here / name).write_text(name)

    async def scenario():
        local = LocalFiles([(here, "in")])
        (here / "m").write_text("!")
        async with provider.agent() as agent:
            return await send(agent, local.entries, local)

    notices = asyncio.run(scenario())
    assert any(f"{here / 'm'} was changed while it was sent." in line for line in notices), notices
    assert {path.name for path in (provider.work / "in").iterdir()} == {"a", "z"}


@pytest.mark.slow
@pytest.mark.parametrize("bulk", [True, False], ids=["by transfers", "over the tunnel"])
def test_many_tiny_files_are_brought_and_put_back_in_few_requests(providers, store, bulk, monkeypatch):
    """On a line of 300 ms there and back, one for each few of them would take longer than the last save may."""
    one, other = providers("one"), providers("other")
    for number in range(6000):
        (one.work / f"{number}.txt").write_text(f"{number}\n")

    async def scenario():
        transfer = BulkTransfer(one)
        asked = 0
        async with one.agent(transfer if bulk else None) as agent:
            chunks = agent.chunks

            def counted(ids):
                nonlocal asked
                asked += 1
                return chunks(ids)

            monkeypatch.setattr(agent, "chunks", counted)
            monkeypatch.setattr(agent.throughput, "prefers_bulk", lambda _: bulk)
            generation = await Saver(agent, store, "work").save_now(120)
        assert generation.files == 6000
        assert asked + transfer.out < 120
        async with other.agent() as agent:
            assert await restore_into(agent, store, store.manifest("work")) == []

    asyncio.run(scenario())
    assert tree(other.work).keys() >= tree(one.work).keys()


def test_the_next_file_is_packed_while_one_travels(provider, store, monkeypatch):
    class Watching(BulkTransfer):
        async def transfer_out(self, container_path, local_path):
            if self.out == 0:
                await asyncio.to_thread(eventually, lambda: len(list(provider.packs.iterdir())) > 1)
            await super().transfer_out(container_path, local_path)

    monkeypatch.setattr(chunk_fetcher, "_PACK_BYTES", 1_000_000)
    monkeypatch.setattr(chunk_fetcher, "_WORTH_IT", math.inf)  # nothing before the list is whole: its end ends that
    (provider.work / "big.bin").write_bytes(os.urandom(4_000_000))

    async def scenario():
        transfer = Watching(provider)
        async with provider.agent(transfer) as agent:
            monkeypatch.setattr(agent.throughput, "prefers_bulk", lambda _: True)
            assert (await Saver(agent, store, "work").save_now()).files == 1
        return transfer.out

    assert asyncio.run(scenario()) > 2
    assert not list(provider.packs.iterdir())


def test_an_empty_workspace_has_nothing_to_save_and_says_so_at_once(provider, store):
    async def scenario():
        async with provider.agent() as agent:
            assert await agent.answers()
            saver = Saver(agent, store, "work")
            with pytest.raises(NothingToSave):
                await saver.save_now()
            assert saver.saving.problem == ""
            assert store.generations("work") == []
            (provider.work / "now.txt").write_text("there is")
            assert (await saver.save_now()).files == 1
            (provider.work / "now.txt").unlink()
            assert (await saver.save_now()).files == 0  # this is one more state of it

    asyncio.run(scenario())


def test_what_is_written_again_as_it_was_makes_no_generation_until_somebody_saves(provider, store):
    """As JupyterLab does with its layout, every few seconds."""
    layout = provider.work / ".jupyter" / "lab" / "workspaces" / "default.jupyterlab-workspace"
    layout.parent.mkdir(parents=True)

    async def scenario():
        async with provider.agent() as agent:
            assert await agent.answers()
            rounds = asyncio.Event()
            saver = Saver(agent, store, "work", interval=0.01, on_change=lambda _: rounds.set())
            running = asyncio.create_task(saver.run())

            async def until(number):
                while saver.saving.generation != number:
                    rounds.clear()
                    await rounds.wait()

            layout.write_text("{}")
            await until(1)
            for day in range(1, 4):
                layout.write_text("{}")
                os.utime(layout, (day * 86400, day * 86400))
                asked = agent.received
                while agent.received == asked or not saver._redated:
                    rounds.clear()
                    await rounds.wait()
            assert saver.saving.generation == 1
            assert saver.whole
            assert (await saver.save_now()).number == 2
            assert (await saver.save_now()).number == 2
            os.utime(layout, (5 * 86400, 5 * 86400))
            (provider.work / "new").write_text("new")  # what is new brings the dates along
            await until(3)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scenario(), 60 * slower()))
    dates = [
        next(entry.mtime_ns for entry in store.manifest("work", number).entries if entry.path.endswith("-workspace"))
        for number in (2, 3)
    ]
    assert dates == [3 * 86400 * 10**9, 5 * 86400 * 10**9]


@pytest.mark.parametrize("bulk", [True, False], ids=["by transfers", "over the tunnel"])
def test_a_file_that_never_stands_still_is_saved_as_it_was_at_one_moment(provider, store, bulk):
    path = provider.work / "live.csv"
    versions = iter(range(1000))

    def rewrite():
        path.write_text(f"{next(versions)}\n" * 200_000)

    async def scenario():
        async with provider.agent(BulkTransfer(provider) if bulk else None) as agent:
            changes_since = agent.changes_since

            async def rewritten_after_each(base, state, _saw):
                found = await changes_since(base, state)
                rewrite()
                return found

            agent.changes_since = rewritten_after_each
            assert await agent.answers()
            rewrite()
            saver = Saver(agent, store, "work")
            seen = []
            for _ in range(2):
                generation = await saver.save_now()
                assert saver.saving.problem == ""
                (entry,) = store.manifest("work", generation.number).entries
                lines = set(b"".join(map(store.get_chunk, entry.chunks)).split())
                assert len(lines) == 1
                seen += lines
            assert int(seen[0]) < int(seen[1])
            agent.changes_since = changes_since
            await saver.save_now()
            assert store.manifest("work").entries[0].mtime_ns == path.stat().st_mtime_ns

    asyncio.run(scenario())
    assert not list(provider.packs.iterdir())
