"""Which variables of a session's notebooks are kept, as its agent tells: a stranger's words, bounded and cleaned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from golem_launcher.agent.kernel_state import ELSEWHERE
from golem_launcher.session_state import KeptVariables
from golem_launcher.untrusted_json import json_value, number
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.session.reporting.recorder import Recorder

_EVERY_SECONDS = 10.0
_MOST_NOTEBOOKS, _MOST_NAMES, _MOST_LOST = 10, 20, 10
_LONGEST_PATH, _LONGEST_NAME, _LONGEST_REASON = 200, 60, 160
_MOST_BYTES, _MOST_COUNT = 1 << 50, 1_000_000


async def follow_variables(client: WorkloadClient, recorder: Recorder) -> None:
    """Keep in the session's state what is kept of variables, until cancelled."""
    while True:
        try:
            found = read(await client.variables())
        except (TimeoutError, OSError, aiohttp.ClientError):
            found = None
        if found is not None and found != recorder.state.variables:
            recorder.update(variables=found)
        await asyncio.sleep(_EVERY_SECONDS)


def read(answer: bytes) -> tuple[KeptVariables, ...] | None:
    """What an answer of the agent says; ``None`` when it makes no sense."""
    try:
        value = json_value(answer)
        if not isinstance(value, list):
            return None
        return tuple(map(_notebook, value[:_MOST_NOTEBOOKS]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _notebook(value: dict[str, Any]) -> KeptVariables:
    """One notebook's. Raises what a value raises that is another than expected."""
    path = _text(value["notebook"], _LONGEST_PATH)
    return KeptVariables(
        notebook="a notebook of your computer" if path.startswith(ELSEWHERE) else path,
        names=tuple(
            (_text(name, _LONGEST_NAME), _count(size, _MOST_BYTES)) for name, size in value["names"][:_MOST_NAMES]
        ),
        count=_count(value["count"], _MOST_COUNT),
        bytes=_count(value["bytes"], _MOST_BYTES),
        lost=tuple(
            (_text(name, _LONGEST_NAME), _text(why, _LONGEST_REASON)) for name, why in value["lost"][:_MOST_LOST]
        ),
        lost_count=_count(value["lost_count"], _MOST_COUNT),
        left_out=tuple(_text(name, _LONGEST_NAME) for name in value["left_out"][:_MOST_LOST]),
    )


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return clean_line(value, longest=longest)


def _count(value: Any, most: int) -> int:
    found = number(value)
    if found is None or found < 0:
        raise ValueError("no count")
    return int(min(found, most))
