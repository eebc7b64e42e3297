"""What the page shows of the sessions, as JSON values computed from their directories alone."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionDamaged, SessionNotFound
from golem_launcher.events import Stage
from golem_launcher.networks import NETWORKS, token_of
from golem_launcher.request.command import command
from golem_launcher.request.model import MOST_WORKERS
from golem_launcher.request.redaction import without_secrets
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import SessionDirectory
from golem_launcher.session.on_disk.session_paths import Lookout
from golem_launcher.session_state import MachineState, SessionState
from golem_launcher.units import coins, counted
from golem_launcher.untrusted_text import clean_line, clean_name
from golem_launcher.workload import registry
from golem_launcher.workload.tasks import TASKS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from golem_launcher.request import LaunchRequest

PAST_AT_MOST = 50
"""How many settled sessions the page lists, the last that were; and how many older ones that were looked for."""

PLANNED = (Stage.CHECKING, Stage.ALLOCATING, Stage.NEGOTIATING, Stage.DEPLOYING, Stage.STARTING, Stage.READY)
"""The way of a good start; shown ahead."""

_GIB = 2**30
_SEARCHED = ("workload", "network", "provider", "reason", "stage")


class SessionViews:
    """Reads sessions; keeps what did not change since (its files' times and sizes), so that reading often is cheap.

    Of those that are settled it reads the ones that are shown: how many more there are costs nothing.
    """

    def __init__(self) -> None:
        self._lookout = Lookout()
        self._paths: list[Path] = []
        self._directories: dict[str, SessionDirectory] = {}
        self._settled: dict[str, float] = {}
        """When each was settled that is known to be."""
        self._found: frozenset[str] = frozenset()
        self._known: dict[str, tuple[object, dict[str, Any]]] = {}
        self.past_count = 0
        """How many are over, as of the last :meth:`read`."""
        self.looked_for = ""
        """For what :meth:`find` looked last."""

    def read(self) -> tuple[list[dict[str, Any]], dict[str, SessionDirectory]]:
        """The sessions as the page's script takes them, running ones first, and their directories. Blocking."""
        paths = self._lookout.look()
        if paths is not self._paths:
            self._paths, self._settled = paths, {}
            self._directories = {path.name: SessionDirectory(path) for path in paths}
        for directory in self._directories.values():
            if directory.name not in self._settled and (at := directory.settled_at) is not None:
                self._settled[directory.name] = at
        last = sorted(self._settled, key=lambda name: self._settled[name], reverse=True)[:PAST_AT_MOST]
        shown = self._found.union(last, self._directories.keys() - self._settled.keys())
        views = {name: self._view(one) for name, one in self._directories.items() if name in shown}
        self._known = {name: self._known[name] for name in views}
        live = [view for view in views.values() if view["live"]]
        past = [view for view in views.values() if not view["live"]]
        self.past_count = len(self._directories) - len(live)
        return _newer_told(live + past), self._directories

    def find(self, text: str) -> None:
        """Have the next :meth:`read` show sessions that are over and say ``text`` too, however old. Blocking.

        Every file is read for that: it takes a moment for each thousand.
        """
        words = text.strip().lower()
        found: list[str] = []
        for directory in tuple(self._directories.values()) if words else ():
            with contextlib.suppress(SessionNotFound):
                state = directory.state()
                if state.stage.final and words in _text_of(session_view(state, alive=False)):
                    found.append(directory.name)
            if len(found) == 2 * PAST_AT_MOST:  # the newest of them are there anyway
                break
        self._found, self.looked_for = frozenset(found), text

    def _view(self, directory: SessionDirectory) -> dict[str, Any]:
        mark = _mark(directory)
        known = self._known.get(directory.name)
        if known and mark is not None and known[0] == mark:
            view = known[1]
            if view["live"]:
                view = {**view, "alive": liveness.alive(directory)}
        else:
            try:
                state = directory.state()
            except SessionNotFound:
                view = _unreadable(directory.name)
            else:
                alive = state.stage.final or liveness.alive(directory)
                view = session_view(state, alive=alive) | _asked(directory)
        self._known[directory.name] = (mark, view)
        return view


def _text_of(view: dict[str, Any]) -> str:
    """What a search looks through, as the page's script does (``textOf`` of past_sessions.js)."""
    words = (view["name"], "job" if view["job"] else "", *(view[key] or "" for key in _SEARCHED))
    return "\n".join(words).lower()


def _newer_told(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, each past session with who saved last in its workspace, where that was another one, later."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for view in views:
        if _saved_at(view) > _saved_at(newest.get(_place(view), {})):
            newest[_place(view)] = view
    told = []
    for view in views:
        last = newest.get(_place(view))
        later = not view["live"] and last is not None and _saved_at(last) > _saved_at(view) > ""
        told.append({**view, "newer": {"by": last["name"], "at": _saved_at(last)}} if last and later else view)
    return told


def _place(view: dict[str, Any]) -> tuple[str, str]:
    saving = view["saving"] or {}
    return saving.get("store", ""), saving.get("workspace", "")


def _saved_at(view: dict[str, Any]) -> str:
    """The moment of its last save, as text that sorts by time; empty while there is none."""
    saving = view.get("saving") or {}
    return str(saving["saved_at"]) if saving.get("generation") is not None and saving.get("saved_at") else ""


_AFTER_A_FAILURE = {Stage.SAVING, Stage.STOPPING, Stage.FAILED}
"""What a session that has failed goes through: it was none of these that did."""


def session_view(state: SessionState, *, alive: bool) -> dict[str, Any]:
    """One session as the page's script takes it. Every string in it is cleaned; there is no secret in it."""
    return {
        "name": state.name,
        "live": not state.stage.final,
        "alive": alive,
        "job": state.workload == TASKS.name,
        "workload": clean_name(registry.title(state.workload)),
        "has_pages": registry.link(state.workload) is not None,
        "stage": state.stage.value,
        "reason": clean_line(state.reason),
        "steps": _steps(state),
        "network": NETWORKS[state.network].title if state.network in NETWORKS else clean_name(state.network),
        "token": token_of(state.network),
        "provider": clean_name(state.head.provider_name) if state.head.provider_name else None,
        "created": state.created_at.isoformat(),
        "started": _iso(state.started_at),
        "ended": _iso(state.ended_at),
        "deadline": _iso(state.deadline),
        "extendable": _iso(state.extendable_until),
        "money_ends": _iso(state.money_ends_at),
        "cost": coins(state.cost),
        "at_most": state.owed_at_most,
        "budget": coins(state.budget),
        "spent_share": float(min(state.cost / state.budget, Decimal(1))) if state.budget > 0 else 0.0,
        "price": coins(state.price_per_hour) if state.price_per_hour is not None else None,
        "lost": state.providers_lost,
        "notices": [
            clean_line(notice) for notice in (*filter(None, [_failed_move(state), _asks(state)]), *state.notices)
        ],
        "not_ended": clean_line(state.not_ended),
        "idle": clean_line(state.idle),
        "idle_ends": _iso(state.idle_ends_at),
        "asked": _asked_for(state),
        "move": _move(state),
        "usage": state.head.usage.model_dump() if state.head.usage and not state.stage.final else None,
        "gpus": [] if state.stage.final else [clean_line(line) for line in state.head.gpu_lines],
        "machines": [_machine(one, state) for one in state.machines_in_use] if len(state.machines) > 1 else [],
        "standby": _standby(state),
        "saving": _saving(state),
        "variables": [clean_line(one.words) for one in state.variables],
        "newer": None,
        "shared": state.shared,
        "unsaved": state.unsaved,
        "trouble": clean_line(state.trouble),
        "hub": state.base_url.partition("proxy/absolute/")[0] if state.base_url != "/" else None,
        "own": state.network in NETWORKS and NETWORKS[state.network].host == "this computer",
    }


def _failed_move(state: SessionState) -> str:
    move = state.move
    return "" if move is None or move.stage != "failed" or state.stage.final else move.words


def _move(state: SessionState) -> dict[str, Any] | None:
    """How far a move to another machine is, and what can be done about it."""
    move = state.move
    if move is None or move.over or state.stage.final:
        return None
    return {"words": clean_line(move.words), "waits": move.stage == "waiting", "stays": move.stage != "switching"}


def _asks(state: SessionState) -> str:
    """What a notebook asks for of the session's Dask cluster beyond what the user allows."""
    cluster = state.cluster
    if cluster is None or state.stage.final or cluster.asked is None or cluster.asked <= cluster.most:
        return ""
    return (
        f"The notebook asks for {counted(cluster.asked, 'Dask worker')}; {cluster.most} are allowed. Allow more by: "
        f"golem-launcher cluster {state.name} scale {min(cluster.asked, MOST_WORKERS)}"
    )


def _asked_for(state: SessionState) -> dict[str, Any] | None:
    """What the Lab waits for the user's yes to."""
    if state.asked is None or state.stage.final:
        return None
    return {"what": state.asked.what, "hours": state.asked.hours, "words": state.asked.line}


def _machine(machine: MachineState, state: SessionState) -> dict[str, Any]:
    """One of several machines."""
    return {
        "number": machine.number,
        "provider": clean_name(machine.provider_name) if machine.provider_name else None,
        "stage": machine.stage.value,
        "ip": clean_name(machine.ip) if machine.ip else None,
        "usage": machine.usage.model_dump() if machine.usage and not state.stage.final else None,
        "lost": machine.lost,
        "trouble": clean_line(machine.trouble),
    }


def _standby(state: SessionState) -> dict[str, Any] | None:
    """The machine that would take over; the page counts on how far it is behind."""
    standby = state.standby
    if standby is None or state.stage.final:
        return None
    has, price = state.standby_has, standby.price_per_hour
    return {
        "words": clean_line(f"Standby: {standby.words(None)}"),
        "provider": clean_name(standby.provider_name) if standby.provider_name else None,
        "has": _iso(has),
        "price": coins(price) if price is not None else None,
    }


def _saving(state: SessionState) -> dict[str, Any] | None:
    if state.saving is None:
        return None
    saving = state.saving.model_dump(mode="json")
    problem = (not state.stage.final and state.stalled) or state.saving.problem
    return {**saving, "store": clean_line(saving["store"]), "problem": clean_line(problem)}


def _asked(directory: SessionDirectory) -> dict[str, Any]:
    """What the request says that its state does not: limits, ssh, whose image it is, the command that asks the same."""
    try:
        request: LaunchRequest = directory.request()
    except SessionDamaged:
        return {}
    return {
        "cpus": request.cpus,
        "memory": request.memory_gib * _GIB,
        "disk": request.disk_gib * _GIB,
        "ssh": request.ssh_key is not None,
        "own_image": request.image is not None,
        "command": command(without_secrets(request)[0]),
    }


def _steps(state: SessionState) -> list[dict[str, Any]]:
    """The stages entered, each with its time, then those of a good start that are still ahead."""
    steps: list[dict[str, Any]] = []
    failed = state.stage is Stage.FAILED
    work = [number for number, (stage, _) in enumerate(state.stages) if not (failed and stage in _AFTER_A_FAILURE)]
    for number in work:
        stage, at = state.stages[number]
        if number < len(state.stages) - 1:
            until = state.stages[number + 1][1].isoformat()
            status = "failed" if failed and number == work[-1] else "done"
        else:
            until, status = None, "current"
        if steps and steps[-1]["stage"] == stage.value:  # another try at the same
            steps[-1] |= {"until": until, "status": status, "tries": steps[-1]["tries"] + 1}
        elif not stage.final:  # the end is no stage of work: the card says it
            steps.append({"stage": stage.value, "at": at.isoformat(), "until": until, "status": status, "tries": 1})
    entered = {stage for stage, _ in state.stages}
    if not state.stage.final and Stage.READY not in entered:
        furthest = max((PLANNED.index(stage) for stage in entered if stage in PLANNED), default=-1)
        steps += [{"stage": stage.value, "status": "ahead", "tries": 0} for stage in PLANNED[furthest + 1 :]]
    return steps


def _unreadable(name: str) -> dict[str, Any]:
    state = SessionState(name=name, network="", stage=Stage.FAILED, reason="The files of this session cannot be read.")
    return session_view(state, alive=False)


def _mark(directory: SessionDirectory) -> object:
    try:
        status = (directory.path / "state.json").stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
