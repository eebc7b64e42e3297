"""An image on its way to a provider: one that stands still is given up, whatever happens on this side meanwhile."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from golem_launcher.errors import ProviderError
from golem_launcher.session.supervision import preload
from golem_launcher.waiting import cancel_all, wait_for

STILL = 0.4
LOOK = 0.05
PROVIDER = f"0x{'1' * 40}"


class Watched:
    """A deploy that is looked at: ``image.served`` is what left this computer, ``states`` what the node says of it."""

    def __init__(self, monkeypatch):
        preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
        from golem_launcher.rental import deploy_progress as deploying  # noqa: PLC0415

        monkeypatch.setattr(deploying, "_LOOK_SECONDS", LOOK)
        monkeypatch.setattr(deploying, "_REST_SECONDS", STILL / 2)
        self.began = time.monotonic()
        self.told: list[tuple] = []
        self.sent, self.states, self.asked = [], ["Initialized"], 0
        self.to_others: int | None = 0
        """Bytes that other peers fetched; ``None`` where the node does not tell who fetches."""
        self.image = SimpleNamespace(
            served=0, size=86_000_000, sent=lambda *way: self.sent.append(way), served_to=self._served_to
        )
        self.deployed = asyncio.get_running_loop().create_future()
        self._deploying = deploying.DeployProgress(
            self,
            image=self.image,
            provider_id=PROVIDER,
            deployed=self.deployed,
            still_seconds=STILL,
            on_progress=lambda *step: self.told.append(step),
        )
        self._task = asyncio.create_task(self._deploying._watch())

    def _served_to(self, provider_id):
        assert provider_id == PROVIDER
        return None if self.to_others is None else self.image.served - self.to_others

    async def state(self):
        """As yapapi's activity has it; an error where the node is away."""
        self.asked += 1
        said = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(said, Exception):
            raise said
        return SimpleNamespace(state=[said, None])

    async def aclose(self):
        await cancel_all(self._task)

    def says(self, done):
        """How far the provider says it is, in bytes."""
        self._deploying._take([done, self.image.size], "Bytes")


@pytest.fixture
def watch(monkeypatch):
    def run(course):
        async def main():
            watched = Watched(monkeypatch)
            try:
                await wait_for(course(watched), 30)
            finally:
                await watched.aclose()

        asyncio.run(main())

    return run


async def given_up(watched):
    with pytest.raises(ProviderError, match="The image did not get on for 0 s"):
        await watched.deployed


def test_one_that_stands_still_is_given_up(watch):
    watch(given_up)


def test_a_computer_that_slept_does_not_blame_the_provider(watch):
    async def course(watched):
        await asyncio.sleep(2 * LOOK)
        time.sleep(3 * STILL)  # nothing on this computer gets on  # noqa: ASYNC251
        for _ in range(3):
            await asyncio.sleep(2 * LOOK)
            assert not watched.deployed.done()
            watched.image.served += 1_000_000
        await given_up(watched)

    watch(course)


def test_while_the_node_is_away_it_is_asked_again(watch):
    async def course(watched):
        watched.states[:0] = [OSError(), OSError()]
        await given_up(watched)
        assert watched.asked == 3

    watch(course)


def test_what_is_all_there_does_not_stay_at_the_providers_last_word(watch):
    async def course(watched):
        watched.says(83_000_000)
        watched.image.served = watched.image.size
        while len(watched.told) < 2:  # noqa: ASYNC110 - it looks now and then itself
            await asyncio.sleep(LOOK)
        watched.says(84_000_000)
        assert [step[1:3] for step in watched.told] == [(83_000_000, 86_000_000), (86_000_000, 86_000_000)]

    watch(course)


def test_what_others_fetch_does_not_count_as_this_providers(watch):
    """Whoever knows the image's address may fetch it, as another session's provider does."""

    async def course(watched):
        while not watched.deployed.done():
            watched.image.served += watched.image.size
            watched.to_others += watched.image.size
            await asyncio.sleep(LOOK)
        assert watched.told == []
        await given_up(watched)

    watch(course)


def test_where_nobody_knows_who_fetches_all_of_it_counts(watch):
    async def course(watched):
        watched.to_others = None
        watched.says(1_000_000)
        watched.image.served = watched.image.size
        while len(watched.told) < 2:  # noqa: ASYNC110 - it looks now and then itself
            await asyncio.sleep(LOOK)
        assert watched.told[-1][1] == watched.image.size

    watch(course)


def test_where_it_is_deployed_nothing_is_given_up(watch):
    async def course(watched):
        watched.states = ["Deployed"]
        await watched._task
        assert not watched.deployed.done()

    watch(course)


def test_how_fast_it_went_leaves_out_the_time_in_which_it_stood_still(watch):
    async def course(watched):
        for _ in range(4):
            await asyncio.sleep(1.5 * LOOK)
            watched.image.served += 10_000_000
        await given_up(watched)
        await watched._task
        ((size, seconds),) = watched.sent
        assert size == 40_000_000
        assert 0 < seconds <= time.monotonic() - watched.began - STILL

    watch(course)
