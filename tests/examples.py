"""How often a property is tried: as often as it takes to find what breaks it, and a few times in the quick suite."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> int:
    """So many, where not the quick suite asks for fewer of everything; for ``max_examples``, which would not ask it."""
    if settings.get_current_profile_name() == "quick":
        return min(count, settings.default.max_examples)
    return count
