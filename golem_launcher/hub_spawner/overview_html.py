"""The administrators' page as HTML: servers that run, users and groups. Without a script; every text is escaped."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher.units import coins, counted, duration, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from golem_launcher.hub_spawner.overview import GroupLine, HubOverview, RunningServer, UserLine
    from golem_launcher.hub_spawner.quotas import Quota

_TITLE = "Servers and spending"


def page(overview: HubOverview, *, prefix: str, hub: str, xsrf: str, told: str = "") -> str:
    """The page. ``prefix``: the path below which it answers; ``hub``: the hub's own; ``xsrf``: what a form sends along.

    ``told``: what became of what was asked for, in a sentence.
    """
    now = datetime.now(UTC)
    token = overview.token
    head = ("Cost", "Price an hour", "Budget", "Machines", "GPUs", "Last save")
    servers = _table(
        "running",
        "Servers that run",
        ("User", "Server", "Stage", "For", *head, "End it"),
        [_server(one, prefix, xsrf, now) for one in overview.servers],
        figures=head,
    )
    of_month = (f"{token} spent", f"{token} set aside", "Hours", "Machines now", "GPUs now")
    lines = _table(
        "users",
        f"Users in {now:%B %Y} (UTC)",
        ("User", "Groups", *of_month),
        [_user(one) for one in overview.users],
        figures=of_month,
    )
    groups = _table(
        "groups",
        f"Groups in {now:%B %Y} (UTC)",
        ("Group", "Each may have", "Users", *of_month),
        [_group(one, token) for one in overview.groups],
        figures=("Users", *of_month),
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_TITLE}</title>'
        f'<meta name="viewport" content="width=device-width">'
        f'<link rel="stylesheet" href="{_text(prefix)}page.css"></head><body><main><h1>{_TITLE}</h1>'
        f'<p><a href="{_text(hub)}home">The hub</a> · <a href="{_text(prefix)}">Look again</a></p>'
        f'<p role="status">{_text(told)}</p>{servers}{lines}{groups}'
        "<p>Within a month's quota is what was spent and what is set aside for servers that run; hours likewise. "
        "Quotas are set by <code>golem-launcher quota set</code>.</p></main></body></html>"
    )


def _table(key: str, title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, figures: Iterable[str]) -> str:
    """A table whose first column names each row. Cells are HTML already, but for the first, which is text."""
    heading = f'<h2 id="{key}">{_text(title)}</h2>'
    if not rows:
        return f"{heading}<p>There is none.</p>"
    kinds = [' class="figure"' if name in figures else "" for name in head]
    columns = "".join(f'<th scope="col"{kind}>{_text(name)}</th>' for name, kind in zip(head, kinds, strict=True))
    body = "".join(_row(row, kinds) for row in rows)
    return (
        f'{heading}<div class="table" role="region" aria-labelledby="{key}" tabindex="0">'
        f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[str], kinds: Sequence[str]) -> str:
    """Where cells are missing at its end, the last that is there takes their place."""
    cells = [f"<td{kind}>{cell}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=False)]
    if missing := len(kinds) - len(row):
        cells[-1] = f'<td colspan="{missing + 1}">{row[-1]}</td>'
    return f'<tr><th scope="row">{_text(row[0])}</th>{"".join(cells)}</tr>'


def _server(server: RunningServer, prefix: str, xsrf: str, now: datetime) -> tuple[str, ...]:
    state = server.state
    saved = None if state.saving is None else state.saving.saved_at
    return (
        server.user.name,
        _text(state.name),
        _text(state.stage.value) + (f' <span class="problem">{_text(state.trouble)}</span>' if state.trouble else ""),
        duration((now - state.created_at).total_seconds()),
        coins(state.cost),
        "" if state.price_per_hour is None else coins(state.price_per_hour),
        coins(state.budget),
        str(len(state.machines_in_use)),
        str(server.gpus),
        "none yet" if saved is None else f"{duration((now - saved).total_seconds())} ago",
        _end(server, prefix, xsrf) if server.can_end else "on its way",
    )


def _end(server: RunningServer, prefix: str, xsrf: str) -> str:
    """What ends it, by a second press."""
    whose = f"{server.user.name}'s server {server.state.name}"
    hidden = {"_xsrf": xsrf, "user": server.user.home.name, "server": server.state.name}
    fields = "".join(f'<input type="hidden" name="{name}" value="{_text(value)}">' for name, value in hidden.items())
    return (
        f'<details><summary aria-label="End {_text(whose)} …">End …</summary>'
        f'<form method="post" action="{_text(prefix)}end">{fields}<p>All is saved first.</p>'
        f'<button aria-label="Save and end {_text(whose)}">Save and end</button></form></details>'
    )


def _user(line: UserLine) -> tuple[str, ...]:
    groups = _text(", ".join(line.user.groups))
    account, quota = line.account, line.quota
    if account is None:
        return line.user.name, groups, f'<span class="problem">{_text(line.problem)}</span>'
    spent = _of(coins(account.spent), account.spent + account.set_aside, quota.coins)
    hours = _of(number(round(account.hours, 1)), account.hours, quota.hours)
    machines = _of(str(account.machines), account.machines, quota.machines)
    gpus = _of(str(account.gpus), account.gpus, quota.gpus)
    return line.user.name, groups, spent, coins(account.set_aside), hours, machines, gpus


def _group(line: GroupLine, token: str) -> tuple[str, ...]:
    account = line.account
    figures = coins(account.spent), coins(account.set_aside), number(round(account.hours, 1))
    name = line.name or "(everybody)"
    return name, _text(_said(line.quota, token)), str(line.members), *figures, str(account.machines), str(account.gpus)


def _said(quota: Quota, token: str) -> str:
    """A quota in words; empty where nothing is said."""
    parts = [f"{number(quota.coins)} {token} a month" if quota.coins is not None else ""]
    parts += [f"{number(quota.hours)} hours a month" if quota.hours is not None else ""]
    parts += [counted(quota.machines, "machine") if quota.machines is not None else ""]
    parts += [counted(quota.gpus, "GPU") if quota.gpus is not None else ""]
    return ", ".join(filter(None, parts))


def _of(shown: str, held: Decimal | int, most: Decimal | int | None) -> str:
    """A figure and the most of it; marked where nothing is left."""
    if most is None:
        return shown
    text = f"{shown} of {number(Decimal(most))}"
    return f'<span class="over">{text}, all of it</span>' if held >= most > 0 else text


def _text(value: str) -> str:
    return html.escape(value, quote=True)
