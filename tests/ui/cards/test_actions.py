from __future__ import annotations

import asyncio
import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from golem_launcher.access.sockets.port_socket import port_socket_path
from golem_launcher.errors import RequestError, SessionError, SessionNameTaken, SessionNotFound
from golem_launcher.events import LabAsks, Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.on_disk import view_only_link
from golem_launcher.session.on_disk.directory import session_directories, session_directory
from golem_launcher.session.supervision.control import ControlServer
from golem_launcher.session_state import Saving
from golem_launcher.tasks import record
from golem_launcher.tasks.job import Job
from golem_launcher.ui.cards.actions import Actions
from golem_launcher.ui.cards.continuation import continuation
from tests.session.suspension.test_suspension import suspended
from tests.ui.made import GOOD_START, change, make_session

OVER = (*GOOD_START, Stage.STOPPING, Stage.ENDED)


def _actions(sent: list[dict[str, Any]], again: list[LaunchRequest] | None = None) -> Actions:
    wanted = again if again is not None else []
    return Actions(sent.append, ThreadPoolExecutor(1), wanted.append)


def test_what_is_the_supervisors_goes_there_and_its_words_come_back() -> None:
    async def main() -> None:
        directory = make_session("mine")
        asked: list[dict[str, Any]] = []

        async def extend(arguments: dict[str, Any]) -> dict[str, Any]:
            asked.append(arguments)
            if Decimal(arguments.get("hours", "0")) > 24:
                raise RequestError("Too long.", "Extend by less.")
            return {}

        async def keep_running(_arguments: dict[str, Any]) -> dict[str, Any]:
            return {"idle_seconds": 3600}

        moves: list[dict[str, Any]] = []

        async def move(arguments: dict[str, Any]) -> dict[str, Any]:
            moves.append(arguments)
            return {"number": 1}

        async def stay(_arguments: dict[str, Any]) -> dict[str, Any]:
            return {}

        async def hurry(_arguments: dict[str, Any]) -> dict[str, Any]:
            raise SessionError("It is not moving.")

        commands = {"extend": extend, "keep-running": keep_running, "move": move, "stay": stay, "hurry": hurry}
        server = ControlServer(directory.control_socket, commands)
        await server.start()
        try:
            sent: list[dict[str, Any]] = []
            acts = _actions(sent).by_kind
            await acts["extend"]({"name": "mine", "hours": " 1,5 ", "budget": ""})
            await acts["extend"]({"name": "mine", "hours": "25"})
            await acts["save"]({"name": "mine"})
            await acts["keep running"]({"name": "mine"})
            change(directory, asked=LabAsks(what="gpu"))  # by now; the user said yes to what was asked before
            await acts["move"]({"name": "mine", "what": "move"})
            await acts["move"]({"name": "mine", "what": "gpu"})
            await acts["move"]({"name": "mine", "what": "end"})
            await acts["stay"]({"name": "mine"})
            await acts["move now"]({"name": "mine"})
        finally:
            await server.aclose()
        assert [one["changes"] for one in moves] == [{}, {"gpus": 1}]
        assert asked == [{"hours": "1.5", "budget": "0"}, {"hours": "25", "budget": "0"}]
        answers = [(answer["to"], answer["ok"], answer["text"]) for answer in sent]
        assert answers[:2] == [("extend", True, "Extended."), ("extend", False, "Too long. Extend by less.")]
        assert answers[2][:2] == ("save", False)
        assert answers[3] == ("keep running", True, "It goes on.")
        assert answers[6] == ("move", False, "That names no machine.")
        assert answers[-2:] == [("stay", True, "It stays."), ("move now", False, "It is not moving.")]

    asyncio.run(main())


def test_a_view_only_link_is_made_told_and_revoked() -> None:
    async def main() -> None:
        directory = make_session("mine")
        link = view_only_link.made("http://127.9.8.7:8000")

        async def share(_arguments: dict[str, Any]) -> dict[str, Any]:
            view_only_link.write(directory.path, link)
            return {"url": link.url}

        async def unshare(_arguments: dict[str, Any]) -> dict[str, Any]:
            return {}

        server = ControlServer(directory.control_socket, {"share": share, "unshare": unshare})
        await server.start()
        try:
            sent: list[dict[str, Any]] = []
            acts = _actions(sent).by_kind
            for kind in ("view only", "share", "view only", "unshare", "view only"):
                await acts[kind]({"name": "mine"})
        finally:
            await server.aclose()
        assert [answer["ok"] for answer in sent] == [True] * 5
        assert [answer.get("link") for answer in sent] == ["", link.url, link.url, None, ""]

    asyncio.run(main())


def test_remove_undo_and_start_again() -> None:
    async def main() -> None:
        make_session("mine", OVER, alive=False, asked={"resume": "other"})
        make_session("running")
        sent: list[dict[str, Any]] = []
        again: list[LaunchRequest] = []
        acts = _actions(sent, again).by_kind
        await acts["relaunch"]({"name": "mine"})
        assert [(request.name, request.resume) for request in again] == [("mine", None)]
        await acts["remove"]({"name": "mine"})
        await acts["remove"]({"name": "mine"})
        await acts["remove"]({"name": "running"})
        assert [answer["ok"] for answer in sent] == [True, False, False]
        await acts["bring back"]({"removed": sent[0]["removed"]})
        assert session_directory("mine").state().stage is Stage.ENDED

    asyncio.run(main())


def test_going_on_asks_for_the_same_with_the_saved_files_under_the_next_name() -> None:
    saving = Saving(workspace="mine-2", generation=3)
    asked = {"packages": ["numpy"], "inputs": ["~/data"], "hours": 3, "resume": "other"}
    directory = make_session("mine", OVER, alive=False, asked=asked, saving=saving)
    make_session("mine-2-2", OVER, alive=False)
    request = continuation(directory)
    assert (request.name, request.resume, request.inputs) == ("mine-2-3", "mine-2", ())
    assert (request.packages, request.hours) == (("numpy",), 3)
    assert continuation(directory, 3).resume == "mine-2@3"
    long = make_session("a" * 40, OVER, alive=False, saving=Saving(workspace="a" * 40, generation=1))
    assert continuation(long).name == "a" * 38 + "-2"
    with pytest.raises(SessionError, match="is saved"):
        continuation(make_session("nothing", OVER, alive=False))


def test_what_lacks_time_or_money_is_said_to_lack_it_and_goes_on_with_what_is_given() -> None:
    job = Job(command=("true",), items=("a",), output="/made", request=LaunchRequest(name="spent", budget=1))
    record.create("spent", job.model_dump(mode="json"))
    with contextlib.closing(record.JobRecord(record.find("spent"))) as lines:
        lines.add(record.Line(kind="begun"), sure=False)
        lines.add(record.Line(kind="cost", session="then", cost="1"), sure=False)
    make_session("spent", OVER, alive=False, workload="tasks")
    suspended("late", hours_left=-1)
    suspended("poor", cost="2")

    async def answer(kind: str, **content: str) -> tuple[str | None, str]:
        sent: list[dict[str, Any]] = []
        await _actions(sent).by_kind[kind](content)
        return sent[0].get("lacks"), sent[0]["text"]

    async def main() -> None:
        spent = "The job has cost 1.0076 tGLM, which is all of its budget. Give it more."
        assert await answer("go on", name="spent") == ("budget", spent)
        assert await answer("go on", name="spent", budget=" 0,5 ") == ("budget", spent)
        lacks, text = await answer("go on", name="spent", budget="much")
        assert (lacks, "number" in text) == (None, True)
        assert await answer("continue", name="late") == ("hours", "The time of 'late' is over. Give it more.")
        assert await answer("continue", name="poor") == ("budget", "The budget of 'poor' is used up. Give it more.")
        lacks, text = await answer("continue", name="poor", hours="", budget="much")
        assert (lacks, "number" in text) == (None, True)

    asyncio.run(main())


def test_all_that_is_over_is_cleared_and_comes_back() -> None:
    async def main() -> None:
        for name in ("one", "two"):
            make_session(name, OVER, alive=False)
        make_session("running")
        sent: list[dict[str, Any]] = []
        acts = _actions(sent).by_kind
        await acts["clear"]({})
        assert [directory.name for directory in session_directories()] == ["running"]
        for removed in sent[0]["removed"]:
            await acts["bring back"]({"removed": removed})
        assert {directory.name for directory in session_directories()} == {"one", "two", "running"}

    asyncio.run(main())


def test_what_is_removed_stays_among_the_last_that_were_and_comes_back_to_its_own_name_only() -> None:
    for number in range(22):
        make_session(f"old-{number}", OVER, alive=False)
        client.remove(f"old-{number}")
    make_session("mine", OVER, alive=False)
    removed = client.remove("mine")
    with pytest.raises(SessionNotFound):
        client.remove("mine")
    make_session("mine")
    with pytest.raises(SessionNameTaken):
        client.bring_back(removed)
    with pytest.raises(SessionError, match="is alive"):
        client.remove("mine")
    for strange in ("../mine", ".", "", "nothing"):
        with pytest.raises(SessionNotFound):
            client.bring_back(strange)


def test_lines_for_ssh_name_the_session_and_no_secret() -> None:
    async def main() -> None:
        directory = make_session("mine")
        told = [{"ssh": "starting", "user": "", "port": 0}, {"ssh": "sshd", "user": "golem", "port": 2222}]

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == b"1 0\n"
            writer.write(json.dumps(told.pop(0)).encode())
            writer.close()

        server = await asyncio.start_unix_server(answer, port_socket_path(directory.path))
        try:
            sent: list[dict[str, Any]] = []
            for _ in range(2):
                await _actions(sent).by_kind["ssh"]({"name": "mine"})
        finally:
            server.close()
            await server.wait_closed()
        starting, lines = sent
        assert not starting["ok"]
        assert "starting" in starting["text"]
        assert lines["command"].startswith("ssh -N -L 8888:localhost:8888 ")
        assert lines["command"].endswith(" golem-mine")
        assert f"unix:{port_socket_path(directory.path)}" in lines["websocat"]
        assert str(directory.token()) not in str(lines)

    asyncio.run(main())
