"""Validates the answers of an agent's server. Raises ``WorkspaceError`` for what none of ours would say."""

from __future__ import annotations

from typing import Any, TypeGuard

from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.untrusted_json import LARGEST, json_value
from golem_launcher.untrusted_text import clean_line


def count_of(answer: dict[str, Any]) -> int:
    """How many chunks have arrived there. Raises ``ProviderError`` when it could not take them."""
    count, error = answer.get("next"), answer.get("error")
    if error:
        raise ProviderError(f"The provider could not take the files: {as_shown(error)}.")
    if not isinstance(count, int):
        raise nonsense("no number")
    return count


def as_object(data: bytes, *, most: int = LARGEST) -> dict[str, Any]:
    """A JSON object of at most so many bytes."""
    try:
        value = json_value(data, most=most)
    except ValueError:
        raise nonsense("no JSON") from None
    if not isinstance(value, dict):
        raise nonsense("no object")
    return value


def are_pairs(value: Any) -> TypeGuard[list[list[Any]]]:
    """Whether a provider's answer is a list of lists of two: checked before it is read as pairs."""
    return isinstance(value, list) and all(isinstance(each, list) and len(each) == 2 for each in value)  # noqa: PLR2004


def as_shown(value: Any) -> str:
    """A provider's text as it may be shown; for what is no text, words that say so."""
    return clean_line(value if isinstance(value, str) else f"({type(value).__name__})", longest=300)


class Nonsense(WorkspaceError):  # noqa: N818
    """A provider sent what no agent of ours would send."""


def nonsense(what: str) -> Nonsense:
    """The error for what no agent of ours would send."""
    return Nonsense(f"The provider sent what our program never sends ({what}).", "What was saved before is safe.")
