"""How all users of the hub stand, and which of their servers run: the ledger of ``golem-launcher quota``, for a page.

Everything blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.errors import LauncherError
from golem_launcher.hub_spawner import quotas, users
from golem_launcher.hub_spawner.account import UserAccount, account
from golem_launcher.hub_spawner.quotas import Quota
from golem_launcher.networks import token_of
from golem_launcher.session import client, timeouts
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.session.on_disk.liveness import alive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.hub_spawner.quotas import Quotas
    from golem_launcher.hub_spawner.users import HubUser
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState


@dataclass(frozen=True)
class UserLine:
    """How one user stands this month."""

    user: HubUser
    quota: Quota
    account: UserAccount | None
    """``None`` where it can't be read: the user can start nothing then."""
    problem: str = ""
    """Why."""


@dataclass(frozen=True)
class GroupLine:
    """How the members of a group of the hub stand together. A member of several counts in each."""

    name: str
    """Empty for everybody."""
    quota: Quota
    """What is said of each member."""
    members: int
    account: UserAccount


@dataclass(frozen=True)
class RunningServer:
    """A server that runs."""

    user: HubUser
    state: SessionState
    gpus: int

    @property
    def can_end(self) -> bool:
        """Whether its end can be asked for: it was not yet."""
        return self.state.stage not in {"saving", "stopping"}


@dataclass(frozen=True)
class HubOverview:
    """All of it at a moment."""

    token: str
    """The coin in which money is counted."""
    users: tuple[UserLine, ...]
    groups: tuple[GroupLine, ...]
    servers: tuple[RunningServer, ...]


def read(network: str) -> HubOverview:
    """How everything is now, in the coin of a network. Raises ``LauncherError`` when the quotas can't be read."""
    said, token = quotas.read(), token_of(network)
    known = tuple(users.known())
    lines = tuple(_line(user, said.of(user), token) for user in known)
    servers = tuple(server for user in known for server in _servers(user))
    return HubOverview(token, lines, tuple(_groups(said, lines)), servers)


def end(slug: str, name: str) -> None:
    """Ask a server of the user with this ``slug`` to save and end; the hub sees by itself that it did.

    Raises ``LauncherError`` where there is none that runs.
    """
    for user in users.known():
        if user.home.name == slug:
            with paths.home_of(user.home):
                for directory in _running():
                    if directory.name == name:
                        client.ask_to_stop(directory, timeouts.SILENCE)
                        return
    raise LauncherError("This server does not run any more.", "Look again.")


def _line(user: HubUser, quota: Quota, token: str) -> UserLine:
    try:
        return UserLine(user, quota, account(user, token))
    except (LauncherError, OSError) as error:
        return UserLine(user, quota, None, str(error))


def _groups(said: Quotas, lines: tuple[UserLine, ...]) -> Iterator[GroupLine]:
    yield GroupLine("", said.everybody, len(lines), _together(lines))
    for name in sorted({*said.groups, *(group for line in lines for group in line.user.groups)}):
        members = tuple(line for line in lines if name in line.user.groups)
        yield GroupLine(name, said.groups.get(name, Quota()), len(members), _together(members))


def _together(lines: tuple[UserLine, ...]) -> UserAccount:
    accounts = [line.account for line in lines if line.account is not None]
    return UserAccount(
        spent=sum((one.spent for one in accounts), UserAccount.spent),
        set_aside=sum((one.set_aside for one in accounts), UserAccount.set_aside),
        hours=sum((one.hours for one in accounts), UserAccount.hours),
        machines=sum(one.machines for one in accounts),
        gpus=sum(one.gpus for one in accounts),
    )


def _servers(user: HubUser) -> Iterator[RunningServer]:
    with paths.home_of(user.home):
        for directory in _running():
            try:
                state, request = directory.state(), directory.request()
            except LauncherError:
                continue  # it is being made, or is damaged, which the user's account says
            yield RunningServer(user, state, request.gpus * len(state.machines_in_use))


def _running() -> Iterator[SessionDirectory]:
    return (directory for directory in session_directories() if alive(directory))
