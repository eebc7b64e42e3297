"""A store that goes away and comes back: what is said to be saved is there."""

import asyncio
import shutil

import pytest

from golem_launcher.workspace.repository.store import open_store
from golem_launcher.workspace.transfer.saver import Saver


def scenario_with(provider, store, talk):
    async def scenario():
        async with provider.agent() as agent:
            assert await agent.answers()
            return await talk(Saver(agent, store, "work"))

    return asyncio.run(scenario())


def files(place):
    return {entry.path for entry in open_store(str(place)).manifest("work").entries}


@pytest.mark.parametrize("meanwhile", ["nothing", "an empty one", "another one"])
def test_what_was_not_saved_while_it_was_away_is_saved_when_it_is_back(provider, tmp_path, meanwhile):
    place, away = tmp_path / "store", tmp_path / "store.away"
    store = open_store(str(place))
    store.establish()

    async def talk(saver):
        (provider.work / "a.txt").write_text("a")
        assert (await saver.save_now()).number == 1
        place.rename(away)
        if meanwhile == "an empty one":
            place.mkdir()
        elif meanwhile == "another one":
            open_store(str(place)).establish()
        (provider.work / "b.txt").write_text("b")
        assert await saver.save_now() is None
        assert str(place) in saver.saving.problem
        assert meanwhile != "nothing" or not place.exists()  # never made again unasked
        assert not (place / "workspaces").exists()
        shutil.rmtree(place, ignore_errors=True)
        away.rename(place)
        generation = await saver.save_now()
        assert (generation.number, generation.files) == (2, 2)

    scenario_with(provider, store, talk)
    assert files(place) == {"a.txt", "b.txt"}
    assert open_store(str(place)).verify("work").damaged == ()


@pytest.mark.parametrize("lost", ["workspaces", "packs", "indexes", "packs/*"])
def test_what_vanished_from_it_is_saved_again_by_an_explicit_save(provider, tmp_path, lost):
    place = tmp_path / "store"
    store = open_store(str(place))
    store.establish()

    async def talk(saver):
        (provider.work / "a.txt").write_text("a")
        (provider.work / "b.bin").write_bytes(bytes(range(256)) * 1000)
        assert (await saver.save_now()).number == 1
        for each in place.glob(lost):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        generation = await saver.save_now()
        assert generation.files == 2
        assert (await saver.save_now()).number == generation.number

    scenario_with(provider, store, talk)
    again = open_store(str(place))
    newest = again.manifest("work")
    assert {entry.path for entry in newest.entries} == {"a.txt", "b.bin"}
    assert again.lost(newest.entries) == []
    assert b"".join(map(again.get_chunk, newest.entries[1].chunks)) == bytes(range(256)) * 1000
