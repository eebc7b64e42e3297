from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from golem_launcher.events import CostChanged, EndsSoon, Progress, ProviderLost, Stage, StageChanged, Usage, Used, now
from golem_launcher.ui.cards.event_digest import POINTS_AT_MOST, EventDigest
from tests.ui.made import GOOD_START, make_session, say


def test_what_happened_before_is_no_news_and_what_happens_after_is() -> None:
    directory = make_session("mine", GOOD_START[:5])
    digest = EventDigest(directory, "JupyterLab", now())
    assert digest.poll() == []
    assert digest.poll() is None
    directory.append_event(StageChanged(stage=Stage.READY))
    directory.append_event(EndsSoon(minutes=10, why="time"))
    directory.append_event(EndsSoon(minutes=2, why="money"))
    directory.append_event(ProviderLost(provider_name="attic", reason="silent\x1b[2J"))
    directory.append_event(StageChanged(stage=Stage.READY))
    directory.append_event(StageChanged(stage=Stage.FAILED, reason="No."))
    alerts = digest.poll()
    assert alerts is not None
    assert [(alert["what"], alert["text"]) for alert in alerts] == [
        ("ready", "JupyterLab is ready."),
        ("time-10", "Its time is over in less than 10 minutes. Extend it to go on."),
        ("money-2", "Its budget is used up in less than 2 minutes. Extend it to go on."),
        ("lost", "attic was lost: silent"),
        ("ready", "JupyterLab is ready again."),
        ("failed", "No."),
    ]
    assert digest.over


def test_what_happened_since_the_page_was_opened_is_news_however_late_it_is_read() -> None:
    directory = make_session("mine", GOOD_START[:5])
    opened = now()
    directory.append_event(StageChanged(stage=Stage.READY))
    alerts = EventDigest(directory, "JupyterLab", opened).poll()
    assert alerts is not None
    assert [alert["what"] for alert in alerts] == ["ready"]


def test_what_happens_now_and_how_far_transfers_are() -> None:
    directory = make_session("mine", GOOD_START[:5])
    digest = EventDigest(directory, "JupyterLab", now())
    say(directory, "sending\u202e packages")
    directory.append_event(Progress(what="numpy", done=1, total=3, unit="MB"))
    digest.poll()
    assert digest.view()["doing"] == "sending\\u202e packages"
    assert digest.view()["progress"] == [{"what": "numpy", "done": 1.0, "total": 3.0, "figures": "1 of 3 MB (33 %)"}]
    directory.append_event(Progress(what="numpy", done=3, total=3, unit="MB"))
    digest.poll()
    assert digest.view()["progress"] == []
    directory.append_event(Progress(what="packages", done=0, total=0, detail="unpacking 3 packages"))
    digest.poll()
    assert digest.view()["progress"][0]["figures"] == "unpacking 3 packages"  # nobody knows how many bytes that is
    directory.append_event(StageChanged(stage=Stage.READY))
    digest.poll()
    assert digest.view()["doing"] == ""


def test_the_plot_keeps_its_ends_and_stays_small_and_the_rate_is_the_latest() -> None:
    directory = make_session("mine")
    began = now() - timedelta(hours=2)
    for number in range(1000):
        at = began + timedelta(seconds=number)
        directory.append_event(CostChanged(at=at, cost=Decimal(number) / 3600))  # one an hour
    digest = EventDigest(directory, "JupyterLab", now())
    digest.poll()
    view = digest.view()
    assert len(view["costs"]) <= POINTS_AT_MOST
    assert [view["costs"][0][1], view["costs"][-1][1]] == [0.0, 999 / 3600]
    assert round(view["rate"], 6) == 1
    assert EventDigest(make_session("other"), "JupyterLab", now()).view()["rate"] is None


def test_the_plots_of_what_is_used_keep_their_ends_and_peaks_and_stay_small() -> None:
    directory = make_session("mine")
    began = now() - timedelta(hours=2)
    for number in range(1000):
        usage = Usage(cpu_percent=100.0 if number == 501 else number / 100, memory_bytes=number)
        directory.append_event(Used(at=began + timedelta(seconds=number), usage=usage, save_age=number % 7))
    digest = EventDigest(directory, "JupyterLab", now())
    digest.poll()
    used = digest.view()["used"]
    assert set(used) == {"cpu_percent", "memory_bytes", "save_age"}, "a machine without a GPU tells nothing of one"
    for points in used.values():
        assert len(points) <= POINTS_AT_MOST
        assert points[0][0] == round(began.timestamp(), 1)
        assert points[-1][0] - points[0][0] == 999
        assert points == sorted(points, key=lambda point: point[0])
    assert max(value for _, value in used["cpu_percent"]) == 100
    assert used["memory_bytes"][-1][1] == 999
