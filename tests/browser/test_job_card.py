"""The card of a job: a grid of its tasks that follows what a command does, whatever the theme and the width."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher.events import Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.tasks import record
from golem_launcher.tasks.job import Job
from golem_launcher.tasks.record import JobRecord, Line
from tests.browser.axe import check_in_both_schemes
from tests.browser.conftest import new_context, open_page
from tests.ui.made import GOOD_START, change, make_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.usefixtures("sessions")


@pytest.fixture
def page(chromium: Browser, address: str, home: Path) -> Iterator[Page]:
    with new_context(chromium, accept_downloads=True) as context:
        yield open_page(context, address)
    shutil.rmtree(home / "jobs", ignore_errors=True)


def _lines(tasks: int) -> list[Line]:
    """A job of ``tasks`` two thirds of which are behind it, at three providers."""
    now = time.time()
    lines = [Line(kind="begun", at=now - 120)]
    for task in range(tasks * 2 // 3):
        provider = f"0x{task % 3}"
        name = ("attic", "barn", "cellar")[task % 3]
        lines.append(Line(kind="given", task=task, provider=provider, provider_name=name, at=now - 120))
        lines.append(Line(kind="done", task=task, provider=provider, seconds=4.2))
    lines += [Line(kind="given", task=tasks - 2 - number, provider=f"0x{number}", at=now) for number in range(3)]
    lines.append(Line(kind="failed", task=3 * tasks // 4, reason="exit code 1: there is no scene"))
    return lines


def _write(directory: record.JobDirectory, *lines: Line) -> None:
    with contextlib.closing(JobRecord(directory)) as written:
        for line in lines:
            written.add(line, sure=False)


def test_a_grid_follows_the_tasks_of_a_job_and_can_be_read_in_every_theme(page: Page, tmp_path: Path) -> None:
    output = tmp_path / "frames"
    (output / "0").mkdir(parents=True)
    (output / "0" / "frame.png").write_bytes(b"png")
    job = Job(command=("true",), items=tuple(map(str, range(60))), output=str(output), request=LaunchRequest())
    directory = record.create("frames", job.model_dump(mode="json"))
    with directory.held():
        _write(directory, *_lines(60))
        session = make_session("frames", workload="tasks")
        card = page.get_by_role("article", name="frames")
        grid = card.get_by_role("img", name="40 of 60 tasks done, 3 running, 1 failed, 16 waiting")
        grid.wait_for()
        assert grid.locator(".gl-cell").count() == 60
        card.get_by_text("left").first.wait_for()
        card.get_by_text("Task 45 failed: exit code 1: there is no scene").wait_for()
        card.locator("summary", has_text="Providers").click()
        expect(card.get_by_role("row", name="attic 14 0 58 s 58")).to_be_visible()
        check_in_both_schemes(page, card, "job")
        page.set_viewport_size({"width": 360, "height": 900})
        expect(card.get_by_role("columnheader", name="Worked")).to_be_visible()
        _write(directory, Line(kind="done", task=58, provider="0x0", seconds=1))
        card.get_by_role("img", name="41 of 60 tasks done, 2 running").wait_for()

        card.get_by_role("button", name="Stop", exact=True).click()
        card.get_by_role("button", name="Stop after running tasks").click()
        card.get_by_text("Nothing more is begun").wait_for()
        assert directory.stop_asked

    change(session, stage=Stage.ENDED, stages=(*session.state().stages, (Stage.ENDED, session.state().created_at)))
    expect(card.get_by_role("button", name="Do what is missing")).to_be_visible()
    with page.expect_download() as download:
        card.get_by_role("button", name="Download results").click()
    assert download.value.suggested_filename == "frames-results.zip"
    expect(card.get_by_role("list", name="What the squares mean")).to_have_text(re.compile("missing.*done.*failed"))
    expect(card.get_by_title("59: missing")).to_be_visible()
    expect(card.get_by_role("columnheader", name="Worked")).to_be_visible()
    expect(card.get_by_role("columnheader", name="Now")).to_be_hidden()  # nobody is at anything
    check_in_both_schemes(page, card, "job-over")
    card.get_by_role("button", name="Open results in a Lab").click()
    expect(page.get_by_role("textbox", name="Files to bring")).to_have_value(str(output))


def test_a_job_that_cannot_go_on_says_why(page: Page) -> None:
    job = Job(command=("true",), items=("a", "b"), output="/made", request=LaunchRequest(name="spent", budget=1))
    directory = record.create("spent", job.model_dump(mode="json"))
    cost = Line(kind="cost", session="2026-12-01T10:00:00+00:00", cost="1")
    _write(directory, Line(kind="begun"), Line(kind="done", task=0, provider="0x0"), cost)
    make_session("spent", (*GOOD_START, Stage.STOPPING, Stage.ENDED), alive=False, workload="tasks")
    card = page.get_by_role("article", name="spent")
    card.get_by_text("1 earlier session of this job cost 1 tGLM.").wait_for()
    card.get_by_role("button", name="Do what is missing").click()
    card.get_by_text("which is all of its budget").wait_for()
    expect(card.get_by_role("button", name="Do what is missing")).to_be_enabled()
    more = card.get_by_label("Budget in all")
    expect(more).to_be_focused()
    check_in_both_schemes(page, card, "job-spent")
    more.press("Escape")
    expect(card.get_by_role("button", name="Do what is missing")).to_be_focused()
    card.get_by_role("button", name="Do what is missing").press("Enter")
    expect(more).to_be_focused()
    more.fill("0,5")
    more.press("Enter")
    expect(card.get_by_role("button", name="Do what is missing")).to_be_enabled()
    card.get_by_text("which is all of its budget. Give it more.").wait_for()
    more.press("Escape")
    expect(more).to_be_hidden()
    expect(card.get_by_role("button", name="Do what is missing")).to_be_enabled()


def test_thousands_of_tasks_stay_a_grid_that_one_can_look_at(page: Page) -> None:
    job = Job(command=("true",), items=tuple(map(str, range(5000))), output="/made", request=LaunchRequest())
    directory = record.create("many", job.model_dump(mode="json"))
    with directory.held():
        _write(directory, *_lines(5000))
        make_session("many", workload="tasks")
        card = page.get_by_role("article", name="many")
        card.get_by_text("A square is 9 tasks.").wait_for()
        assert card.locator(".gl-grid .gl-cell").count() == 556
        check_in_both_schemes(page, card, "job-many")
