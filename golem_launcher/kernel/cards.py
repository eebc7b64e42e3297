"""How a notebook sees a session: its stages while it starts, and a card with provider, money and time."""

from __future__ import annotations

import html
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golem_launcher.events import Stage
from golem_launcher.kernel.output import Shown
from golem_launcher.units import coins, counted, data_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session_state import SessionState

_WORDS = {
    Stage.CHECKING: "Checking node and market",
    Stage.ALLOCATING: "Reserving the budget",
    Stage.NEGOTIATING: "Finding a provider",
    Stage.DEPLOYING: "The provider gets the image ready",
    Stage.STARTING: "Jupyter starts over there",
    Stage.READY: "Connected",
    Stage.SAVING: "Saving a last time",
    Stage.STOPPING: "Waiting for the bill",
    Stage.ENDED: "Ended",
    Stage.SUSPENDED: "Suspended",
    Stage.FAILED: "Failed",
    Stage.RECOVERING: "Another provider is looked for",
}
PLAIN = "tex2jax_ignore mathjax_ignore"
"""The class of HTML in which Jupyter's pages make no mathematics, nor its links, of what a provider wrote."""
_BOX = (
    "border:1px solid var(--jp-border-color2,#bbb);border-radius:4px;padding:6px 10px;max-width:44em;"
    "font-family:var(--jp-ui-font-family,sans-serif);font-size:var(--jp-ui-font-size1,13px)"
)
_BAR = "height:4px;border-radius:2px;background:var(--jp-border-color2,#ccc);margin-top:4px"
_FILL = "height:4px;border-radius:2px;background:var(--jp-brand-color1,#1976d2);width:{share:.0f}%"
_CELL = "padding:0 1em 0 0;text-align:left;background:none;vertical-align:top;border:0"
_ABOUT_STAGES = 6


def table(title: str, rows: Sequence[tuple[str, str]], notes: Sequence[str] = ()) -> Shown:
    """A title, names with what they are, and sentences below."""
    shown = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in shown), default=0) + 2
    lines = [title, *(f"  {name + ':':<{width}}{value}" for name, value in shown), *notes]
    body = "".join(
        f'<tr style="background:none"><td style="{_CELL};opacity:.7">{html.escape(name)}</td>'
        f'<td style="{_CELL}">{html.escape(value)}</td></tr>'
        for name, value in shown
    )
    below = "".join(f"<div>{html.escape(note)}</div>" for note in notes)
    rows_html = f'<table style="border:0;margin:2px 0">{body}</table>' if body else ""
    return Shown(
        "\n".join(lines), f'<div class="{PLAIN}" style="{_BOX}"><b>{html.escape(title)}</b>{rows_html}{below}</div>'
    )


def progress(title: str, at_present: str = "", share: float | None = None, lines: Sequence[str] = ()) -> Shown:
    """What is being done: lines of what is over, what is done at present, and how far, of 1, as a bar."""
    text = "\n".join([title, *(f"  {line}" for line in lines), *([f"  {at_present}"] if at_present else [])])
    parts = [f"<b>{html.escape(title)}</b>", *(f"<div>{html.escape(line)}</div>" for line in lines)]
    if at_present:
        parts.append(f"<div>{html.escape(at_present)}</div>")
    if share is not None:
        fill = _FILL.format(share=100 * min(max(share, 0.0), 1.0))
        parts.append(f'<div style="{_BAR}"><div style="{fill}"></div></div>')
    return Shown(text, f'<div class="{PLAIN}" style="{_BOX}">{"".join(parts)}</div>')


def starting(state: SessionState, title: str) -> Shown:
    """A session on its way to being ready: each stage with the seconds that it took."""
    spent: dict[Stage, float] = {}
    for (stage, began), (_, ended) in itertools.pairwise(state.stages):
        spent[stage] = spent.get(stage, 0.0) + (ended - began).total_seconds()
    lines = [f"{_WORDS[stage]}: {seconds:.1f} s" for stage, seconds in spent.items()]
    if state.stage in {Stage.READY, Stage.ENDED, Stage.FAILED}:
        return progress(f"{title}: {_WORDS[state.stage].lower()}", lines=lines)
    if state.progress is not None:
        return progress(title, state.progress.words, state.progress.share, lines)
    return progress(title, f"{_WORDS[state.stage]} …", min(len(state.stages) / _ABOUT_STAGES, 1.0), lines)


def waiting(state: SessionState, trouble: str) -> Shown:
    """A session whose kernel is lost: what is waited for, and why. What is back then is the next cell's to say.

    ``trouble``: why there is no kernel yet, in words; empty where that is not known.
    """
    if state.move is not None and state.move.stage == "switching":
        return progress(state.move.words)
    if state.stage is Stage.READY:
        return progress("Waiting for a kernel over there …", trouble)
    if state.head.activity_id is not None:
        return progress("Waiting for the way to the provider …", state.reason)
    return progress("Waiting for a provider …", state.reason)


def ending(state: SessionState, title: str) -> Shown:
    """A session on its way to its end."""
    return progress(title, f"{_WORDS[state.stage]} …" if state.stage in {Stage.SAVING, Stage.STOPPING} else "")


def connected(state: SessionState, *, token: str, machine: Sequence[tuple[str, str]] = ()) -> Shown:
    """A session that runs."""
    return table(f"Connected to {state.head.provider_name or 'a provider'}", [*session_rows(state, token), *machine])


def session_rows(state: SessionState, token: str) -> list[tuple[str, str]]:
    """Who, for how much, for how long, and what is saved."""
    ran = (datetime.now(UTC) - state.started_at).total_seconds() if state.started_at else None
    left = (state.deadline - datetime.now(UTC)).total_seconds() if state.deadline else None
    price = f"{coins(state.head.price_per_hour)} {token} an hour at full load" if state.head.price_per_hour else ""
    return [
        ("provider", f"{state.head.provider_name or ''} {state.head.provider_id or ''}".strip()),
        ("session", state.name),
        ("network", state.network),
        ("price", price),
        ("spent", f"{coins(state.cost)} of {coins(state.budget)} {token}"),
        ("running", duration(ran)),
        ("time left", duration(left)),
        ("saved", saved(state)),
        ("trouble", state.trouble),
    ]


def saved(state: SessionState) -> str:
    """What of a session is saved, in words."""
    saving = state.saving
    if saving is None:
        return "nothing is saved (save=no)"
    if saving.generation is None:
        return saving.problem or (
            "nothing, there was no file" if state.stage.final else "nothing yet, there is no file"
        )
    at = f" at {saving.saved_at.astimezone():%H:%M:%S %Z}" if saving.saved_at else ""
    return f"{counted(saving.files, 'file')}{at}, in workspace '{saving.workspace}'"


def machine_rows(request: LaunchRequest, state: SessionState) -> list[tuple[str, str]]:
    """What was asked of the machine, and what the session uses of it now."""
    used = state.head.usage
    words = ""
    if used is not None:
        words = f"{used.cpu_percent:.0f}% of a core, {data_size(used.memory_bytes)} of memory"
        words += f", {data_size(used.disk_bytes)} of disk"
        words += f", {used.gpu_percent:.0f}% of the GPU" if used.gpu_percent is not None else ""
    return [("machine", asked_of_machine(request)), ("in use", words)]


def asked_of_machine(request: LaunchRequest) -> str:
    """How large a machine was asked for, in words."""
    gpus = f"{counted(request.gpus, 'GPU')} {request.gpu_model or ''}".rstrip() if request.gpus else ""
    words = [
        f"{request.memory_gib:g} GiB of memory",
        f"{request.disk_gib:g} GiB of disk",
        counted(request.cpus, "core"),
        gpus,
    ]
    return f"at least {', '.join(filter(None, words))}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them; empty where they are not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
