"""Whatever can be saved is saved, whatever else can't; what can't is named with the true reason."""

import asyncio
import os
import stat
import time

import pytest

from golem_launcher.agent.workspace import index as indexing
from golem_launcher.agent.workspace.index import Index
from golem_launcher.errors import ProviderError
from golem_launcher.workspace.export.extract import extract
from golem_launcher.workspace.transfer import saver as saving
from golem_launcher.workspace.transfer import space_limits as fitting
from golem_launcher.workspace.transfer.added_generations import SaveLimits
from golem_launcher.workspace.transfer.file_sender import send
from golem_launcher.workspace.transfer.local_files import LocalFiles
from golem_launcher.workspace.transfer.restore import restore_into
from golem_launcher.workspace.transfer.saver import Saver
from tests.workspace.transfer.conftest import BulkTransfer, tree

LIMITS = SaveLimits(total_bytes=2 << 30)


def saved(provider, store, *, bulk=False, **options):
    """Save once: the generation and the saver."""

    async def scenario():
        async with provider.agent(BulkTransfer(provider) if bulk else None) as agent:
            assert await agent.answers()
            saver = Saver(agent, store, "work", **{"limits": LIMITS, **options})
            return await saver.save_now(60), saver

    return asyncio.run(scenario())


def paths(store, number=None):
    return {entry.path for entry in store.manifest("work", number).entries}


def sparse(path, size, *pieces):
    """A file with holes, and some bytes at offsets."""
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)


@pytest.mark.parametrize("bulk", [True, False], ids=["by transfers", "over the tunnel"])
def test_holes_are_skipped_and_come_back_as_holes(providers, store, tmp_path, bulk):
    one, other = providers("one"), providers("other")
    sparse(one.work / "hole", 2_200_000_000)
    noise = os.urandom(300_000)
    sparse(one.work / "some", 1_500_000_000, (700_000_000, noise), (1_499_900_000, b"end"))
    (one.work / "a.txt").write_text("a")
    generation, saver = saved(one, store, bulk=bulk)
    assert (generation.files, generation.left_out, saver.saving.problem) == (3, 0, "")
    assert generation.bytes < 2_000_000
    wrote = extract(store, store.manifest("work"), tmp_path / "out")
    assert (wrote.files, wrote.left_out) == (3, {})

    async def put_back():
        async with other.agent(BulkTransfer(other) if bulk else None) as agent:
            assert await restore_into(agent, store, store.manifest("work")) == []
            again = Saver(agent, store, "work", limits=LIMITS, after=1)
            assert (await again.save_now()).number == 1  # the same, holes and all

    asyncio.run(put_back())
    for place in (tmp_path / "out", other.work):
        assert (place / "hole").stat().st_size == 2_200_000_000
        assert (place / "hole").stat().st_blocks == 0
        assert (place / "some").stat().st_blocks * 512 < 10_000_000
        with (place / "some").open("rb") as file:
            file.seek(700_000_000)
            assert file.read(300_001) == noise + b"\0"
            file.seek(1_499_900_000)
            assert file.read(4) == b"end\0"
            assert len(file.read()) == 1_500_000_000 - 1_499_900_004


def test_holes_of_the_users_own_files_are_skipped_as_well(provider, tmp_path):
    sparse(tmp_path / "big", 800_000_000, (799_999_000, b"end"))

    async def scenario():
        local = LocalFiles([(tmp_path / "big", "big")])
        async with provider.agent() as agent:
            assert await send(agent, local.entries, local) == []

    asyncio.run(scenario())
    assert (provider.work / "big").stat().st_size == 800_000_000
    with (provider.work / "big").open("rb") as file:
        file.seek(799_999_000)
        assert file.read(4) == b"end\0"
    assert (provider.work / "big").stat().st_blocks * 512 < 10_000_000


def test_a_file_that_does_not_fit_costs_no_other_and_stays_as_it_was(provider, store):
    work = provider.work
    (work / "a.txt").write_text("first")
    (work / "grows").write_bytes(os.urandom(50_000))
    limits = SaveLimits(total_bytes=100_000)

    async def scenario():
        async with provider.agent() as agent:
            saver = Saver(agent, store, "work", limits=limits)
            assert (await saver.save_now()).left_out == 0
            (work / "a.txt").write_text("second")
            (work / "b.txt").write_text("new")
            (work / "big.bin").write_bytes(os.urandom(200_000))
            (work / "grows").write_bytes(os.urandom(120_000))
            generation = await saver.save_now()
            assert (generation.number, generation.files, generation.left_out) == (2, 3, 2)
            assert "313 KiB, and 98 KiB were asked for" in saver.saving.problem
            assert (saver.saving.left_out, saver.saving.at_stake) == (2, 2)
            (work / "big.bin").unlink()
            (work / "grows").unlink()
            assert (await saver.save_now()).left_out == 0
            assert (saver.saving.problem, saver.saving.at_stake) == ("", 0)

    asyncio.run(scenario())
    manifest = store.manifest("work", 2)
    assert {entry.path: entry.size for entry in manifest.entries} == {"a.txt": 6, "b.txt": 3, "grows": 50_000}
    assert set(dict(manifest.left_out)) == {"big.bin", "grows"}


def test_a_note_is_saved_where_there_is_no_room_for_what_is_large(provider, store, monkeypatch):
    free = fitting.SPARE_DISK + 500_000
    monkeypatch.setattr(fitting, "free_here", lambda shown: (shown, free))
    monkeypatch.setattr(fitting, "SMALL_FILE", 100_000)
    (provider.work / "big.bin").write_bytes(os.urandom(1_200_000))
    (provider.work / "note").write_text("note\n")
    _, saver = saved(provider, store)
    assert paths(store) == {"note"}
    assert "big.bin (it takes 1.1 MiB; the disk of" in saver.saving.problem
    assert dict(store.manifest("work").left_out).keys() == {"big.bin"}
    free = fitting.LAST_DISK + 50_000
    (provider.work / "another").write_text("small")
    saved(provider, store)
    assert paths(store) == {"note", "another"}


def test_a_store_that_is_full_in_the_middle_keeps_what_arrived(provider, store, monkeypatch):
    put = store.put_chunk

    def full(identifier, plain):
        if len(plain) > 100_000:
            raise saving.WorkspaceError("A save could not be written: No space left on device.")
        put(identifier, plain)

    monkeypatch.setattr(store, "put_chunk", full)
    (provider.work / "big.bin").write_bytes(os.urandom(1_000_000))
    (provider.work / "note").write_text("note\n")
    generation, saver = saved(provider, store)
    assert generation is None  # not all of it
    assert "No space left" in saver.saving.problem
    assert paths(store) == {"note"}


def test_a_line_that_breaks_keeps_what_arrived(provider, store, monkeypatch):
    (provider.work / "big.bin").write_bytes(os.urandom(9_000_000))
    (provider.work / "note").write_text("note\n")

    async def scenario():
        async with provider.agent() as agent:
            chunks, asked = agent.chunks, 0

            async def once(ids):
                nonlocal asked
                asked += 1
                if asked > 1:
                    raise ProviderError("The connection to the provider broke.")
                async for each in chunks(ids):
                    yield each

            monkeypatch.setattr(agent, "chunks", once)
            monkeypatch.setattr(agent.throughput, "bytes_by_tunnel", lambda _: 1_000_000)
            saver = Saver(agent, store, "work", limits=LIMITS)
            assert await saver.save_now() is None
            assert saver.saving.problem == "The connection to the provider broke."
            assert (saver.saving.files, saver.saving.at_stake) == (1, 1)

    asyncio.run(scenario())
    assert paths(store) == {"note"}


def test_what_is_large_does_not_keep_the_small_waiting(provider, store, monkeypatch):
    """A round ends after a while with what is there; the next goes on where it was."""
    monkeypatch.setattr(saving, "_ROUND_SECONDS", 0.0)
    (provider.work / "big.bin").write_bytes(os.urandom(3_000_000))
    (provider.work / "note").write_text("one")

    async def scenario():
        async with provider.agent() as agent:
            monkeypatch.setattr(agent.throughput, "bytes_by_tunnel", lambda _: 300_000)
            saver = Saver(agent, store, "work", limits=LIMITS)
            await saver._guarded()
            assert paths(store) == {"note"}
            assert "big.bin (it is on its way)" in saver.saving.problem
            (provider.work / "note").write_text("two")
            await saver._guarded()
            assert (saver.saving.generation, saver.saving.files) == (2, 1)
            generation = await saver.save_now(60)
            assert (generation.files, generation.left_out) == (2, 0)

    asyncio.run(scenario())
    assert paths(store) == {"note", "big.bin"}


def test_a_file_that_takes_long_to_read_is_read_a_little_at_each_walk(tmp_path, monkeypatch):
    monkeypatch.setattr(indexing, "_LARGE", 1_000_000)
    monkeypatch.setattr(indexing, "_LATER_SECONDS", 0.0)
    data = os.urandom(9_000_000)
    (tmp_path / "big").write_bytes(data)
    (tmp_path / "small").write_text("x")
    os.utime(tmp_path / "small", ns=(1, 1))
    index = Index(str(tmp_path))
    assert [line[1] for line in index.walk(0)] == ["small"]
    assert index.notes == [["large", "big"]]
    monkeypatch.setattr(indexing, "_LATER_SECONDS", 0.002)
    for _ in range(200):
        since = index.version
        found = [line for line in index.walk(since) if line[1] == "big"]
        if found:
            break
        assert ["large", "big"] in index.notes
    ((_, _, _, _, size, ids),) = found
    assert size == len(data)
    assert b"".join(index.chunk(bytes.fromhex(each)) for each in ids) == data
    assert index.notes == []
    assert len(index) == 2
    (tmp_path / "big").write_bytes(data + b"more")  # what was told of it stays told until it is read again
    monkeypatch.setattr(indexing, "_LATER_SECONDS", -1.0)
    assert list(index.walk(index.version)) == []
    assert len(list(index.walk(0))) == len(index) == 2


def test_a_directory_that_can_not_be_read_costs_no_other_and_stays_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "in").write_text("x")
    (tmp_path / "good").write_text("y")
    index = Index(str(tmp_path))
    assert {line[1] for line in index.walk(0)} == {"bad", "bad/in", "good"}
    scan, bad = os.scandir, (tmp_path / "bad").stat()

    def broken(place):
        if os.path.samestat(os.fstat(place), bad):
            raise OSError(5, "Input/output error")
        return scan(place)

    monkeypatch.setattr(os, "scandir", broken)
    (tmp_path / "good").write_text("z")
    assert [line[:2] for line in index.walk(index.version)] == [["f", "good"]]
    assert index.notes == [["unreadable", "bad"]]
    assert {line[1] for line in index.walk(0)} == {"bad", "bad/in", "good"}


ODD = [b"back\\slash.txt", b"no utf-8 \xff\xfe.txt", b"100%25.txt", b"50%.txt", "ünï \u202e.txt".encode(), b"%5C"]


def test_odd_names_dates_and_modes_come_back_as_they_were(providers, store, tmp_path):
    one, other = providers("one"), providers("other")
    for name in ODD:
        (one.work / os.fsdecode(name)).write_bytes(name)
    (one.work / os.fsdecode(b"link\xff")).symlink_to(os.fsdecode(ODD[1]))
    (one.work / "future").write_text("later")
    os.utime(one.work / "future", (10_413_792_000, 10_413_792_000))  # the year 2300
    (one.work / "shut").mkdir()
    (one.work / "shut" / "in").write_text("x")
    (one.work / "shut").chmod(0o500)
    (one.work / "deep").mkdir()
    (one.work / "deep" / "inner").symlink_to(one.work / "shut" / "in")
    (one.work / "home").symlink_to(one.work)
    generation, saver = saved(one, store)
    assert (generation.left_out, saver.saving.problem) == (0, "")
    assert (tmp_path / "out").mkdir() is None
    assert extract(store, store.manifest("work"), tmp_path / "out").left_out == {}

    async def put_back():
        async with other.agent() as agent:
            assert await restore_into(agent, store, store.manifest("work")) == []
            assert (await Saver(agent, store, "work", after=1).save_now()).number == 1

    asyncio.run(put_back())
    for place in (tmp_path / "out", other.work):
        for name in ODD:
            assert (place / os.fsdecode(name)).read_bytes() == name
        assert os.fsencode((place / os.fsdecode(b"link\xff")).readlink()) == ODD[1]
        assert (place / "future").read_text() == "later"
        assert time.gmtime((place / "future").stat().st_mtime).tm_year == 2262
        assert stat.S_IMODE((place / "shut").stat().st_mode) == 0o500
        assert (place / "deep" / "inner").read_text() == "x"
        assert (place / "home").readlink().as_posix() == "."
    restored = tree(tmp_path / "out")
    assert {name: restored[name] for name, found in tree(other.work).items() if found[0] == "file"} == {
        name: found for name, found in tree(other.work).items() if found[0] == "file"
    }


def test_links_that_lead_out_are_left_out_and_told_by_the_way_they_take(provider, store, tmp_path):
    work = provider.work
    (work / "a" / "b" / "c").mkdir(parents=True)
    (work / "a" / "b" / "c" / "y").symlink_to("../../..")
    (work / "z").symlink_to("a/b/c/y/../../../../etc/hostname")
    (work / "out").symlink_to("/etc")
    (work / "a" / "file").write_text("x")
    (work / "round").symlink_to("round")
    (work / "d").mkdir()
    (work / "d" / "l").symlink_to("../a/b")
    (work / "fine").symlink_to("d/l/../../a/b")  # by its letters it stays; so it does through the link
    (work / "deep").symlink_to("d/l/c/../../..")  # by its letters it leads out; through the link it does not
    generation, saver = saved(provider, store)
    manifest = store.manifest("work")
    assert dict(manifest.left_out) == {
        "out": "it leads out of the workspace",
        "z": "it leads out of the workspace",
        "round": "it leads through too many other links",
    }
    assert saver.saving.at_stake == 0
    assert generation.left_out == 3
    extract(store, manifest, tmp_path / "out")
    for link in ("a/b/c/y", "fine", "deep", "d/l"):
        assert (tmp_path / "out" / link).resolve().is_relative_to(tmp_path / "out"), link


@pytest.mark.slow
def test_a_file_with_very_many_holes_travels(providers, store):
    one, other = providers("one"), providers("other")
    step = 1 << 21
    sparse(one.work / "many", 6_000 * step, *((number * step, b"x") for number in range(0, 6_000, 2)))
    generation, _ = saved(one, store)
    assert (generation.files, generation.left_out) == (1, 0)
    (entry,) = store.manifest("work").entries
    assert len(entry.holes) > 2_000

    async def put_back():
        async with other.agent() as agent:
            assert await restore_into(agent, store, store.manifest("work")) == []

    asyncio.run(put_back())
    assert (other.work / "many").stat().st_size == 6_000 * step
    assert (other.work / "many").stat().st_blocks <= (one.work / "many").stat().st_blocks


def test_what_saves_may_take_is_told_before_it_is_reached_and_kept(provider, store, tmp_path):
    limits = SaveLimits(total_bytes=300_000, kept_bytes=1_000_000)

    async def scenario():
        told = False
        async with provider.agent() as agent:
            saver = Saver(agent, store, "work", limits=limits)
            for number in range(12):
                (provider.work / "noise").write_bytes(os.urandom(200_000))
                (provider.work / "note").write_text(str(number))
                await saver.save_now()
                told = told or "of at most 977 KiB" in saver.saving.problem
                assert paths(store) >= {"note"}
                taken = sum(path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file())
                assert taken < 1_600_000
            return told, saver.saving

    told, saving_now = asyncio.run(scenario())
    assert told
    assert "the saves take as much as they may" in saving_now.problem  # what was let go of is gone in two minutes
