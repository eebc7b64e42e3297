"""What a person sees and does on the page, in a real browser."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher.events import Stage, Usage, now
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.session_state import MachineState, Saving
from tests.browser.conftest import KERNEL, leave, new_context, open_page
from tests.patience import milliseconds, slower
from tests.ui.made import GOOD_START, change, make_session, say, write_lab_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.usefixtures("sessions")

OVER = (*GOOD_START, Stage.STOPPING, Stage.ENDED)
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\x1b[31m\u202egnp.exe"


@pytest.fixture(scope="module")
def loaded(no_session: None, chromium: Browser, address: str) -> Iterator[Page]:  # noqa: ARG001
    """One page for all: to load it takes twenty times as long as to look at what it shows."""
    with new_context(chromium) as context:
        yield open_page(context, address)


@pytest.fixture
def page(loaded: Page) -> Iterator[Page]:
    """The page without a session on it; it meets no dialog and no error."""
    expect(loaded.get_by_role("article")).to_have_count(0)
    yield loaded
    complaints = loaded.context.complaints  # type: ignore[attr-defined]
    met = [*complaints]
    complaints.clear()
    assert met == []


@pytest.fixture
def form_anew(page: Page) -> Iterator[None]:
    """What was typed is gone afterwards."""
    yield
    page.reload()
    page.locator(".gl-start").wait_for()


def test_it_loads_and_says_how_the_network_is(page: Page) -> None:
    assert page.title() == "Golem Launcher"
    assert page.get_by_role("heading", name="Golem Launcher").is_visible()
    page.locator(".gl-status[data-state=up]").wait_for()
    assert "3 providers" in page.locator(".gl-network-state").inner_text()
    assert not page.locator(".gl-sessions").is_visible()
    assert not page.locator(".gl-past").is_visible()


@pytest.mark.usefixtures("form_anew")
def test_errors_stand_beside_their_fields_and_nothing_starts(page: Page) -> None:
    page.get_by_label("Name").fill("Not A Name")
    page.get_by_label("Budget").fill("0")
    page.get_by_label("Cores").fill("many")
    page.get_by_role("button", name="Start JupyterLab on Golem").click()
    page.locator("[aria-invalid]").first.wait_for()

    assert page.locator("[aria-invalid]").evaluate_all("all => all.map(one => one.name)") == ["name", "budget", "cpus"]
    assert page.evaluate("document.activeElement.name") == "name"
    assert page.locator(".gl-field-budget .gl-error-text").inner_text() == "Must be more than 0."
    assert page.locator(".gl-field-cpus .gl-error-text").inner_text() == "Must be a whole number."
    assert page.get_by_role("button", name="Start JupyterLab on Golem").is_enabled()
    assert list(session_directories()) == []

    page.get_by_label("Name").fill("fine")
    assert not page.locator(".gl-field-name .gl-error-text").is_visible()


@pytest.mark.usefixtures("form_anew")
def test_a_name_in_use_is_said_beside_the_name(page: Page) -> None:
    make_session("mine")
    page.get_by_label("Name").fill("mine")
    page.get_by_label("Name").press("Enter")
    page.locator(".gl-field-name .gl-error-text").wait_for()
    assert page.evaluate("document.activeElement.name") == "name"


def test_a_reload_and_a_second_tab_show_the_same(page: Page, address: str) -> None:
    directory = make_session("mine")
    say(directory, "a line of the supervisor")
    write_lab_log(directory, "a line of the Lab")
    other = open_page(page.context, address)
    page.reload()
    for tab in (page, other):
        card = tab.get_by_role("article", name="mine")
        card.locator(".gl-badge", has_text="Ready").wait_for()
        card.get_by_text("a line of the supervisor").wait_for()
        card.get_by_text("a line of the Lab").wait_for()
        assert card.get_by_role("listitem").count() == len(GOOD_START)
        link = card.get_by_role("link", name="Open JupyterLab")
        link.wait_for()
        assert link.get_attribute("href") == "http://127.9.8.7:8888/lab?token=abcdefgh12345678"
        assert link.get_attribute("target") == "_blank"
        assert link.get_attribute("rel") == "noopener noreferrer"

    change(directory, stage=Stage.STOPPING)
    say(directory, "one more line")
    for tab in (page, other):
        tab.locator(".gl-badge", has_text="Stopping").wait_for(timeout=milliseconds(3))
        tab.get_by_text("one more line", exact=True).wait_for(timeout=milliseconds(3))
        assert not tab.get_by_role("link", name="Open JupyterLab").is_visible()  # it is being closed

    change(directory, stage=Stage.ENDED, reason="The time was up.", ended_at=now())
    for tab in (page, other):
        ended = tab.locator(".gl-live").get_by_role("article", name="mine")  # where it ran: nobody has to look for it
        ended.get_by_text("The time was up.").wait_for(timeout=milliseconds(3))
        assert not tab.get_by_role("link", name="Open JupyterLab").is_visible()
    page.reload()
    page.locator(".gl-past").get_by_role("article", name="mine").wait_for()
    leave(other)


def test_a_row_for_each_of_several_machines(page: Page) -> None:
    usage = Usage(cpu_percent=37.4, memory_bytes=210_000_000)
    machines = [MachineState(number=1, provider_name="attic", stage=Stage.READY, ip="10.1.2.2", usage=usage)]
    machines += [MachineState(number=2, provider_name="cellar", stage=Stage.DEPLOYING, lost=1)]
    directory = make_session("many", machines=tuple(machines))
    table = page.get_by_role("table", name="Machines", exact=True)
    table.get_by_role("row", name="1 attic Ready 10.1.2.2 37 % 200.3 MiB").wait_for()
    table.get_by_role("row", name="2 cellar Deploying 1 provider lost").wait_for()
    assert "on attic and 1 other" in page.locator(".gl-where").inner_text()
    change(directory, machines=(machines[0],))
    table.wait_for(state="hidden")


def test_strings_from_a_provider_are_text(page: Page) -> None:
    directory = make_session("mine", machines=(MachineState(provider_name=HOSTILE),), reason=HOSTILE)
    say(directory, HOSTILE)
    write_lab_log(directory, HOSTILE, "x" * 1_000_000, "the end")
    page.get_by_text("the end", exact=True).wait_for()
    assert page.locator(".gl img, .gl script").count() == 0
    shown = page.locator(".gl-session").inner_text()  # not what is announced, which depends on what was there before
    assert shown.count("<img src=x onerror=alert(1)><script>alert(2)</script>\\u202egnp.exe") == 3
    assert "on <img" in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "foreign", ["javascript:alert(1)", "http://evil.example:80", "http://127.0.0.1:80@evil.example", "http://127.9.8.7"]
)
def test_no_link_leads_elsewhere(page: Page, foreign: str) -> None:
    make_session("mine", address=foreign)
    make_session("other")
    page.get_by_role("article", name="other").get_by_role("link").wait_for()
    assert page.get_by_role("article", name="mine").get_by_role("link").count() == 0


def test_abort_asks_once_and_the_keyboard_suffices(page: Page) -> None:
    make_session("mine")
    abort = page.get_by_role("button", name="Abort", exact=True)
    abort.wait_for()
    abort.focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("End this session?").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "Keep"
    page.keyboard.press("Escape")
    assert not page.get_by_text("End this session?").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "Abort"


def test_abort_says_what_is_at_stake_and_offers_to_end_it_anyway(page: Page) -> None:
    problem = "Not saved as they are: big.bin (the workspace has 114.4 MiB, and 102.4 MiB were asked for)."
    saving = Saving(workspace="mine", generation=1, saved_at=now(), files=1, at_stake=1, left_out=1, problem=problem)
    directory = make_session("mine", saving=saving, unsaved=1)
    card = page.get_by_role("article", name="mine")
    stake = f"1 file is not saved, and would be lost: {problem}"
    card.get_by_role("button", name="Abort", exact=True).click()
    asked = card.locator(".gl-asking", has=page.get_by_role("button", name="Abort session"))
    assert stake in asked.inner_text()
    assert "up to ten minutes" in asked.inner_text()
    asked.get_by_role("button", name="Keep").click()
    card.get_by_role("button", name="End at once").click()
    asked = card.locator(".gl-asking", has=page.get_by_role("button", name="End anyway"))
    assert f"{stake} 1 open document has unsaved changes." in asked.inner_text()
    asked.get_by_role("button", name="Wait").click()

    # All is saved: nothing is in the way of an Abort. A save that fails keeps it all the same, and that is told.
    change(directory, saving=saving.model_copy(update={"at_stake": 0, "problem": ""}), unsaved=0)
    expect(card.get_by_role("button", name="End at once")).to_be_hidden()
    change(directory, not_ended="Not ended: the disk is full. It goes on until 14:05.")
    card.get_by_text("Not ended: the disk is full.").wait_for()
    card.get_by_role("button", name="End at once").click()
    card.get_by_role("button", name="End anyway").wait_for()


def test_extend_says_what_comes_of_it_and_fills_in_what_the_budget_lacks(page: Page) -> None:
    make_session("mine", budget=Decimal("0.1"))
    card = page.get_by_role("article", name="mine")
    card.get_by_role("button", name="Extend", exact=True).first.click()
    card.get_by_role("button", name="+1 h · 0.0306 tGLM").click()
    assert card.get_by_label("Budget more").input_value() == ""  # it lasts
    card.get_by_text("costs at most 0.0306 tGLM more.").wait_for()
    card.get_by_role("button", name="+5 h").click()
    assert card.get_by_label("Hours more").input_value() == "5"
    assert 0.08 < float(card.get_by_label("Budget more").input_value()) < 0.09
    card.get_by_label("Hours more").fill("1,5")
    card.get_by_text("costs at most 0.0459 tGLM more").wait_for()


def test_a_flood_of_lines_stays_small(page: Page) -> None:
    directory = make_session("mine")
    for batch in range(20):
        write_lab_log(directory, *(f"line {batch} {number}" for number in range(2000)))
    write_lab_log(directory, "the last line")
    page.get_by_text("the last line", exact=True).wait_for()
    log = page.get_by_role("log")
    assert log.locator(".gl-line-lab").count() <= 500
    assert log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight") < 30


def test_a_session_without_its_supervisor_says_so(page: Page) -> None:
    make_session("mine", GOOD_START[:3], alive=False)
    page.locator(".gl-badge", has_text=re.compile("Unattended|Failed")).wait_for()


def test_a_lab_that_does_not_answer_and_unsaved_documents_are_seen(page: Page) -> None:
    saving = Saving(workspace="mine", generation=1, saved_at=now(), files=3, bytes=10)
    make_session("mine", trouble="JupyterLab does not answer.", saving=saving, unsaved=2)
    card = page.get_by_role("article", name="mine")
    card.get_by_text("Not answering", exact=True).wait_for()
    card.get_by_text("JupyterLab does not answer.").wait_for()
    card.get_by_text("2 open documents have unsaved changes, 3 files").wait_for()


def test_past_sessions_come_after_the_form_and_only_some_of_them(page: Page) -> None:
    saved = Saving(workspace="thesis-1", generation=3, saved_at=now(), files=3, bytes=10)
    for number in range(1, 6):
        age = 9000.0 - number
        make_session(f"thesis-{number}", OVER, alive=False, age=age, saving=saved if number == 1 else None)
    past = page.get_by_role("region", name="Past sessions (5)")
    rows = past.get_by_role("article")
    expect(rows).to_have_count(3)
    start = page.get_by_role("button", name="Start JupyterLab on Golem").bounding_box()
    first = rows.first.bounding_box()
    assert start
    assert first
    assert start["y"] < first["y"]
    page.get_by_role("button", name="Past sessions (5)").click()
    assert page.evaluate("document.activeElement.textContent") == "Past sessions (5)"

    past.get_by_role("button", name="Show all 5").click()
    expect(rows).to_have_count(5)
    expect(past.get_by_role("button", name="Continue")).to_have_count(1)  # of the others nothing is saved
    past.get_by_label("Search", exact=True).fill("SIS-4")
    expect(rows).to_have_count(1)
    past.get_by_label("Search", exact=True).fill("nothing like it")
    past.get_by_text("None of them matches.").wait_for()
    past.get_by_label("Search", exact=True).fill("")
    expect(rows).to_have_count(5)

    # Its workspace is not there: the refusal is said on the card, and nothing is started.
    past.get_by_role("button", name="Continue").click()
    past.get_by_text("there is no saved workspace 'thesis-1'").wait_for()
    make_session("running")
    past.get_by_role("button", name="Clear", exact=True).click()
    past.get_by_text("Take all 5 off this list?").wait_for()
    past.get_by_role("button", name="Clear the list").click()
    expect(page.get_by_role("article")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("region", name="Past sessions (5)").wait_for()


def test_a_cost_whose_invoice_is_late_is_said_to_be_the_most_that_it_may_be(page: Page) -> None:
    directory = make_session("mine", OVER, alive=False, owed_at_most=True)
    page.get_by_text("cost at most 0.0076 ").first.wait_for()
    change(directory, owed_at_most=False)
    page.get_by_text("cost 0.0076 ").first.wait_for()
    expect(page.get_by_text("at most 0.0076")).to_have_count(0)


def test_closing_the_page_ends_its_kernel(page: Page, address: str) -> None:
    api = re.sub(r"/voila/.*\?", "/api/kernels?", address)
    other = open_page(page.context, address)
    kernel = other.evaluate(KERNEL)
    assert kernel in {one["id"] for one in page.context.request.get(api).json()}
    other.close(run_before_unload=True)
    deadline = time.monotonic() + 20 * slower()
    while kernel in {one["id"] for one in page.context.request.get(api).json()}:
        assert time.monotonic() < deadline
