"""Many users of one hub come, work and leave, with fewer machines than users: who waits how long, what is lost, memory.

``python -m benchmarks hub_load`` has few of them; ``python -m benchmarks.hub_load --users 200 --machines 20`` has all.
The hub, its proxy, the node and JupyterLab are real; users are cookies and websockets, as their browsers are. The hub
lets in as many as there are machines, and who comes then is told to come again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks import bed
from benchmarks.row import Row
from benchmarks.sampling import sampled
from golem_launcher import paths
from golem_launcher.hub_spawner import users
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client
from golem_launcher.session.client import results
from golem_launcher.session.on_disk.directory import session_directories
from tests.hub_spawner.a_hub import Browser, Hub, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.session.on_disk.directory import SessionDirectory

_USERS, _MACHINES = 12, 4
_SPACING_SECONDS = 0.5
"""Between two users who come."""
_AGAIN_SECONDS = (1.0, 3.0)
"""After which somebody who was turned away comes again."""
_WORK_SECONDS = (2.0, 6.0)
_START_SECONDS = 3600.0
"""Longer than any of two hundred waits for one of twenty machines, on two cores."""
_MEGA = 1_000_000
_TOO_MANY = 429


@dataclass
class Visit:
    """What one user met with."""

    waited: float = 0.0
    """Seconds from coming until a start of theirs was taken on."""
    turned_away: int = 0
    started: float = 0.0
    """Seconds from there until JupyterLab answered."""
    trouble: list[str] = field(default_factory=list)


def rows(base: Path, count: int = _USERS, machines: int = _MACHINES) -> list[Row]:
    description = base / "network.toml"
    description.write_text("".join(f'[[provider]]\nname = "p-{one}"\nmemory_gib = 0.6\n' for one in range(machines)))
    place = base / "hub"
    place.mkdir()
    with bed.home(base / "home"), running(place, more=f"c.JupyterHub.active_server_limit = {machines}\n") as hub:
        localnet.up(description)
        try:
            memory = _Memory(hub)
            with sampled(memory.look, every=1.0):
                began = time.perf_counter()
                visits = asyncio.run(_all(hub, count, memory))
                took = time.perf_counter() - began
            memory.end()
            lost = [name for name in visits if not _kept(name, base)]
        finally:
            hub.kill("hub")
            for directory in _sessions():
                with contextlib.suppress(Exception):
                    client.stop(directory.name, force=True)
    trouble = [f"{name}: {what}" for name, visit in visits.items() for what in visit.trouble]
    waited = sorted(visit.waited for visit in visits.values())
    return [
        Row(
            f"hub: {count} users on {machines} machines, visits without work that was lost",
            count - len(lost),
            "of them",
            least=count,
            aim=count,
            more_is_better=True,
            detail=f"in {took:.0f} s; {'; '.join(trouble[:3]) or 'no start failed'}",
        ),
        Row(
            "the longest wait for a machine, of the mean",
            max(waited) / max(statistics.mean(waited), 1.0),
            "times",
            least=5.0,
            aim=3.0,
            detail=f"median {statistics.median(waited):.0f} s, longest {waited[-1]:.0f} s, turned away "
            f"{sum(visit.turned_away for visit in visits.values())} times; a start took "
            f"{statistics.median(visit.started for visit in visits.values()):.1f} s then",
        ),
        Row(
            "memory of our processes for each server that runs",
            memory.of_a_server / _MEGA,
            "MB",
            least=150.0,
            aim=110.0,
            detail=f"supervisor and its gftp, where {memory.servers} ran",
        ),
        Row(
            "memory of the hub for each user that ever came",
            memory.grown / count / _MEGA,
            "MB",
            least=2.0,
            aim=0.5,
            detail=f"the hub had {memory.before / _MEGA:.0f} MB, and {memory.after / _MEGA:.0f} MB at the end",
        ),
    ]


async def _all(hub: Hub, count: int, memory: _Memory) -> dict[str, Visit]:
    async with Browser(hub, "nobody") as probe:
        await hub.answers(probe.http)
        memory.begin()
    visits = {f"user-{number}": Visit() for number in range(count)}
    await asyncio.gather(
        *(_visit(hub, name, at * _SPACING_SECONDS, visit) for at, (name, visit) in enumerate(visits.items()))
    )
    return visits


async def _visit(hub: Hub, name: str, comes_after: float, visit: Visit) -> None:
    """One user: comes, waits for a machine, works, leaves. What goes wrong is written down."""
    await asyncio.sleep(comes_after)
    async with Browser(hub, name) as browser:
        try:
            await browser.log_in()
            await _have_a_server(browser, visit)
            await _work(browser)
        except Exception as error:  # noqa: BLE001 - one user's trouble is not another's
            visit.trouble.append(f"{type(error).__name__}: {error}")
        finally:
            await browser.asks_hub("DELETE", f"/hub/api/users/{name}/server")
            async with asyncio.timeout(_START_SECONDS):
                while (await browser.asks_hub("GET", f"/hub/api/users/{name}"))[1].get("servers"):  # noqa: ASYNC110
                    await asyncio.sleep(0.5)


async def _have_a_server(browser: Browser, visit: Visit) -> None:
    """Have a server, as soon as the hub lets one have it."""
    came = time.perf_counter()
    async with asyncio.timeout(_START_SECONDS):
        while True:
            began = time.perf_counter()
            status, told = await browser.asks_hub(
                "POST", f"/hub/api/users/{browser.user}/server", json={"profile": "small"}
            )
            if status == _TOO_MANY:
                visit.turned_away += 1
            elif status not in (201, 202):
                visit.trouble.append(f"{status} {told}")
            elif status == 201 or (last := (await browser.progress())[-1]).get("ready"):
                visit.waited, visit.started = began - came, time.perf_counter() - began
                return
            else:
                visit.trouble.append(last.get("message", "a start failed"))
            await asyncio.sleep(random.uniform(*_AGAIN_SECONDS))


async def _work(browser: Browser) -> None:
    name = browser.user
    await browser.page(f"/user/{name}/lab")
    told = await browser.lab().execute(f"print(open('mine.txt', 'w').write({name!r}))")
    if told.strip() != str(len(name)):
        raise RuntimeError(told)
    await asyncio.sleep(random.uniform(*_WORK_SECONDS))


def _kept(name: str, base: Path) -> bool:
    """Whether what the user wrote is in what was saved."""
    for user in users.known():
        if user.name == name:
            with paths.home_of(user.home):
                for directory in session_directories():
                    with (
                        contextlib.suppress(Exception),
                        zipfile.ZipFile(results.write(directory, base / f"{name}.zip")) as saved,
                    ):
                        return saved.read("mine.txt") == name.encode()
    return False


def _sessions() -> Iterator[SessionDirectory]:
    for user in users.known():
        with paths.home_of(user.home):
            yield from session_directories()


class _Memory:
    """How much memory the hub and the supervisors have while users come and go."""

    def __init__(self, hub: Hub) -> None:
        self._hub = psutil.Process(hub.pid("hub"))
        self.before = self.after = 0
        """Of the hub: before anybody came, and at the end."""
        self.of_a_server, self.servers = 0.0, 0

    @property
    def grown(self) -> int:
        return max(self.after - self.before, 0)

    def begin(self) -> None:
        """The hub is up, and nobody came yet."""
        self.before = self._hub.memory_info().rss

    def end(self) -> None:
        """All have gone."""
        self.after = self._hub.memory_info().rss

    def look(self) -> None:
        sizes = []
        for directory in _sessions():
            with contextlib.suppress(Exception):  # it begins, or has ended
                supervisor = psutil.Process(bed.supervisor_pid(directory))
                processes = [supervisor, *supervisor.children(recursive=True)]
                sizes.append(sum(one.memory_full_info().pss for one in processes if _is_ours(one)))
        if len(sizes) >= self.servers and sizes:
            self.of_a_server, self.servers = statistics.mean(sizes), len(sizes)


def _is_ours(process: psutil.Process) -> bool:
    return "golem_launcher" in (line := " ".join(process.cmdline())) or "gftp" in line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.hub_load")
    parser.add_argument("--users", type=int, default=_USERS)
    parser.add_argument("--machines", type=int, default=_MACHINES)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="golem-hub-load-") as base:
        for row in rows(Path(base), asked.users, asked.machines):
            print(" | ".join(row.cells()))


if __name__ == "__main__":
    main()
