"""Formats a session's state for terminals: its cost, its machines, all that ``show`` prints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from golem_launcher.cli.terminal.moment import moment
from golem_launcher.networks import token_of
from golem_launcher.units import coins, counted, data_size, with_coin
from golem_launcher.workload.lab import LAB

if TYPE_CHECKING:
    from decimal import Decimal

    from golem_launcher.session_state import ClusterState, MachineState, SessionState

_HOUR = 3600


class Costing(Protocol):
    """A session, as far as its cost goes: its state, or what a list says of it."""

    @property
    def network(self) -> str: ...  # noqa: D102 - as of a state
    @property
    def cost(self) -> Decimal: ...  # noqa: D102
    @property
    def owed_at_most(self) -> bool: ...  # noqa: D102


def cost(state: Costing) -> str:
    """What a session costs, in its network's coin; at most, when its invoice is missing."""
    return f"{_amount(state)} {token_of(state.network)}"


def budget(state: SessionState) -> str:
    """What a session may cost, in its network's coin."""
    return f"{coins(state.budget)} {token_of(state.network)}"


def _amount(state: Costing) -> str:
    return f"at most {coins(state.cost)}" if state.owed_at_most else coins(state.cost)


def session_lines(state: SessionState, url: str | None, view_only_url: str | None = None) -> list[tuple[str, str]]:
    """What ``show`` prints of a session: titles and words, in order."""
    from golem_launcher.session.saving.documents import count

    lines = [
        ("name", state.name),
        ("stage", state.stage.value),
        ("reason", state.reason),
        ("at present", state.progress.words if state.progress and not state.stage.final else None),
        ("moving", state.move.words if state.move and state.move.stage != "done" and not state.stage.final else None),
        ("trouble", state.trouble),
        ("network", state.network),
        ("workload", state.workload if state.workload != LAB.name else None),
        ("provider", state.head.provider_name),
        ("url", url),
        ("view only", view_only_url),
        ("cost", f"{_amount(state)} of {budget(state)}"),
        ("price", f"{_price(state.price_per_hour, state)} an hour at full load" if state.price_per_hour else None),
        ("standby", _standby(state)),
        ("money ends", _projection(state)),
        ("cluster", cluster_words(state.cluster) if state.cluster and not state.stage.final else None),
        ("created", moment(state.created_at)),
        ("started", moment(state.started_at) if state.started_at else None),
        ("deadline", moment(state.deadline) if state.deadline else None),
        ("ended", moment(state.ended_at) if state.ended_at else None),
        ("usage", _usage(state)),
        *_gpus(state),
        ("saved", _saved(state)),
        ("asked", _asked(state)),
        *(("variables", one.words) for one in state.variables),
        ("not ended", state.not_ended),
        ("unused", state.idle),
        ("not saved", count(state.unsaved) if state.unsaved and not state.stage.final else None),
        *(("notice", notice) for notice in state.notices),
        ("allocation", state.allocation_id),
        *(_machine_lines(state) if len(state.machines) > 1 else _ids(state.head)),
    ]
    return [(title, text) for title, text in lines if text]


def _standby(state: SessionState) -> str:
    """How the machine stands that would take over, and what it costs."""
    standby = state.standby
    if standby is None or state.stage.final:
        return ""
    hour = f"{coins(standby.price_per_hour)} of the {coins(state.price_per_hour)} {token_of(state.network)} an hour"
    price = f"; {hour}" if standby.price_per_hour is not None else ""
    return f"{standby.words(state.standby_behind)}{price}"


def _asked(state: SessionState) -> str:
    """What the Lab asks for, and how the user says yes."""
    asked = state.asked
    return "" if asked is None or state.stage.final else f"{asked.line} Yes: {asked.yes(state.name)}"


def _ids(machine: MachineState) -> list[tuple[str, str | None]]:
    return [("agreement", machine.agreement_id), ("activity", machine.activity_id)]


def _machine_lines(state: SessionState) -> list[tuple[str, str | None]]:
    """A line for each of several machines, and its ids."""
    lines: list[tuple[str, str | None]] = []
    for machine in state.machines:
        lines.append(("machine", machine_words(machine, state)))
        lines += _ids(machine)
    return lines


def machine_words(machine: MachineState, state: SessionState) -> str:
    """One of several machines, in a line."""
    words = [
        machine.stage.value,
        machine.ip,
        f"{_price(machine.price_per_hour, state)} an hour" if machine.price_per_hour is not None else "",
        _used(machine) if not state.stage.final else "",
        f"{counted(machine.lost, 'provider')} lost" if machine.lost else "",
        machine.trouble,
    ]
    return f"{machine.name}: {', '.join(filter(None, words))}"


def _price(amount: Decimal, state: SessionState) -> str:
    return with_coin(amount, token_of(state.network))


def cluster_words(cluster: ClusterState) -> str:
    """A Dask cluster, in a line."""
    asked = cluster.asked if cluster.asked is not None and cluster.asked > cluster.most else None
    more = f"; the notebook asks for {asked:,}" if asked is not None else ""
    return f"{counted(cluster.workers, 'Dask worker')}, {cluster.most} at most{more}"


def _projection(state: SessionState) -> str:
    """When the money ends, and what the session costs an hour of late."""
    ends = state.money_ends_at
    left = (ends - datetime.now(UTC)).total_seconds() if ends else 0.0
    if state.stage.final or ends is None or left <= 0:
        return ""
    rate = float(state.budget - state.cost) * _HOUR / left
    first = ", before its time is over" if state.deadline and ends < state.deadline else ""
    return f"{moment(ends)}{first}, at {rate:.2g} {token_of(state.network)} an hour as of late"


def _usage(state: SessionState) -> str:
    return "" if state.stage.final or len(state.machines) > 1 else _used(state.head)


def _gpus(state: SessionState) -> list[tuple[str, str]]:
    """The GPUs of all machines, a line each."""
    several = len(state.machines_in_use) > 1
    return [
        ("gpu", f"{machine.name}: {line}" if several else line)
        for machine in state.machines_in_use
        for line in machine.gpu_lines
        if not state.stage.final
    ]


def _used(machine: MachineState) -> str:
    used = machine.usage
    if used is None:
        return ""
    return f"{used.cpu_percent:.0f} % of a core, {data_size(used.memory_bytes)} of memory"


def _saved(state: SessionState) -> str:
    saving = state.saving
    if saving is None:
        return ""
    problem = "" if state.stage.final else state.stalled or saving.problem  # afterwards the reason of the end has it
    if saving.generation is None:
        return problem or "nothing, there was no file yet"
    at = f" at {saving.saved_at.astimezone():%H:%M:%S %Z}" if saving.saved_at else ""
    what = f"{counted(saving.files, 'file')}{at}, save {saving.generation} of '{saving.workspace}'"
    return f"{what}. {problem}".rstrip(". ")
