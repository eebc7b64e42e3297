"""``golem-launcher quota``: what users of a hub may spend and hold, and what they do."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.options.completion import network_names
from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.cli.terminal.table import show_table
from golem_launcher.errors import RequestError
from golem_launcher.networks import DEFAULT, token_of
from golem_launcher.request.typed_numbers import with_point
from golem_launcher.units import coins, number

if TYPE_CHECKING:
    from golem_launcher.hub_spawner.account import UserAccount
    from golem_launcher.hub_spawner.quotas import Quota, Quotas
    from golem_launcher.hub_spawner.users import HubUser

app = typer.Typer(help="What users of a hub may spend and hold, and what they do (docs/hub.md).", no_args_is_help=True)

_NONE = "none"
_WHOLE, _NUMBER = re.compile(r"[0-9]{1,6}"), re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


def add_commands(parent: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    parent.add_typer(app, name="quota")


@app.command("list")
@reports_errors
def list_users(
    *,
    network: Annotated[
        str,
        typer.Option(
            "--network", metavar="TEXT", help="Whose coin is counted.", autocompletion=network_names, show_default=True
        ),
    ] = DEFAULT,
    json: Json = False,
) -> None:
    """List quotas, and the hub's users: what each has spent and reserved this month (UTC), hours, machines and GPUs.

    Examples:
    golem-launcher quota list --network polygon
    """
    from golem_launcher.hub_spawner import quotas, users
    from golem_launcher.hub_spawner.account import account

    said, token = quotas.read(), token_of(network)
    found = [(user, said.of(user), account(user, token)) for user in users.known()]
    if json:
        print_json([_as_json(*one) for one in found])
    else:
        show_table(
            ("QUOTA OF", "GLM A MONTH", "HOURS", "MACHINES", "GPUS"),
            _said(said),
            right=("GLM A MONTH", "HOURS", "MACHINES", "GPUS"),
        )
        say("")
        if not found:
            say("No user of a hub has had a server here.")
            return
        head = ("USER", "GROUPS", f"{token} SPENT", "SET ASIDE", "A MONTH", "HOURS", "MACHINES", "GPUS")
        show_table(head, [_row(*one) for one in found], give_way=("GROUPS", "USER"), right=head[2:])


@app.command("set")
@reports_errors
def set_quota(
    *,
    user: Annotated[
        str | None, typer.Option("--user", metavar="TEXT", help="For this user, whatever groups say.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="TEXT", help="For members of this group of the hub.")
    ] = None,
    glm: Annotated[
        str | None,
        typer.Option(
            "--glm", metavar="NUMBER", help="GLM (tGLM on test networks) per calendar month. 'none' removes it."
        ),
    ] = None,
    hours: Annotated[
        str | None, typer.Option("--hours", metavar="NUMBER", help="Server hours per calendar month, or 'none'.")
    ] = None,
    machines: Annotated[
        str | None, typer.Option("--machines", metavar="NUMBER", help="Machines at a time, or 'none'.")
    ] = None,
    gpus: Annotated[str | None, typer.Option("--gpus", metavar="NUMBER", help="GPUs at a time, or 'none'.")] = None,
) -> None:
    """Set what users of a hub may have, from the next start of a server on; without --user and --group, everybody.

    A user's own figure counts, else the most generous of the user's groups, else everybody's; with 'none' the next of
    these applies, and there is no limit where nothing is set. It is judged before any
    money is set aside: what servers cost this month, and the whole budgets of those that run, are within the quota.

    Examples:
    golem-launcher quota set --glm 5 --hours 40 --machines 1 --gpus 0
    golem-launcher quota set --group gpu-users --gpus 1 --glm 20
    golem-launcher quota set --user ann --glm none
    """
    from golem_launcher.hub_spawner import quotas

    if user is not None and group is not None:
        raise RequestError("Name either --user or --group, not both.")
    typed = {"coins": glm, "hours": hours, "machines": machines, "gpus": gpus}
    figures = {name: _figure(text, whole=name in {"machines", "gpus"}) for name, text in typed.items() if text}
    if not figures:
        raise RequestError("No quota was given.", "Give at least one of --glm, --hours, --machines, --gpus.")
    quotas.write(quotas.read().with_figures(figures, user=user, group=group))
    say("Set; it counts from the next start of a server on.")


def _figure(text: str, *, whole: bool) -> Decimal | int | None:
    if text == _NONE:
        return None
    text = with_point(text)
    if not (_WHOLE if whole else _NUMBER).fullmatch(text):
        raise RequestError(f"'{text}' is not a {'whole ' if whole else ''}number of 0 or more.")
    return int(text) if whole else Decimal(text)


def _said(said: Quotas) -> list[tuple[str, ...]]:
    named = {
        "(everybody)": said.everybody,
        **{f"group {name}": quota for name, quota in sorted(said.groups.items())},
        **{f"user {name}": quota for name, quota in sorted(said.users.items())},
    }
    return [(name, *map(_most, (of.coins, of.hours, of.machines, of.gpus))) for name, of in named.items()]


def _most(figure: Decimal | int | None) -> str:
    return "" if figure is None else number(Decimal(figure))


def _row(user: HubUser, quota: Quota, account: UserAccount) -> tuple[str, ...]:
    return (
        user.name,
        ", ".join(user.groups),
        coins(account.spent),
        coins(account.set_aside),
        _most(quota.coins),
        _of(number(round(account.hours, 1)), quota.hours),
        _of(str(account.machines), quota.machines),
        _of(str(account.gpus), quota.gpus),
    )


def _of(held: str, most: Decimal | int | None) -> str:
    return held if most is None else f"{held} of {number(Decimal(most))}"


def _as_json(user: HubUser, quota: Quota, account: UserAccount) -> dict[str, Any]:
    return {
        "user": user.name,
        "groups": user.groups,
        "home": str(user.home),
        "account": vars(account),
        "quota": quota.model_dump(),
    }
