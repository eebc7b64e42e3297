"""What the Lab asks for on a card, by its module alone: what the user says yes to is what was shown with its price."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import golem_launcher.ui
from tests.browser.modules import page_of_modules

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_UI = Path(golem_launcher.ui.__file__).parent
_SHOW = """async () => {
  const { LabRequestsView } = await import("/cards/lab_requests.js");
  window.sent = [];
  const send = (kind) => (what) => window.sent.push([kind, what]);
  window.view = new LabRequestsView({ extend: send("extend"), price: send("price"), move: send("move"),
    end: send("end"), decline: send("decline") });
  document.body.append(window.view.element);
}"""
_ASK = "what => view.update({ live: true, asked: what && { what, hours: 0, words: `The Lab asks: ${what}.` } })"
_ANSWER = """what => view.answered({ kind: "answer", name: "mine", to: "move quote", ok: true, what,
  text: `0.1 an hour (${what}).` })"""


def test_a_price_is_of_the_machine_that_is_asked_for(chromium: Browser) -> None:
    with page_of_modules(chromium, _UI) as page:
        page.evaluate(_SHOW)
        yes = page.locator(".gl-lab-yes")
        page.evaluate(_ASK, "move")
        yes.click()
        page.evaluate(_ANSWER, "move")
        assert page.get_by_role("status").inner_text() == "The Lab asks: move. 0.1 an hour (move)."
        assert yes.inner_text() == "Move"

        page.evaluate(_ASK, "gpu")  # the Lab asks for a dearer machine, now that the user is about to say yes
        assert page.get_by_role("status").inner_text() == "The Lab asks: gpu."
        assert yes.inner_text() == "See the price …"
        yes.click()
        page.evaluate(_ASK, "move")
        page.evaluate(_ANSWER, "gpu")  # too late
        assert yes.inner_text() == "See the price …"
        yes.click()
        page.evaluate(_ANSWER, "move")
        yes.click()
        assert page.evaluate("sent") == [["price", "move"], ["price", "gpu"], ["price", "move"], ["move", "move"]]
