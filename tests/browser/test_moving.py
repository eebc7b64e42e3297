"""A move to another machine, asked for in the Lab, granted on the page and hurried there, while a cell runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher.session import client
from tests.browser import lab
from tests.browser.conftest import open_page
from tests.patience import milliseconds, slower

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]


def test_it_waits_for_a_cell_until_somebody_says_now_and_the_lab_tells_all_of_it(
    chromium: Browser, context: BrowserContext, address: str, home: Path, pictures: Path
) -> None:
    del home
    with lab.session("roaming", hours=1) as directory, lab.lab(chromium, directory) as page:
        lab.new_notebook(page)
        lab.type_cell(page, "x = 41; print('set')")
        lab.output(page, "set")
        lab.type_cell(page, "import time; print('busy'); time.sleep(900)")
        lab.output(page, "busy")
        page.locator(".golem-item", has_text="left").click()
        panel = page.locator(".golem-panel")
        panel.get_by_role("button", name="Another machine …").click()
        panel.get_by_text("golem-launcher move roaming").wait_for()

        launcher = open_page(context, address)
        card = launcher.get_by_role("article", name="roaming")
        card.locator(".gl-lab-asks", has_text="The Lab asks for another machine.").wait_for()
        card.get_by_role("button", name="See the price …").click()
        card.get_by_text("Both machines are paid until that one is ready").wait_for(timeout=milliseconds(lab.SECONDS))
        launcher.screenshot(path=pictures / "move-price.png")
        card.get_by_role("button", name="Move", exact=True).click()
        card.get_by_text("to go on there").first.wait_for(timeout=milliseconds(lab.SECONDS))
        panel.get_by_text("to go on there").wait_for(timeout=milliseconds(lab.SECONDS))
        card.get_by_role("button", name="Move now").wait_for(timeout=milliseconds(lab.SECONDS))
        panel.get_by_text("takes over as soon as no cell runs").wait_for()
        launcher.screenshot(path=pictures / "move-waits.png")
        page.screenshot(path=pictures / "move-waits-in-the-lab.png")

        left = directory.state().head.provider_id
        card.get_by_role("button", name="Move now").click()
        card.get_by_text("Cells that run end.").wait_for()
        card.get_by_role("button", name="Move now").last.click()
        panel.get_by_text("Now at ").wait_for(timeout=milliseconds(lab.SECONDS))
        state = client.wait_for(
            directory, lambda state: state.move is not None and state.move.over, lab.SECONDS * slower()
        )
        assert state is not None
        assert state.head.provider_id != left
        card.locator(".gl-badge", has_text="Ready").wait_for(timeout=milliseconds(lab.SECONDS))
        expect(card.locator(".gl-where")).to_contain_text(str(state.head.provider_name))
        expect(card.locator(".gl-move")).to_be_hidden()
        page.screenshot(path=pictures / "moved-in-the-lab.png")
