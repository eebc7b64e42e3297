"""Where pages of suspended sessions are told and heard: each that a person sees has a number, which wakes its session.

Nothing is woken up by asking for a page: browsers ask for many that nobody looks at. The page itself asks, once it is
seen. Its number is in no address and in no other page, and the page stands in a sandbox: no script reads it that runs
at the same address, as those of the Lab do whose tab is still open.
"""

from __future__ import annotations

import secrets
import subprocess
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from math import floor
from typing import TYPE_CHECKING, Any

from golem_launcher import files, own_modules, processes
from golem_launcher.session.on_disk import parked_address
from golem_launcher.units import duration, number

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.on_disk.parked_address import ParkedAddress, Suspended

HOURS = (1, 2, 5)
"""So many a person may give to a session whose time is over, as far as what is left of its budget pays for them."""
_MOST_PAGES = 100
_WAKE_SECONDS = 120.0
_DOING = {
    "checking": "Looking at the node and the wallet",
    "allocating": "Setting aside what is left of the budget",
    "negotiating": "Looking for a provider",
    "deploying": "The provider makes the machine ready",
    "starting": "Bringing files, packages and variables back",
    "recovering": "Looking for another provider",
    "stopping": "It did not work",
}


@dataclass(frozen=True)
class _Page:
    """One that somebody sees."""

    directory: Path
    """Of its session."""
    by_themselves: bool
    """Whether they came there by themselves, so that it need not ask them."""


class WakingPageService:
    """Wakes suspended sessions up for their visitors. One for all sessions; thread-safe."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, _Page] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def begin(self, directory: Path, *, by_themselves: bool) -> str:
        """The number of a new page about the suspended session in ``directory``."""
        number = secrets.token_urlsafe(24)
        self._pages[number] = _Page(directory, by_themselves)
        while len(self._pages) > _MOST_PAGES:
            self._pages.popitem(last=False)
        return number

    def look(self, number: str) -> dict[str, Any]:
        """What a page is told: a JSON value with a ``stage``."""
        page = self._pages.get(number)
        if page is None:
            return {"stage": "unknown"}
        what = parked_address.of(page.directory)
        if what is None or what.suspended is None:
            return {"stage": "over"}  # its session answers here from now on
        if _lives(page.directory):
            return _waking(page.directory, what.suspended)
        return _suspended(what, what.suspended, by_themselves=page.by_themselves)

    def wake(self, number: str, hours: str) -> dict[str, Any]:
        """Wake up the session of a page, for ``hours`` where its time is over; ``problem`` says why it could not be."""
        page = self._pages.get(number)
        if page is None:
            return {"problem": "This page is too old."}
        with self._one_at_a_time:  # two pages of one session: the second finds it at work
            what = parked_address.of(page.directory)
            if what is None or what.suspended is None or _lives(page.directory):
                return {"problem": ""}
            if not what.suspended.has_money:
                return {"problem": "Its budget is used up."}
            more = [hours] if hours and hours in _to_choose_from(what.suspended) else []
            return {"problem": _wake(page.directory.name, more)}


def _wake(name: str, more: list[str]) -> str:
    """Have the session begin; why it could not, or nothing."""
    command = own_modules.command("golem_launcher.session.client.waking", name, *more)
    try:
        beginning = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8")
    except OSError:
        return "It could not be begun. See: golem-launcher doctor"
    try:
        told, _ = beginning.communicate(timeout=_WAKE_SECONDS)
    except subprocess.TimeoutExpired:  # not killed: it may be half-way
        threading.Thread(target=beginning.communicate, daemon=True).start()
        return "It takes long to begin, and goes on."
    return "" if beginning.returncode == 0 else told.strip() or "It could not be begun. See .caretaker.log."


def _lives(directory: Path) -> bool:
    """Whether the session has a supervisor."""
    record = processes.ProcessRecord.from_json(files.read_json(directory / "supervisor.json"))
    return record is not None and record.alive()


def _waking(directory: Path, suspended: Suspended) -> dict[str, Any]:
    state = files.read_json(directory / "state.json") or {}
    doing, far, progress = _DOING.get(str(state.get("stage")), "One moment"), "", state.get("progress")
    if progress and progress["total"]:
        doing, far = progress["what"], f"{100 * progress['done'] / progress['total']:.0f} %"
    began = datetime.fromisoformat(state["created_at"]).timestamp() if "created_at" in state else time.time()
    return {
        "stage": "waking",
        "doing": doing,
        "far": far,
        "seconds": max(time.time() - began, 0.0),
        "usual": suspended.usual_seconds,
    }


def _suspended(what: ParkedAddress, suspended: Suspended, *, by_themselves: bool) -> dict[str, Any]:
    return {
        "stage": "suspended",
        "told": what.told,
        "asks": not by_themselves or not suspended.has_time or not suspended.has_money,
        "hours": _to_choose_from(suspended),
        "costs": _costs(suspended) if suspended.has_money else _more_money(suspended),
    }


def _to_choose_from(suspended: Suspended) -> list[str]:
    """For how many hours it can be woken up, an empty text for the time of its own; nothing without money."""
    if not suspended.has_money:
        return []
    if suspended.has_time:
        return [""]
    lasts = suspended.lasts_hours
    if lasts is None:
        return [str(hours) for hours in HOURS]
    paid = [str(hours) for hours in HOURS if hours <= lasts]
    return paid or [number(floor(lasts * 100) / 100)]  # all that is left


def _costs(suspended: Suspended) -> str:
    """What it costs to wake it up, and until when."""
    said = [f"A machine is rented again, for no more than is left: {suspended.left}."]
    if suspended.per_hour and suspended.lasts_hours is not None:
        lasts = duration(suspended.lasts_hours * 3600)
        said.append(f"It cost at most {suspended.per_hour} an hour; at that price it lasts for {lasts}.")
    if suspended.has_time:
        said.append(f"It ends at {datetime.fromtimestamp(suspended.ends).astimezone():%H:%M %Z} at the latest.")
    else:
        said.append("The time that it had is over: say how much more it gets.")
    return " ".join(said)


def _more_money(suspended: Suspended) -> str:
    """How it goes on that has no money: by this page nobody gives it more."""
    return (
        f"Its budget is used up: {suspended.left} is left. To go on with more, press Wake up on its card on the "
        "launcher's page, and say how much."
    )
