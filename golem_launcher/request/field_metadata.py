"""Metadata of a request's field beside pydantic's type, limits, title and description.

Its option, its form control, its constraint in a demand and the words about it are made of that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Group = Literal["main", "machine", "software", "files", "machines", "advanced"]


@dataclass(frozen=True)
class About:
    """Metadata of one field, in its annotation beside pydantic's ``Field``."""

    group: Group
    """Where form and ``--help`` show it."""
    unit: str = ""
    """In the plural."""
    option: str = ""
    """The option of ``golem-launcher start``, where it is not the field's name."""
    bound: Literal["least", "most", ""] = ""
    """Whether machines must have at least so much, or may cost at most so much."""
    offered: str = ""
    """The property of offers that a ``least`` is compared with: the demand asks for it, and offers are judged by it."""
    words: tuple[str, ...] = ()
    """What it is called in requirements in short, like ``mem>4``."""
    kind: str = ""
    """The form's control, where the field's type does not say it."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """The values that it takes, each with its title; empty: others than a few."""
    when: Mapping[str, Any] = field(default_factory=dict)
    """It is of use only while another ``field`` ``is`` (or is ``not``) one of some values."""
    example: str = ""
