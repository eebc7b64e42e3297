"""How long a command may take is one number for the supervisor and for whoever waits for it: page, command, Python."""

import ast
import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from golem_launcher import paths
from golem_launcher.errors import SessionError
from golem_launcher.events import Stage
from golem_launcher.node.node import Node
from golem_launcher.node.requestor_api import YagnaRest
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.rental.payment.money import Money
from golem_launcher.request import LaunchRequest
from golem_launcher.session import timeouts
from golem_launcher.session.lifetime.deadline import Deadline
from golem_launcher.session.lifetime.extending import Extension
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session.supervision.control import ControlServer
from golem_launcher.workload.lab import LAB

SOURCE = Path(__file__).parents[2] / "golem_launcher"
ASKS = {"control": "deadline", "_ask_for_end": None, "await_end": None, "save_all": None}
"""Who waits for a supervisor, or bounds what one does, and by which argument; by one of those without a name."""


@pytest.mark.slow
def test_who_waits_has_the_supervisors_own_numbers():
    """None is written beside the question, in any room."""
    numbers = [
        f"{path.relative_to(SOURCE)}:{call.lineno}"
        for path in SOURCE.rglob("*.py")
        if path.name != "timeouts.py"
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and _name(call) in ASKS and any(map(_is_number, _times(call)))
    ]
    assert numbers == []
    assert timeouts.WAIT_FOR_SAVE > timeouts.SAVE
    assert timeouts.WAIT_FOR_EXTEND > timeouts.EXTEND
    assert timeouts.WAIT_FOR_END > timeouts.LAST_SAVE + timeouts.QUICK_SAVE


def _name(call):
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _times(call):
    name = ASKS[_name(call)]
    return [each.value for each in call.keywords if name in {each.arg, None}] + (call.args if name is None else [])


def _is_number(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def test_a_node_that_never_answers_is_told_by_the_supervisor_before_who_waits_gives_up(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr(timeouts, "EXTEND", 0.5)
    request = LaunchRequest(name="asked")
    directory = create_session_directory(request)
    recorder, journal, deadline = Recorder(directory), Journal.create(directory.path), Deadline.of(Decimal(1))
    journal.update(allocation_id="a")
    money = Money(request.budget, journal, recorder)
    extension = Extension(request, LAB, deadline=deadline, money=money, recorder=recorder)
    recorder.enter(Stage.READY)

    def ask():
        with pytest.raises(SessionError) as caught:
            liveness.control(directory, "extend", deadline=timeouts.WAIT_FOR_EXTEND, hours="0", budget="1")
        return caught.value.what

    async def asked():
        waiting = []
        silent = await asyncio.start_server(lambda _reader, writer: waiting.append(writer), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        async with silent, YagnaRest.open(Node(f"http://127.0.0.1:{port}", "key")) as rest:
            control = ControlServer(
                directory.control_socket, {"extend": lambda arguments: extension.extend(arguments, rest, None)}
            )
            await control.start()
            try:
                return await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(3)))  # three tabs
            finally:
                await control.aclose()
                for writer in waiting:
                    writer.close()
                    await writer.wait_closed()

    try:
        said = asyncio.run(asked())
    finally:
        recorder.close()
    assert said == ["The node and the provider took too long to answer, so nothing was changed."] * 3
    assert money.budget == request.budget
