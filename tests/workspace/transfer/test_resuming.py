"""What has arrived is not sent again, whatever breaks in between; and nobody waits for a list that is still coming."""

import asyncio
import contextlib
import json
import os
import shutil
import threading
import zlib

import pytest

from golem_launcher.errors import ProviderError
from golem_launcher.workspace.transfer import file_sender
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.local_files import LocalFiles
from golem_launcher.workspace.transfer.saver import Saver
from golem_launcher.workspace.transfer.tree import Tree
from tests.agent.conftest import eventually
from tests.dialling import to_origin
from tests.workspace.transfer.conftest import TOKEN, BulkTransfer
from tests.workspace.transfer.test_hostile import Liar, file, sound

SIZE = 9_000_000


class Cable:
    """A way to the provider that counts what comes back, and is cut after so many bytes."""

    def __init__(self, provider):
        self._target = provider.address
        self.cut_after = None
        self.carried = 0
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _join(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            remote_reader, remote_writer = await asyncio.open_connection(self._target, 8891)
            onward = asyncio.ensure_future(self._copy(reader, remote_writer, count=False))
            await self._copy(remote_reader, writer, count=True)
            onward.cancel()
            await asyncio.gather(onward, return_exceptions=True)

    async def _copy(self, reader, writer, *, count):
        try:
            while data := await reader.read(32 * 1024):
                if count:
                    self.carried += len(data)
                    if self.cut_after is not None and self.carried > self.cut_after:
                        self.cut_after = None
                        break
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


def test_a_save_over_a_broken_connection_goes_on_where_it_broke(provider, store):
    (provider.work / "big.bin").write_bytes(os.urandom(SIZE))

    async def scenario():
        async with Cable(provider) as cable, AgentWorkspace(to_origin(cable.url), TOKEN) as agent:
            saver = Saver(agent, store, "work")
            cable.cut_after = 5_000_000
            generation = await saver.save_now()
            if generation is None:  # it broke after the list had come in, so the round was over
                assert "can't be reached" in saver.saving.problem
                assert store.workspaces() == []  # what is not whole is not there
                generation = await saver.save_now()
            assert (generation.number, generation.bytes) == (1, SIZE)
            assert saver.saving.problem == ""
            assert cable.cut_after is None
            assert cable.carried < SIZE + 1_200_000  # one chunk, and what sockets held, came twice
            assert store.verify("work").damaged == ()

    asyncio.run(scenario())


def test_a_file_transfer_that_broke_is_the_only_one_sent_again(provider, store, monkeypatch):
    monkeypatch.setattr("golem_launcher.workspace.transfer.chunk_fetcher._PACK_BYTES", 2_000_000)
    (provider.work / "big.bin").write_bytes(os.urandom(SIZE))

    class Broken(BulkTransfer):
        sent = 0

        async def transfer_out(self, container_path, local_path):
            self.out += 1
            if self.out == 4:
                raise ProviderError("The provider failed: a cable was pulled.")
            await asyncio.to_thread(shutil.copyfile, self._here(container_path), local_path)
            self.sent += local_path.stat().st_size

    async def scenario():
        transfer = Broken(provider)
        async with provider.agent(transfer) as agent:
            saver = Saver(agent, store, "work")
            assert await saver.save_now() is None
            assert "a cable was pulled" in saver.saving.problem
            assert (await saver.save_now()).bytes == SIZE
        assert transfer.sent < SIZE + 10_000

    asyncio.run(scenario())


class Asked:
    """Chunks of this computer, counted as they are asked for."""

    def __init__(self, local):
        self._local = local
        self.bytes = 0

    def get_chunk(self, identifier):
        data = self._local.get_chunk(identifier)
        self.bytes += len(data)
        return data


@pytest.mark.timeout(120)
def test_a_file_of_chunks_is_made_and_another_taken_while_one_is_carried(provider, tmp_path, monkeypatch):
    """The second one arrives when the third one is made, and what was in the first one is where it belongs."""
    monkeypatch.setattr(file_sender, "_FIRST_FILE_BYTES", 2_000_000)
    monkeypatch.setattr(file_sender, "_FILE_BYTES", 2_000_000)
    (tmp_path / "big.bin").write_bytes(os.urandom(SIZE))
    local = LocalFiles([(tmp_path / "big.bin", "big.bin")])
    chunks = Asked(local)

    class Waiting(BulkTransfer):
        async def transfer_in(self, local_path, container_path):
            await super().transfer_in(local_path, container_path)
            if self.into == 2:
                await asyncio.to_thread(eventually, lambda: chunks.bytes > 6_000_000)
                await asyncio.to_thread(eventually, lambda: (provider.work / "big.bin").stat().st_size >= 2_000_000)

    async def scenario():
        async with provider.agent(Waiting(provider)) as agent:
            assert await file_sender.send(agent, local.entries, chunks) == []

    asyncio.run(scenario())
    assert (provider.work / "big.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()
    assert chunks.bytes == SIZE


def test_files_of_chunks_go_on_behind_what_has_arrived(provider, tmp_path, monkeypatch):
    monkeypatch.setattr(file_sender, "_FIRST_FILE_BYTES", 1_000_000)
    monkeypatch.setattr(file_sender, "_FILE_BYTES", 1_000_000)
    (tmp_path / "big.bin").write_bytes(os.urandom(SIZE))
    local = LocalFiles([(tmp_path / "big.bin", "big.bin")])
    chunks = Asked(local)

    class Broken(BulkTransfer):
        async def transfer_in(self, local_path, container_path):
            if self.into == 4:
                self.into += 1
                raise ProviderError("The provider failed: a cable was pulled.")
            await super().transfer_in(local_path, container_path)

    async def scenario():
        transfer = Broken(provider)
        async with provider.agent(transfer) as agent:
            assert await file_sender.send(agent, local.entries, chunks) == []
            assert transfer.into > 5

    asyncio.run(scenario())
    assert (provider.work / "big.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()
    assert chunks.bytes < SIZE + 4_000_000  # three files that were under way


def test_files_of_chunks_that_were_not_taken_do_not_stay(provider, tmp_path, monkeypatch):
    """Of a restore that goes on by the tunnel; of one that was given up, with the next; of a save that was killed."""
    monkeypatch.setattr(file_sender, "_FIRST_FILE_BYTES", 1_000_000)
    monkeypatch.setattr(file_sender, "_FILE_BYTES", 1_000_000)
    (tmp_path / "big.bin").write_bytes(os.urandom(SIZE))
    local = LocalFiles([(tmp_path / "big.bin", "big.bin")])

    class Broken(BulkTransfer):
        def __init__(self, heard=lambda: None):
            super().__init__(provider)
            self._heard = heard

        async def transfer_in(self, local_path, container_path):
            await super().transfer_in(local_path, container_path)
            if self.into > 3:
                self._heard()
                raise ProviderError("The provider failed: a cable was pulled.")

    async def scenario():
        async with provider.agent(Broken()) as agent:
            with pytest.raises(ProviderError):
                await file_sender.send(agent, local.entries, Asked(local))
            assert list(provider.packs.iterdir())
            agent.bulk = None
            assert await file_sender.send(agent, [], Asked(local)) == []
            assert not list(provider.packs.iterdir())
        async with provider.agent() as agent:
            agent.bulk = Broken(lambda: setattr(agent, "bulk", None))
            assert await file_sender.send(agent, local.entries, Asked(local)) == []
            assert not list(provider.packs.iterdir())
        async with provider.agent() as agent:
            ids = [chunk for entry in local.entries for chunk in entry.chunks][:2]
            killed, other = await agent.pack(ids), await agent.pack(ids)
            os.utime(provider.packs / killed.name, (0, 0))
            assert (provider.packs / (await agent.pack(ids)).name).exists()
            assert (provider.packs / other.name).exists()
            assert not (provider.packs / killed.name).exists()

    asyncio.run(scenario())
    assert (provider.work / "big.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()


@pytest.mark.timeout(120)
def test_chunks_are_brought_while_the_list_is_still_coming(store):
    """This provider ends its list when somebody has asked for what is in it."""
    asked = threading.Event()
    liar = Liar()
    values = [{"list": "p", "base": None}, file("a"), {"end": True, "entries": 1, "notes": [], "environment": None}]

    def changes():
        pieces = zlib.compressobj(1)
        for value in values[:2]:
            yield pieces.compress(json.dumps(value).encode() + b"\n") + pieces.flush(zlib.Z_SYNC_FLUSH)
        assert asked.wait(10)
        yield pieces.compress(json.dumps(values[2]).encode() + b"\n") + pieces.flush()

    def chunks():
        asked.set()
        yield sound()

    liar.changes, liar.chunks = changes, chunks
    try:
        generation, saving = liar.save(store)
        assert generation.files == 1, saving
    finally:
        liar.shutdown()
        liar.server_close()


@pytest.mark.timeout(120)
def test_on_a_slow_link_the_pause_grows_and_comes_back(store):
    """It is four times what a save takes; how long it is at the moment is told."""
    liar, quick = Liar(), threading.Event()
    liar.lists(file("a"))
    liar.has(sound())
    told, at_once = [], liar.changes

    def changes():
        quick.wait(0.15)
        yield from at_once()

    liar.changes = changes

    async def scenario():
        changed = asyncio.Event()

        async def until(condition):
            while not condition(told[-1] if told else 0.05):
                changed.clear()
                await changed.wait()

        def on_change(saving):
            told.append(saving.interval)
            changed.set()

        async with AgentWorkspace(to_origin(f"http://127.0.0.1:{liar.server_port}"), TOKEN) as agent:
            running = asyncio.create_task(Saver(agent, store, "work", interval=0.05, on_change=on_change).run())
            await until(lambda interval: interval >= 0.6)
            assert max(told) < 20
            quick.set()
            await until(lambda interval: interval < 0.6)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    try:
        asyncio.run(scenario())
    finally:
        liar.shutdown()
        liar.server_close()


@pytest.mark.timeout(120)
def test_a_save_that_was_given_up_while_its_list_was_taken_in_is_made_up_for(provider, store, monkeypatch):
    """Whoever asked for it waits a limited time: the saver must not take for saved what it only knows of."""
    (provider.work / "old.txt").write_text("old")
    taking, go_on, taken = threading.Event(), threading.Event(), threading.Event()

    async def scenario():
        async with provider.agent() as agent:
            saver = Saver(agent, store, "work")
            assert (await saver.save_now()).files == 1
            (provider.work / "new.txt").write_text("new")
            after = Tree.after

            def slowly(tree, listed):
                taking.set()
                go_on.wait(10)
                try:
                    return after(tree, listed)
                finally:
                    taken.set()

            with monkeypatch.context() as slow:
                slow.setattr(Tree, "after", slowly)
                saving = asyncio.create_task(saver.save_now())
                await asyncio.to_thread(taking.wait, 10)
                saving.cancel()
                await asyncio.gather(saving, return_exceptions=True)
            go_on.set()
            await asyncio.to_thread(taken.wait, 10)
            assert (await saver.save_now()).files == 2
        assert {entry.path for entry in store.manifest("work").entries} == {"old.txt", "new.txt"}

    asyncio.run(scenario())


@pytest.mark.timeout(120)
def test_a_generation_that_was_begun_when_its_save_was_given_up_is_known(provider, store, monkeypatch):
    """A slow store: what it takes in after all must not be forgotten by who goes on from the newest generation."""
    (provider.work / "old.txt").write_text("old")
    begun, go_on = threading.Event(), threading.Event()
    commit = store.commit

    def slowly(*arguments, **more):
        begun.set()
        go_on.wait(10)
        return commit(*arguments, **more)

    async def scenario():
        async with provider.agent() as agent:
            saver = Saver(agent, store, "work")
            assert (await saver.save_now()).number == 1
            (provider.work / "new.txt").write_text("new")
            monkeypatch.setattr(store, "commit", slowly)
            saving = asyncio.create_task(saver.run())
            await asyncio.to_thread(begun.wait, 10)
            saving.cancel()
            go_on.set()
            await asyncio.gather(saving, return_exceptions=True)
            assert (saver.saving.generation, saver.saving.files) == (2, 2)
            assert (await saver.save_now()).number == 2  # nothing has changed since

    asyncio.run(scenario())
