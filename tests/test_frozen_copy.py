"""Changing frozen values by name."""

import pytest

from golem_launcher.frozen_copy import changed
from golem_launcher.session_state import SessionState


def test_a_name_that_is_no_field_is_refused():
    state = SessionState(name="mine", network="local")

    assert changed(state, {"reason": "over"}).reason == "over"
    with pytest.raises(KeyError, match="new_end"):
        changed(state, {"new_end": None, "reason": "over"})
