"""What a session's end gives back, and who goes on with it where that could not be done."""

import asyncio
from types import SimpleNamespace

import pytest

from golem_launcher import files, paths, processes
from golem_launcher.errors import NodeUnreachable
from golem_launcher.rental.payment.journal import AgreementEntry, Journal
from golem_launcher.rental.payment.terminations import Terminations
from golem_launcher.request import LaunchRequest
from golem_launcher.session.cleanup import leftovers, reaper
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session.supervision import preload


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    return create_session_directory(LaunchRequest(name="a"))


class Node:
    """One at which nothing is left but one agreement and an allocation."""

    def __init__(self):
        self.ended, self.released = [], []
        self.away = False

    async def terminate_agreement(self, agreement_id, _message):
        if self.away:
            raise NodeUnreachable("The node does not answer.")
        self.ended.append(agreement_id)

    async def cancel_agreement(self, _agreement_id, _message):
        """It is signed, so nothing happens."""

    async def agreement(self, agreement_id):
        return {"state": "Terminated" if agreement_id in self.ended else "Approved"}

    async def release_allocation(self, allocation_id):
        self.released.append(allocation_id)

    async def _none(self, *_):
        return []

    activities = agreements = networks = invoices = debit_notes = payments = _none


def closes(directory, node):
    """The end of a session, one of whose machines could not be let go of hours ago; what it says is left."""
    preload.engine()  # yapapi as a supervisor loads it: any other way, it warns
    from golem_launcher.session.supervision.run import SessionRun  # noqa: PLC0415

    async def end():
        recorder = Recorder(directory)
        run = SessionRun(directory, recorder)
        journal = run.session.journal
        journal.add_agreement(AgreementEntry(agreement_id="head", provider_id="0x1", provider_name="p", price=None))
        journal.update(demanded=True, allocation_id="kept")

        async def failed():
            raise ConnectionResetError

        async def nothing(*_):
            """It is done."""

        run.head._leaving.add(asyncio.create_task(failed()))
        run.entered = SimpleNamespace(rest=node, find_node=lambda: None)
        engine = SimpleNamespace(invoices_came=nothing, stop=nothing)
        run._prepared = SimpleNamespace(engine=engine, terminations=Terminations())
        try:
            return await run.close()
        finally:
            await asyncio.to_thread(recorder.close)

    return asyncio.run(end())


def test_a_machine_that_could_not_be_let_go_of_keeps_nothing_else_from_being_closed_down(directory):
    node = Node()
    left_over = closes(directory, node)
    assert (left_over, node.ended, node.released) == ("", ["head"], ["kept"])
    assert Journal.read(directory.path).entries.closed


def test_what_a_node_that_was_away_still_holds_is_gone_on_with_by_somebody(directory):
    node = Node()
    node.away = True
    assert "it is tried again later" in closes(directory, node)
    assert not leftovers.awaits(directory)
    assert leftovers.owes(directory)

    def at_it():
        return processes.ProcessRecord.from_json(files.read_json(directory.path / "reaper.json"))

    reaper.begin(directory)
    first = at_it()
    try:
        assert first.alive()
        reaper.begin(directory)
        assert at_it() == first, "one is enough"
    finally:
        first.stop(grace=1)
    Journal.read(directory.path).update(closed=True)
    reaper.begin(directory)
    assert at_it() == first, "nothing is left to do"
