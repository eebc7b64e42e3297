"""What an offer costs: see :mod:`golem_launcher.market.prices`, whose names these are."""

from __future__ import annotations

from golem_launcher.market.prices import CPU, DURATION, SECONDS_PER_HOUR, Price, glm

__all__ = ["CPU", "DURATION", "SECONDS_PER_HOUR", "Price", "glm"]
