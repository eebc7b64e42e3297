"""The wallet on the page: this computer's real node, and a fake one for networks where money counts."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.market.test_outside import HASH, ME
from tests.ui.fake_node import answers_of, fake_node

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.usefixtures("sessions")


def test_the_wallet_of_this_computers_node(page: Page) -> None:
    wallet = page.locator(".gl-wallet")
    page.locator(".gl-status[data-state=up]").wait_for()
    wallet.locator("summary").click()
    address = wallet.locator(".gl-address")
    address.wait_for()
    assert address.inner_text().startswith("0x")
    assert "Reserved" in wallet.inner_text()
    assert "nothing is settled on this network" in wallet.inner_text()
    assert wallet.get_by_role("link").count() == 0


def test_real_money_asks_for_a_back_up_and_shows_where_to_send_how_much(
    page: Page, context: BrowserContext, home: Path
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    wallet = page.locator(".gl-wallet")
    with fake_node(answers_of()):
        page.get_by_role("radio", name="Polygon").check()
        page.get_by_label("Budget", exact=True).fill("20")
        wallet.get_by_text("7.5 GLM of that is missing").or_(
            wallet.get_by_text("8.75 GLM of that is missing")
        ).wait_for()
        assert wallet.get_attribute("open") is not None
        assert "This is real money. First back up the identity" in wallet.get_by_role("note").inner_text()
        assert "12.5 GLM, 0.82 POL for fees" in page.locator(".gl-funds").inner_text()
        assert wallet.get_by_role("img", name=f"QR code of {ME}").is_visible()
        payment = wallet.get_by_role("listitem").first.get_by_role("link")
        assert payment.get_attribute("href") == f"https://polygonscan.com/tx/0x{HASH}"
        assert payment.get_attribute("rel") == "noopener noreferrer"
        assert "onboarding" in str(wallet.get_by_role("link", name="Buy GLM").get_attribute("href"))
        wallet.get_by_role("button", name="Copy", exact=True).click()
        wallet.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == ME

        with page.expect_download() as download:
            wallet.get_by_role("button", name="Download the back-up").click()
        assert json.loads(download.value.path().read_text())["address"] == ME[2:]
        wallet.get_by_text("The identity is backed up.").wait_for()
        assert wallet.get_by_role("note").count() == 0
    (home / "backed-up.json").unlink()


def test_the_faucet_is_waited_for_where_one_sees_it(page: Page) -> None:
    wallet = page.locator(".gl-wallet")
    held = threading.Event()
    answers = answers_of("hoodi", "tGLM", "tETH", amount="0")
    fund = "/_gsb/local/driver/erc20/Fund"
    with fake_node(answers | {fund: held, f"{fund} then": answers[fund]}):
        page.get_by_role("radio", name="Hoodi").check()
        button = wallet.get_by_role("button", name="Get play money")
        button.click()
        wallet.get_by_role("progressbar").wait_for()
        wallet.get_by_text("one to four minutes").wait_for()
        assert button.is_disabled()
        held.set()
        wallet.get_by_text("minted 1000 tGLM").wait_for()
        assert button.is_enabled()
