"""Commands about a session that runs: ``%extend``, ``%logs``, ``%provider``, ``%autoconnect``."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from golem_launcher import files
from golem_launcher.agent.whole_number import whole
from golem_launcher.errors import RequestError
from golem_launcher.kernel import cards
from golem_launcher.kernel.commands.command import Command
from golem_launcher.networks import NETWORKS
from golem_launcher.units import coins, counted

if TYPE_CHECKING:
    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output
    from golem_launcher.session.on_disk.directory import SessionDirectory

_MORE = re.compile(r"(hours|budget)\s*=\s*\+?(\d+(?:\.\d+)?)", re.ASCII)
_COUNT_DIGITS = 6
_LINES = 20


async def _extend(notebook: Notebook, call: CommandCall, output: Output) -> None:
    from golem_launcher.session import client

    more = dict(_MORE.findall(call.words))
    if not more or _MORE.sub("", call.words).strip():
        raise RequestError("More time, or more money, or both.", "Like: %extend hours=1 budget=0.5")
    connection = notebook.connected()
    state = await asyncio.to_thread(client.extend, connection.name, **more)
    ends = f"{state.deadline.astimezone():%H:%M %Z}" if state.deadline else "no fixed time"
    token = NETWORKS[state.network].token
    await output.say(f"The session ends at {ends} and may cost {coins(state.budget)} {token}.")


async def _logs(notebook: Notebook, call: CommandCall, output: Output) -> None:
    if notebook.last is None:
        raise RequestError("This notebook had no session yet.", "Connect: %connect")
    count = whole(call.words, _COUNT_DIGITS) if call.words else _LINES
    if not count:
        raise RequestError(f"'{call.words}' is no number of lines.", "Like: %logs 50")
    await output.say(await asyncio.to_thread(last_lines, notebook.last, count))


def last_lines(directory: SessionDirectory, count: int) -> str:
    """What happened to a session, and what its Jupyter logged."""
    told = [f"{one.at.astimezone():%H:%M:%S}  {one.line}" for one in directory.last_events() if one.line]
    lines = [*told[-count:], *files.last_lines(directory.workload_log)[-count:]]
    return "\n".join(lines) or "Nothing was logged yet."


async def _provider(notebook: Notebook, call: CommandCall, output: Output) -> None:
    from golem_launcher.market import history

    state = await notebook.connected().state()
    head = state.head
    if head.provider_id is None:
        raise RequestError("There is no provider at the moment.", "Wait until another one took over.")
    if call.words == "avoid":
        notebook.choices["deny"] = (*notebook.choices.get("deny", ()), head.provider_id)
        await output.say(f"{head.provider_name} is not taken again by this notebook. Another one now: %move")
        return
    if call.words:
        raise RequestError(f"'{call.words}' can't be done with a provider.", "Like: %provider avoid")
    known = (await asyncio.to_thread(history.read)).get(head.provider_id, history.ProviderRecord())
    price = f"{coins(state.price_per_hour)} {NETWORKS[state.network].token} an hour at full load"
    rows = [
        ("id", head.provider_id),
        ("price", price if state.price_per_hour else ""),
        ("agreements", counted(known.agreements, "agreement")),
        ("failures", counted(known.failures, "failure") if known.failures else "none"),
        ("failed last", known.last_failure),
        ("reputation", f"{known.reputation:.0%}, by what we saw of it"),
        ("avoided", known.avoided()),
    ]
    await output.show(cards.table(head.provider_name or "(no name)", rows, ["Not again: %provider avoid"]))


async def _autoconnect(notebook: Notebook, call: CommandCall, output: Output) -> None:
    from golem_launcher.market.requirement_shorthand import read_words
    from golem_launcher.request import parse_request

    switch, _, words = call.words.partition(" ")
    if switch not in {"", "on", "off"}:
        raise RequestError(f"'{switch}' is neither on nor off.", "Like: %autoconnect on mem>4")
    fields = read_words(words)
    parse_request({**notebook.choices, **fields})
    if switch:
        notebook.autoconnect = switch == "on"
        notebook.choose(fields)
    says = "connects by itself" if notebook.autoconnect else "does not connect by itself"
    await output.say(f"A cell that needs a provider {says}.")


COMMANDS = (
    Command(
        "extend",
        "[hours=N] [budget=N]",
        "Gives the session more time, more money, or both.",
        _extend,
        ("%extend hours=1", "%extend hours=2 budget=0.5"),
        completions=lambda _notebook, _before: ["hours=", "budget="],
    ),
    Command("logs", "[LINES]", "Says what happened, and what Jupyter over there logged.", _logs, ("%logs", "%logs 50")),
    Command(
        "provider",
        "[avoid]",
        "Says who the provider is and what is remembered of it; avoid: not again.",
        _provider,
        ("%provider", "%provider avoid"),
        completions=lambda _notebook, _before: ["avoid"],
    ),
    Command(
        "autoconnect",
        "[on|off] [FIELD=VALUE …]",
        "Has a cell connect by itself, by the budget and these fields.",
        _autoconnect,
        ("%autoconnect on", "%autoconnect on mem>4 hours=2", "%autoconnect off"),
        completions=lambda _notebook, before: ["on", "off"] if " " not in before.strip() else [],
    ),
)
