"""What a session sends to a provider, and what it knows of the one that took it. Imports nothing of yapapi."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """What to put into the provider and how to start it."""

    files: tuple[tuple[str, bytes], ...]
    """Path in the container, content."""
    volumes: tuple[str, ...]
    """Directories of the provider's disk that it must have there, whether its image names them or not."""
    argv: tuple[str, ...]
    last_words: tuple[str, ...]
    """The command that tells, over there, what the package said last."""


@dataclass(frozen=True)
class Rented:
    """A provider that runs our package."""

    provider_id: str
    provider_name: str
    """Cleaned."""
    agreement_id: str
    activity_id: str
    ip: str
    """Its address in the private network."""
    network_id: str
