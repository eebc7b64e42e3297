"""What is particular to a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.networks import NETWORKS

if TYPE_CHECKING:
    import pytest


def test_who_works_on_this_computer_is_waited_for_the_longer_the_busier_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others' computers know nothing of this one."""
    for waiting, longer in ((0.2, 1.0), (4.0, 4.0)):
        monkeypatch.setattr(clock, "busyness", lambda waiting=waiting: waiting)
        assert NETWORKS["local"].patience.lasts(20.0) == 20.0 * longer
        assert NETWORKS["polygon"].patience.lasts(180.0) == 180.0
