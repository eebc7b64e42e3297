"""Why an agent has ended, in words. It is a stranger's report: shown cleaned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.text import clean_line, sentence

if TYPE_CHECKING:
    from golem_launcher.agent.exit_report import Report

_LONGEST = 300


def reason_in(report: Report | None) -> str:
    """The reason as two clean sentences, empty when there is none: the agent's, and the last line of what ran there."""
    if report is None:
        return ""
    told = (("The agent there says", report.what), ("The last line of its log", report.log))
    return " ".join(sentence(f"{label}: {clean_line(said, longest=_LONGEST)}") for label, said in told if said)
