"""Commands about being connected: ``%connect``, ``%disconnect``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError, SessionError, UsedUp
from golem_launcher.kernel import cards
from golem_launcher.kernel.commands.command import Command
from golem_launcher.kernel.commands.money import choose, read_budget
from golem_launcher.market.requirement_shorthand import FIELDS, read_words
from golem_launcher.networks import NETWORKS, RETIRED
from golem_launcher.request.fields import about
from golem_launcher.units import coins

if TYPE_CHECKING:
    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output, Shown
    from golem_launcher.session_state import SessionState

_HEAD = re.compile(r"([a-z]+)(?!\s*[<>=])(?:\s+(?![^\s<>=]+\s*[<>=])(\S+))?(?=\s|$)", re.ASCII)
"""A network, and an amount: a second word that is no field's."""
_OWN = re.compile(r"(?:^|\s)(timeout|session)\s*=\s*(\S+)", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h)?", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}
_LONGEST = 3600.0


async def _connect(notebook: Notebook, call: CommandCall, output: Output) -> None:
    own, words = _own_words(call.words)
    chosen = None
    if head := _HEAD.match(words):
        chosen = read_budget(head[1], head[2])
        words = words[head.end() :]
    fields, seconds = read_words(words), _seconds(own.get("timeout", "1h"))
    present = notebook.connection
    if present is not None and not present.over:
        raise SessionError(f"The notebook is connected already, to '{present.name}'.", "%disconnect first.")
    if chosen is not None:
        await choose(notebook, chosen, output)
    if "session" in own:
        from golem_launcher.kernel.commands.attaching import attach

        await attach(notebook, own["session"], "new", output)
        return
    await notebook.connect(output, fields, seconds)


def _own_words(text: str) -> tuple[dict[str, str], str]:
    """The words that are no field of a request, and the rest."""
    return dict(_OWN.findall(text)), _OWN.sub(" ", text).strip()


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise RequestError(f"'timeout={text}' is no time.", "Like: timeout=10m")
    return min(float(found[1]) * _SECONDS[found[2] or "s"], _LONGEST)


def _may_follow(_notebook: Notebook, before: str) -> list[str]:
    word, sign, _ = before.rpartition(" ")[2].partition("=")
    if sign and word in FIELDS:
        return [f"{word}={one}" for one in about(FIELDS[word]).choices]
    heads = [*NETWORKS, *RETIRED] if " " not in before.strip() else []
    signs = {"least": ">", "most": "<", "": "="}
    return [
        *heads,
        *(f"{one}{signs[about(field).bound]}" for one, field in sorted(FIELDS.items())),
        "timeout=",
        "session=",
    ]


async def _disconnect(notebook: Notebook, _call: CommandCall, output: Output) -> None:
    from golem_launcher.kernel.connection import end

    present = notebook.connected()
    await notebook.synced.equalize(output)
    notebook.connection = None
    if not await present.leave():
        await notebook.synced.leave()
        await output.say(
            f"Left the session '{present.name}', which goes on. Again: %attach {present.name}. End it, in a terminal: "
            f"golem-launcher stop {present.name}"
        )
        return
    place = output.place()

    async def told(state: SessionState) -> None:
        await place.show(cards.ending(state, f"Disconnecting from {state.head.provider_name or 'the provider'}"))

    state = await end(present.directory, told)
    await notebook.synced.fetch_last(output)
    await output.show(_bill(state))


async def _move(notebook: Notebook, call: CommandCall, output: Output) -> None:
    """End the session, and start another one with its files elsewhere, for what is left of its budget."""
    from golem_launcher.session.client import waking

    present = notebook.connected()
    own, words = _own_words(call.words)
    fields = read_words(words)
    state = await present.state()
    if state.saving is None:
        raise SessionError("Nothing of this session is saved, so nothing could be moved.", "%connect with save=yes.")
    before = present.directory.request()
    of_the_same = "budget" not in fields and fields.get("network", before.network) == before.network
    if of_the_same:
        _check_money_left(state)
    kept = {name: getattr(before, name) for name in before.model_fields_set if name not in {"name", "resume", "inputs"}}
    elsewhere = (*before.deny, *([state.head.provider_id] if state.head.provider_id else []))
    await _disconnect(notebook, call, output)
    ended = present.directory.state()
    kept.pop("budget", None)  # of another network's coin nothing was said
    if of_the_same:
        _check_money_left(ended)
        kept["budget"] = waking.rest_of(ended)
    resume = state.saving.workspace if ended.saving is not None and ended.saving.generation is not None else None
    wanted = {**kept, "deny": elsewhere, **({"resume": resume} if resume else {}), **fields}
    await notebook.connect(output, wanted, _seconds(own.get("timeout", "1h")))
    if notebook.connected().variables_wait:
        await output.say("Files and packages are as they were. Variables come with the next cell, which names them.")
    else:
        await output.say("Files and packages are as they were; variables are not: run the cells again.")


def _check_money_left(state: SessionState) -> None:
    """Raise ``UsedUp`` where a session that goes on elsewhere would have nothing to pay with."""
    from golem_launcher.session.client import waking

    if waking.rest_of(state) <= 0:
        token = NETWORKS[state.network].token
        raise UsedUp(
            f"The budget of '{state.name}', {coins(state.budget)} {token}, is used up.",
            "Say another one: %move budget=1. Where it has ended, its files are kept: %connect "
            f"resume={state.name} budget=1",
            field="budget",
        )


def _bill(state: SessionState) -> Shown:
    token = NETWORKS[state.network].token
    most = "at most " if state.owed_at_most else ""
    return cards.table(
        f"Disconnected from {state.head.provider_name or 'the provider'}",
        [
            ("it ran", cards.duration(state.ran_seconds)),
            ("it cost", f"{most}{coins(state.cost)} {token}"),
            (
                "of the budget",
                f"{coins(max(state.budget - state.cost, 0 * state.cost))} {token} are back in the wallet",
            ),
            ("saved", cards.saved(state)),
        ],
        [state.reason] if state.reason else [],
    )


COMMANDS = (
    Command(
        "connect",
        "[NETWORK [AMOUNT]] [mem>GIB] [disk>GIB] [cores>N] [FIELD=VALUE …] [timeout=10m] [session=NAME]",
        "Rents a provider and connects to it: what cells hold runs there from then on.",
        _connect,
        (
            "%connect mem>4 disk>100 cores>2",
            "%connect local 1",
            "%connect hoodi 2 cores>4 gpu>0 hours=2 packages=pandas,seaborn timeout=10m",
            "%connect strategy=random image_hash=5389c01c128f94f14653bc0b56822c22b4b3987737ef8f3c0ac61946",
        ),
        f"Every field of a request can be said: {', '.join(sorted(set(FIELDS.values())))}.",
        _may_follow,
    ),
    Command(
        "move",
        "[FIELD=VALUE …] [timeout=10m]",
        "Goes on with another provider: the same files and packages, and what is asked for besides.",
        _move,
        ("%move", "%move mem>8", "%move gpu>0"),
        "The session is saved and ended, and another one begun with its request, its budget anew.",
        _may_follow,
    ),
    Command("disconnect", "", "Saves, ends the session and pays; says what it cost.", _disconnect, ("%disconnect",)),
)
