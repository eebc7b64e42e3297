"""A machine with a GPU that cells asked for: it goes back whatever becomes of who asked, and never against its user."""

import asyncio
from types import SimpleNamespace

import pytest

from golem_launcher.errors import RequestError, SessionError
from golem_launcher.events import Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.request.another_machine import on_another_machine
from golem_launcher.session.lifetime import borrowed_gpu
from golem_launcher.session.lifetime.borrowed_gpu import BorrowedGpu, give_back
from golem_launcher.session.on_disk.directory import SessionDirectory
from golem_launcher.session_state import MoveState, SessionState


class Session:
    """A session whose moves arrive, or fail, when the test says so."""

    def __init__(self):
        self.present = LaunchRequest(name="a", cpus=2, budget=1)
        self.moves = []
        self.cells = 0
        self.refuses = False
        self.state = SessionState(name="a", network="local", stage=Stage.READY)
        self.messages = []

    async def move(self, changes):
        if self.refuses:
            raise SessionError("No other machine fits.")
        self.moves.append(changes)
        self._told("searching")
        return len(self.moves)

    async def busy(self):
        return self.cells

    def message(self, text, _level):
        self.messages.append(text)

    def update(self, **changes):
        self.state = self.state.model_copy(update=changes)

    def arrive(self):
        self.present = on_another_machine(self.present, self.moves[-1])
        self._told("done")

    def fail(self):
        self._told("failed")

    def _told(self, stage):
        self.state = self.state.model_copy(update={"move": MoveState(number=len(self.moves), stage=stage)})


@pytest.fixture
def borrowed(monkeypatch, tmp_path):
    """Run a story with a session, the GPU that it borrows, and a function that lets seconds pass."""
    time = [0.0]
    monkeypatch.setattr(borrowed_gpu, "clock", SimpleNamespace(since_boot=lambda: time[0]))
    monkeypatch.setattr(borrowed_gpu, "_LOOK_SECONDS", 0)

    async def passes(seconds):
        time[0] += seconds
        for _ in range(10):
            await asyncio.sleep(0)
        await asyncio.to_thread(lambda: None)
        for _ in range(10):
            await asyncio.sleep(0)

    async def tell(story):
        session = Session()
        lent = BorrowedGpu(session, session, tmp_path)
        watching = asyncio.create_task(lent.watch())
        await story(session, lambda **changes: lent.borrow({"changes": changes, "seconds": 60}), passes)
        assert not watching.done(), "it watches whatever happened"
        watching.cancel()

    return lambda story: asyncio.run(tell(story))


def test_it_goes_back_when_its_time_is_over_and_no_cell_runs(borrowed):
    async def story(session, borrow, passes):
        assert await borrow() == {"number": 1}
        session.arrive()
        await passes(59)
        assert await borrow() == {"number": None}, "it is there"
        session.cells = 1
        await passes(100)
        assert len(session.moves) == 1
        session.cells = 0
        await passes(1)
        assert [one["gpus"] for one in session.moves] == [1, 0]
        session.arrive()
        await passes(1000)
        assert (len(session.moves), session.present.gpus, session.present.cpus) == (2, 0, 2)

    borrowed(story)


def test_it_goes_back_though_whoever_asked_was_gone_before_it_was_there(borrowed):
    async def story(session, borrow, passes):
        await borrow()
        await passes(1000)
        session.arrive()
        await passes(0)
        await passes(60)
        assert [one["gpus"] for one in session.moves] == [1, 0]

    borrowed(story)


def test_its_time_begins_when_it_is_there_however_long_that_took(borrowed):
    async def story(session, borrow, passes):
        await borrow()
        await passes(1000)
        session.arrive()
        await passes(0)
        await passes(59)
        assert len(session.moves) == 1, "the cell that asked for it has not even begun"
        await passes(1)
        assert len(session.moves) == 2

    borrowed(story)


def test_one_that_goes_back_just_now_is_not_said_to_be_there(borrowed):
    async def story(session, borrow, passes):
        await borrow()
        session.arrive()
        await passes(0)
        await passes(60)
        assert len(session.moves) == 2
        with pytest.raises(SessionError, match="on its way"):
            await borrow()
        session.arrive()
        assert await borrow() == {"number": 3}

    borrowed(story)


def test_a_way_back_that_fails_is_tried_more_and_more_seldom_until_it_works(borrowed):
    """Each time may cost what a provider takes for a start."""

    async def story(session, borrow, passes):
        await borrow()
        session.arrive()
        await passes(0)
        await passes(60)
        for pause in (60, 120, 240, 480, 960, 1920, 3600):
            tried = len(session.moves)
            session.fail()
            await passes(pause - 1)
            assert len(session.moves) == tried
            await passes(1)
            assert len(session.moves) == tried + 1
        session.fail()
        session.refuses = True
        await passes(3600)
        (told,) = session.messages
        assert told == (
            "The session is still at the machine with a GPU, and pays for it: No other machine fits. "
            "It is tried again in 1 h."
        )
        session.refuses = False
        await passes(3600)
        session.arrive()
        assert session.present.gpus == 0

    borrowed(story)


def test_its_user_hears_once_that_it_stays_because_cells_are_said_to_run(borrowed):
    async def story(session, borrow, passes):
        await borrow()
        session.arrive()
        await passes(0)
        session.cells = 1
        await passes(60 + 299)
        assert session.messages == []
        for _ in range(3):
            await passes(60)
        (told,) = session.messages
        assert "cells run, for 5 min beyond its time" in told
        assert told.endswith("golem-launcher move a --gpus 0 --now")
        assert session.state.notices == (told,)

    borrowed(story)


def test_a_second_one_that_is_not_to_be_had_does_not_make_the_first_one_stay(borrowed):
    async def story(session, borrow, passes):
        await borrow()
        session.arrive()
        await passes(0)
        session.refuses = True
        with pytest.raises(SessionError):
            await borrow(gpu_model="H100")
        session.refuses = False
        await borrow(gpu_model="H100")
        session.fail()
        await passes(0)
        await passes(100)
        assert [one["gpus"] for one in session.moves] == [1, 1, 0]
        session.arrive()
        assert (session.present.gpus, session.present.gpu_model) == (0, None)

    borrowed(story)


def test_where_its_user_moves_it_it_stays(borrowed):
    async def story(session, borrow, passes):
        await borrow()
        session.arrive()
        await session.move({"gpus": 2})
        session.arrive()
        await passes(1000)
        assert (len(session.moves), session.present.gpus) == (2, 2)

    borrowed(story)


def test_whoever_takes_the_place_of_a_machine_that_was_lost_needs_no_gpu_unless_its_user_moved_it(borrowed, tmp_path):
    async def story(session, _borrow, _passes):
        lent = BorrowedGpu(session, session, tmp_path)
        assert lent.without(session.present) == session.present
        await lent.borrow({"changes": {"cpus": 8}, "seconds": 60})
        assert lent.without(session.present) == session.present, "lost before it moved"
        session.arrive()
        assert (session.present.gpus, session.present.cpus) == (1, 8)
        without = lent.without(session.present)
        assert (without.gpus, without.cpus) == (0, 2)
        await session.move({"gpus": 2})
        session.arrive()
        assert lent.without(session.present) == session.present

    borrowed(story)


def test_what_makes_no_sense_is_refused(borrowed, tmp_path):
    async def story(session, _borrow, _passes):
        lent = BorrowedGpu(session, session, tmp_path)
        for arguments in ({}, {"seconds": 0, "changes": {}}, {"seconds": "5", "changes": {}}, {"seconds": 5}):
            with pytest.raises(RequestError):
                await lent.borrow(arguments)
        with pytest.raises(RequestError):
            await lent.borrow({"seconds": 5, "changes": {"budget": "100"}})
        session.present = None
        with pytest.raises(SessionError):
            await lent.borrow({"seconds": 5, "changes": {}})

    borrowed(story)


@pytest.mark.parametrize("moved_on", [False, True])
def test_a_session_that_ends_there_goes_on_without_the_gpu_unless_its_user_moved_it(borrowed, tmp_path, moved_on):
    directory = SessionDirectory(tmp_path)

    async def story(session, borrow, passes):
        directory.write_request(session.present)
        await borrow()
        session.arrive()
        directory.change_request(session.present)
        await passes(10)
        if moved_on:
            await session.move({"gpus": 2})
            session.arrive()
            directory.change_request(session.present)

    borrowed(story)
    give_back(directory)
    assert (directory.request().gpus, directory.request().cpus) == ((2, 2) if moved_on else (0, 2))
