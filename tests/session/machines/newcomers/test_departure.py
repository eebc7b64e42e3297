"""Another machine is paid for only where all that is at the present one can be saved; cells are waited for."""

import asyncio
from types import SimpleNamespace

import pytest

from golem_launcher.errors import SessionError
from golem_launcher.session.machines.newcomers.departure import Departure


def checked(*, missing="", at_stake=0, unsteady=0, cells=0, hurried=False):
    async def save_all(_seconds):
        return None, missing

    async def busy():
        return cells

    saves = SimpleNamespace(save_all=save_all, at_stake=at_stake, unsteady=unsteady, problem="big.bin is too large.")
    departure = Departure(saves, None, None, busy=busy, told=pytest.fail)
    if hurried:
        departure.hurry()
    asyncio.run(departure.check())


def test_what_can_not_be_saved_is_known_before_another_machine_is_rented():
    checked()
    with pytest.raises(SessionError, match=r"big.bin is too large"):
        checked(at_stake=1)
    with pytest.raises(SessionError, match=r"a.ipynb is not saved"):
        checked(missing="a.ipynb is not saved.")


def test_a_file_that_somebody_is_writing_is_lost_only_where_that_was_asked_for():
    with pytest.raises(SessionError, match=r"big.bin is too large"):
        checked(at_stake=1, unsteady=1)
    checked(at_stake=1, unsteady=1, hurried=True)
    with pytest.raises(SessionError, match=r"big.bin is too large"):
        checked(at_stake=2, unsteady=1, hurried=True)


def test_what_cells_write_while_they_run_is_looked_at_when_they_are_done():
    checked(at_stake=1, cells=1)


def test_cells_are_waited_for_until_somebody_hurries():
    told = []

    async def save_all(_seconds):
        return None, "a.ipynb is not saved."  # so that it ends here

    async def busy():
        return 1

    def tell(stage):
        told.append(stage)
        departure.hurry()

    departure = Departure(SimpleNamespace(save_all=save_all), None, None, busy=busy, told=tell)
    with pytest.raises(SessionError, match="is not saved"):
        asyncio.run(departure.begin())
    assert told == ["waiting", "switching"]
