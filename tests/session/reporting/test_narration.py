"""What a terminal is told while a session gets ready."""

from golem_launcher.events import Progress, Stage
from golem_launcher.session.reporting import narration
from golem_launcher.session.reporting.narration import Narration
from golem_launcher.session_state import SessionState


def test_what_gets_on_is_told_and_what_does_not_is_told_seldom_with_its_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(narration.time, "monotonic", lambda: now[0])
    told, lines = Narration(), []
    state = SessionState(name="a", network="local", stage=Stage.STARTING)
    for second in range(20):
        now[0] = float(second)
        detail = "fetching numpy" if second < 4 else "unpacking 6 packages"
        progress = Progress(what="Installing packages", done=0, total=0, detail=detail)
        lines += told.lines(state.model_copy(update={"progress": progress}))
    assert lines == [
        "a: starting …",
        "a: Installing packages: fetching numpy",
        "a: Installing packages: unpacking 6 packages",
        "a: Installing packages: unpacking 6 packages … 7 s",
    ]
