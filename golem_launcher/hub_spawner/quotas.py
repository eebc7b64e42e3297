"""What users of the hub may spend and hold, by user and by group: in one file, judged before money is set aside.

The figures of a user: what is said of the user, else the most generous of the user's groups, else everybody's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from golem_launcher import files, paths
from golem_launcher.errors import BudgetError, LauncherError
from golem_launcher.units import coins, counted, number

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.hub_spawner.account import UserAccount
    from golem_launcher.hub_spawner.users import HubUser
    from golem_launcher.request import LaunchRequest

_FILE = "quotas.json"
_ASK = "Ask who runs this hub for more."
_Least = Field(ge=0)


class Quota(BaseModel):
    """The most of each; ``None`` where nothing is said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coins: Annotated[Decimal | None, _Least] = None
    """A month, of the network's coin: GLM, or tGLM of a test network."""
    hours: Annotated[Decimal | None, _Least] = None
    """A month, of all servers together."""
    machines: Annotated[int | None, _Least] = None
    """At a time."""
    gpus: Annotated[int | None, _Least] = None
    """At a time."""


class Quotas(BaseModel):
    """The quotas of a hub."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    everybody: Quota = Quota()
    groups: dict[str, Quota] = {}
    users: dict[str, Quota] = {}

    def of(self, user: HubUser) -> Quota:
        """What a user may have."""
        said = {}
        for figure in Quota.model_fields:
            own = getattr(self.users.get(user.name, Quota()), figure)
            of_groups = [getattr(self.groups[name], figure) for name in user.groups if name in self.groups]
            generous = max((one for one in of_groups if one is not None), default=getattr(self.everybody, figure))
            said[figure] = own if own is not None else generous
        return Quota(**said)

    def with_figures(self, figures: dict[str, Decimal | int | None], *, user: str | None, group: str | None) -> Quotas:
        """With these figures of one user, of one group or, where neither is named, of everybody."""
        if user is not None:
            return self.model_copy(update={"users": {**self.users, user: _with(self.users.get(user), figures)}})
        if group is not None:
            return self.model_copy(update={"groups": {**self.groups, group: _with(self.groups.get(group), figures)}})
        return self.model_copy(update={"everybody": _with(self.everybody, figures)})


def _with(quota: Quota | None, figures: dict[str, Decimal | int | None]) -> Quota:
    return (quota or Quota()).model_copy(update=figures)


def read() -> Quotas:
    """The hub's quotas; none where nobody set any. Blocking. Raises ``LauncherError`` if they can't be read."""
    try:
        return Quotas.model_validate_json(_path().read_bytes())
    except FileNotFoundError:
        return Quotas()
    except (OSError, ValidationError):
        raise LauncherError(f"The hub's quotas can't be read ({_path()}).", "Mend that file, or remove it.") from None


def write(quotas: Quotas) -> None:
    """Replace the hub's quotas, which count from the next start of a server on. Blocking. Raises ``OSError``."""
    files.write_atomic(_path(), quotas.model_dump_json(indent=1, exclude_none=True).encode())


def check(quota: Quota, account: UserAccount, request: LaunchRequest, token: str) -> None:
    """Refuse a request that goes beyond what a user may have. Raises ``BudgetError``, in words for the user."""
    machines, gpus = request.most_machines, request.gpus * request.most_machines
    _check_held("machine", quota.machines, account.machines, machines)
    _check_held("GPU", quota.gpus, account.gpus, gpus)
    if quota.hours is not None and account.hours + request.hours > quota.hours:
        left = max(quota.hours - account.hours, Decimal(0))
        raise BudgetError(
            f"You may have servers for {number(quota.hours)} hours a month; {number(round(left, 2))} are left, and "
            f"this asks for {number(request.hours)}.",
            f"Ask for less time. {_ASK}",
        )
    if quota.coins is not None and account.spent + account.set_aside + request.budget > quota.coins:
        left = max(quota.coins - account.spent - account.set_aside, Decimal(0))
        raise BudgetError(
            f"You may spend {coins(quota.coins)} {token} a month: {coins(account.spent)} are spent, "
            f"{coins(account.set_aside)} set aside for servers that run, so {coins(left)} are left, and this asks for "
            f"{coins(request.budget)}.",
            f"Choose a smaller budget. {_ASK}",
        )


def _check_held(what: str, most: int | None, held: int, wanted: int) -> None:
    if most is not None and wanted and held + wanted > most:
        raise BudgetError(
            f"You may have {counted(most, what)} at a time; you have {held}, and this asks for {wanted}.",
            f"Stop another server, or ask for less. {_ASK}",
        )


def _path() -> Path:
    return paths.shared_home() / _FILE
