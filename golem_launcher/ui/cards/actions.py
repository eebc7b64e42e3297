"""The actions behind the buttons of a session's card; each answers in words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, SessionDamaged, SessionError, UsedUp
from golem_launcher.events import LabAsks
from golem_launcher.request import parse_request
from golem_launcher.request.typed_numbers import with_point
from golem_launcher.session import client, timeouts
from golem_launcher.session.client import waking
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.suspension import suspension
from golem_launcher.tasks import background, record, spending
from golem_launcher.ui.cards.continuation import continuation
from golem_launcher.units import coins_at_a_glance
from golem_launcher.untrusted_text import clean_text
from golem_launcher.workload.lab import LAB

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory

Content = dict[str, Any]


class Actions:
    """One per page. ``send`` takes a message for the front ends; ``threads`` run what may take a minute.

    ``on_relaunch`` gets a request that the user wants to see in the form.
    """

    def __init__(
        self, send: Callable[[Content], None], threads: Executor, on_relaunch: Callable[[LaunchRequest], None]
    ) -> None:
        self._send = send
        self._threads = threads
        self._on_relaunch = on_relaunch
        acts: dict[str, Callable[[SessionDirectory, Content], Content]] = {
            "stop": _stop,
            "force": _force,
            "extend": _extend,
            "decline": _decline,
            "move quote": _quote_of_move,
            "move": _move,
            "move now": _move_now,
            "stay": _stay,
            "save": _save,
            "keep running": _keep_running,
            "remove": _remove,
            "hub": _open_on_hub,
            "ssh": _ssh_lines,
            "share": _share,
            "unshare": _unshare,
            "view only": _view_only,
            "continue": _continue,
            "stop job": _stop_job,
            "go on": _go_on,
        }
        self.by_kind: dict[str, Callable[[Content], Awaitable[None]]] = {
            **{kind: self._answered(kind, act) for kind, act in acts.items()},
            "relaunch": self._relaunch,
            "open made": self._open_made,
            "bring back": self._bring_back,
            "clear": self._clear,
        }

    def _answered(
        self, kind: str, act: Callable[[SessionDirectory, Content], Content]
    ) -> Callable[[Content], Awaitable[None]]:
        """``act`` on the session of a message, in a thread, with its answer or refusal sent to the card."""

        async def run(content: Content) -> None:
            name = str(content.get("name"))
            loop = asyncio.get_running_loop()
            answer: Content
            try:
                directory = session_directory(name)
                answer = {"ok": True, **await loop.run_in_executor(self._threads, act, directory, content)}
            except UsedUp as error:  # the card asks for more
                answer = {"ok": False, "text": f"{clean_text(error.what)} Give it more.", "lacks": error.field}
            except LauncherError as error:
                answer = {"ok": False, "text": clean_text(str(error))}
            except BaseException:
                self._send({"kind": "answer", "to": kind, "name": name, "ok": False, "text": "It did not work."})
                raise  # it becomes a banner
            self._send({"kind": "answer", "to": kind, "name": name, **answer})

        return run

    async def _relaunch(self, content: Content) -> None:
        directory = session_directory(str(content.get("name")))
        try:
            request = await asyncio.to_thread(directory.request)
        except SessionDamaged as error:
            text = error.what
            self._send({"kind": "answer", "to": "relaunch", "name": directory.name, "ok": False, "text": text})
        else:
            self._on_relaunch(request.model_copy(update={"resume": None}))

    async def _open_made(self, content: Content) -> None:
        """Show the form with a session that brings what came back of a job."""
        overview = await asyncio.to_thread(lambda: record.find(str(content.get("name"))).overview())
        if overview is not None:
            self._on_relaunch(parse_request({"network": overview.request.network, "inputs": (overview.output,)}))

    async def _clear(self, _content: Content) -> None:
        removed = await asyncio.get_running_loop().run_in_executor(self._threads, client.remove_past)
        self._send({"kind": "cleared", "removed": removed})

    async def _bring_back(self, content: Content) -> None:
        await asyncio.to_thread(client.bring_back, str(content.get("removed")))


def _continue(directory: SessionDirectory, content: Content) -> Content:
    if suspension.is_suspended(directory):
        return {"started": waking.wake(directory.name, _given(content)).name}
    generation = content.get("generation")
    request = continuation(directory, generation if isinstance(generation, int) else None)
    client.start(request)
    return {"started": request.name}


def _given(content: Content) -> dict[str, str]:
    """The time and money that the user gave to go on with, as typed."""
    typed = {field: str(content.get(field, "")).strip() for field in ("hours", "budget")}
    return {field: with_point(value) for field, value in typed.items() if value}


def _stop_job(directory: SessionDirectory, _content: Content) -> Content:
    record.find(directory.name).ask_to_stop()
    return {}


def _go_on(directory: SessionDirectory, content: Content) -> Content:
    job = record.find(directory.name)
    overview = job.overview()
    if overview is None:
        raise SessionDamaged(f"The job '{job.name}' can't be read.")
    request = parse_request({**overview.request.model_dump(), **_given(content)})
    spending.left(job, request)
    background.begin(job, "sweep" if overview.sets else "run", budget=request.budget)
    return {"started": job.name}


def _stop(directory: SessionDirectory, _content: Content) -> Content:
    client.stop(directory.name)
    return {}


def _force(directory: SessionDirectory, _content: Content) -> Content:
    client.stop(directory.name, force=True)
    return {}


def _extend(directory: SessionDirectory, content: Content) -> Content:
    client.extend(directory.name, **_given(content))
    return {"text": "Extended."}


def _decline(directory: SessionDirectory, _content: Content) -> Content:
    """No to what the Lab asks for."""
    liveness.control(directory, "decline")
    return {}


def _quote_of_move(directory: SessionDirectory, content: Content) -> Content:
    """What another machine would cost, for the user to say yes or no to."""
    found = client.quote_of_move(directory.name, _changes(content))
    if found.per_hour is None:
        raise SessionError("No other machine fits.", "See what there is: golem-launcher offers")
    price = f"{coins_at_a_glance(found.per_hour)} {found.token} an hour"
    more = "Both machines are paid until that one is ready; never more than the budget."
    return {"what": content["what"], "text": f"{', '.join(found.providers)} asks {price}. {more}"}


def _move(directory: SessionDirectory, content: Content) -> Content:
    client.move(directory.name, _changes(content))
    return {"text": "It moves."}


def _move_now(directory: SessionDirectory, _content: Content) -> Content:
    liveness.control(directory, "hurry")
    return {"text": "It moves."}


def _stay(directory: SessionDirectory, _content: Content) -> Content:
    liveness.control(directory, "stay", deadline=timeouts.WAIT_FOR_STAY)
    return {"text": "It stays."}


def _changes(content: Content) -> dict[str, int]:
    """What is to be different at the machine to which the user said yes: by now the Lab may ask for another one."""
    what = content.get("what")
    if what not in ("move", "gpu"):
        raise SessionError("That names no machine.")
    return LabAsks(what=what).changes


def _save(directory: SessionDirectory, _content: Content) -> Content:
    client.save(directory.name)
    return {"text": "Saved."}


def _keep_running(directory: SessionDirectory, _content: Content) -> Content:
    client.keep_running(directory.name)
    return {"text": "It goes on."}


def _open_on_hub(directory: SessionDirectory, _content: Content) -> Content:
    """The user has said yes: the path of JupyterLab on the hub's own origin, with its token."""
    liveness.control(directory, "hub")
    return {"link": LAB.endpoints[0].url("", directory.base_url(), directory.token() or "")}


def _share(directory: SessionDirectory, _content: Content) -> Content:
    """The view-only link, made where there is none."""
    return {"link": client.share(directory.name)}


def _view_only(directory: SessionDirectory, _content: Content) -> Content:
    """The one that there is, for a card that shows it."""
    return {"link": client.view_only_url(directory, directory.state()) or ""}


def _unshare(directory: SessionDirectory, _content: Content) -> Content:
    client.unshare(directory.name)
    return {}


def _remove(directory: SessionDirectory, _content: Content) -> Content:
    return {"removed": client.remove(directory.name)}


def _ssh_lines(directory: SessionDirectory, _content: Content) -> Content:
    """Lines for a terminal that lead to the workload by ssh; they name no secret."""
    from golem_launcher.access import ssh  # noqa: PLC0415 - its cryptography takes a tenth of a second
    from golem_launcher.access.sockets.port_socket import port_socket_path  # noqa: PLC0415

    socket_path = port_socket_path(directory.path)
    server = asyncio.run(ssh.ask(socket_path))
    settings = ssh.settings_for(directory.path, directory.name, server)
    endpoint = directory.workload().first
    port = endpoint.port if endpoint is not None else None
    return {**ssh.lines(settings, directory.name, server, socket_path, endpoint=endpoint), "port": port}
