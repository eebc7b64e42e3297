"""Who uses the keyboard alone keeps a place on the page, whatever a control that they press brings or takes away."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher.events import LabAsks
from golem_launcher.session_state import Saving
from tests.browser.conftest import new_context, open_page
from tests.ui.fake_node import answers_of, fake_node
from tests.ui.made import change, make_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.usefixtures("sessions")

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhTnGXqrDVJoOrm0OaMTQyZ7F2VgVQXLFVb3KHZcBk8 me@home"
_WATCH = """
() => {
  window.lost = [];
  let before = document.activeElement;
  const look = () => {
    const { activeElement } = document;
    if (activeElement === document.body && before !== document.body) window.lost.push(before.outerHTML.slice(0, 200));
    before = activeElement;
    requestAnimationFrame(look);
  };
  look();
}
"""
"""Notes each picture of the page in which the place was gone."""


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    with new_context(chromium) as context:
        page = open_page(context, address)
        page.locator(".gl-status[data-state=up]").wait_for()
        page.evaluate(_WATCH)
        yield page
        assert page.evaluate("window.lost") == []
        assert page.evaluate("document.activeElement !== document.body")


def _press(button: Locator) -> None:
    button.focus()
    button.press("Enter")


def test_a_message_that_is_dismissed(page: Page, home: Path) -> None:
    blocked = home / "form" / "presets.json"
    blocked.unlink(missing_ok=True)
    blocked.mkdir(parents=True)  # so that a preset can't be kept, which nobody foresaw
    try:
        _press(page.get_by_role("button", name="Save as preset"))
        page.get_by_label("Title of the preset").fill("mine")
        page.get_by_label("Title of the preset").press("Enter")
        _press(page.get_by_role("button", name="Dismiss"))
    finally:
        blocked.rmdir()
    expect(page.locator(".gl-banners .gl-error")).to_have_count(0)
    expect(page.locator(".gl-wallet summary")).to_be_focused()


def test_a_back_up_of_the_wallet(page: Page, home: Path) -> None:
    wallet = page.locator(".gl-wallet")
    with fake_node(answers_of()):
        page.get_by_role("radio", name="Polygon").check()
        with page.expect_download():
            _press(wallet.get_by_role("button", name="Download the back-up"))
        wallet.get_by_text("The identity is backed up.").wait_for()
        expect(wallet.locator("summary")).to_be_focused()
        with page.expect_download():
            _press(wallet.get_by_role("button", name="Back up again"))
    (home / "backed-up.json").unlink()


def test_a_faucet_that_is_asked(page: Page) -> None:
    wallet = page.locator(".gl-wallet")
    held = threading.Event()
    answers = answers_of("hoodi", "tGLM", "tETH", amount="0")
    fund = "/_gsb/local/driver/erc20/Fund"
    with fake_node(answers | {fund: held, f"{fund} then": answers[fund]}):
        page.get_by_role("radio", name="Hoodi").check()
        button = wallet.get_by_role("button", name="Get play money")
        _press(button)
        wallet.get_by_role("progressbar").wait_for()
        expect(button).to_be_focused()
        held.set()
        wallet.get_by_text("minted 1000 tGLM").wait_for()
        expect(button).to_be_focused()


def test_an_advice_that_is_taken(page: Page) -> None:
    page.get_by_label("GPUs").fill("7")
    price = page.locator(".gl-price")
    _press(price.get_by_role("button", name="Use this").first)
    expect(price.get_by_role("button", name="Use this")).to_have_count(0)
    expect(page.get_by_role("heading", name="What it will cost")).to_be_focused()


def test_a_machine_that_goes_while_it_is_chosen(page: Page) -> None:
    row = page.get_by_role("checkbox", name="local-small", exact=True)
    row.focus()
    row.press("Space")
    expect(row).to_be_checked()
    expect(row).to_be_focused()
    page.evaluate(  # as if it were asked for at another place of the page, meanwhile
        """() => {
          const cpus = document.querySelector(".gl-field-cpus input");
          cpus.value = "4";
          cpus.dispatchEvent(new Event("input", { bubbles: true }));
        }"""
    )
    expect(row).to_have_count(0)


def test_a_start_that_is_refused(page: Page) -> None:
    name = page.get_by_label("Name", exact=True)
    name.fill("no name")
    _press(page.locator(".gl-start"))
    expect(name).to_be_focused()


def test_an_answer_about_notifications(page: Page) -> None:
    make_session("work")
    button = page.get_by_role("button", name="Notify me")
    _press(button)  # a browser without a window answers no by itself
    expect(button).to_have_count(0)
    expect(page.get_by_role("heading", name="Sessions")).to_be_focused()


def test_an_ssh_server_that_is_asked_for_again(page: Page) -> None:
    make_session("shell", asked={"ssh_key": _KEY})
    card = page.get_by_role("article", name="shell")
    _press(card.get_by_text("Other ways in"))
    again = card.get_by_role("button", name="Ask again")
    again.focus()
    old = again.element_handle()
    again.press("Enter")
    page.wait_for_function("(old) => !old.isConnected", arg=old)
    expect(again).to_be_focused()


def test_what_a_card_waits_for(page: Page) -> None:
    directory = make_session("work", saving=Saving(workspace="work", generation=1))
    card = page.get_by_role("article", name="work")
    change(directory, asked=LabAsks(what="gpu"))
    for name in ("Save now", "See the price …"):
        _press(card.get_by_role("button", name=name))
    card.get_by_role("button", name="Abort", exact=True).press("Enter")
    card.get_by_role("button", name="Abort session").press("Enter")
    expect(card.locator(".gl-abort")).to_be_disabled()
    expect(card.locator(".gl-abort")).to_be_focused()
