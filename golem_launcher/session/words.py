"""The last words of an agent that could not start JupyterLab. A stranger's text: read with care, shown cleaned."""

from __future__ import annotations

from golem_launcher.text import clean_line

_AGENT = "[agent] "
_ENDED = "everything has ended"
_LONGEST = 300
_STAMP = len("2026-01-01 00:00:00 ")


def agent_has_ended(said: str) -> bool:
    """Whether there will be no further try over there."""
    lines = said.rstrip().splitlines()
    return bool(lines) and lines[-1].startswith(_AGENT) and lines[-1].endswith(_ENDED)


def reason_in(said: str) -> str:
    """The reason in them as two clean sentences, empty when there is none: the agent's, and its Lab's before that."""
    lines = [line for line in said.splitlines() if line.strip()]
    own = [line.removeprefix(_AGENT)[_STAMP:] for line in lines if line.startswith(_AGENT) and _ENDED not in line]
    lab = [line for line in lines if not line.startswith(_AGENT)]
    return " ".join([*_sentence("The agent there says", own), *_sentence("The last line of its log", lab)])


def _sentence(label: str, lines: list[str]) -> list[str]:
    return [f"{label}: {clean_line(lines[-1], longest=_LONGEST).rstrip('.')}."] if lines else []
