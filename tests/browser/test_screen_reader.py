"""What a screen reader makes of the page, from the form to the end of a session: roles, names, and what is read out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.patience import milliseconds

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]

_SECONDS = 30

_HEAR = """
window.heard = [];
new MutationObserver((changes) => {
  for (const { target } of changes) {
    const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
    const region = element?.closest("[role=status], [role=alert], [aria-live=polite], [aria-live=assertive]");
    const words = region?.innerText.trim();
    if (words && words !== window.heard.at(-1)) window.heard.push(words);
  }
}).observe(document.body, { childList: true, characterData: true, subtree: true });
"""
"""Keeps what live regions say, in order."""


_FORM = """
- main:
  - heading "Golem Launcher" [level=1]
  - status:
    - strong: This computer
  - form "New session":
    - heading "New session" [level=2]
    - group "Presets"
    - textbox "Name"
    - group "Network":
      - radio "This computer no money" [checked]
    - textbox "Budget"
    - textbox "Time"
    - heading "Machine" [level=3]
    - textbox "Cores"
    - heading "Environment" [level=3]
    - group "Software":
      - radio "Base" [checked]
    - heading "Files" [level=3]
    - region "What it will cost":
      - status
      - button "Start JupyterLab on Golem"
"""
_READY = """
- article "by-ear":
  - heading "by-ear" [level=3]
  - link "Open JupyterLab (opens a new tab)"
  - button "Abort"
  - list "Stages":
    - listitem: /Checking , done/
    - listitem: /Ready , now/
  - group "Spent": /of 1 tGLM/
  - group "Time left":
    - button "Extend"
  - group "Saved":
    - button "Save now"
  - group "The machine":
    - group "CPU"
    - group "Memory"
  - group:
    - searchbox "Search the log of by-ear"
    - log "Log of by-ear"
"""
_ASKED = """
- group:
  - text: End this session? Its files are saved first.
  - button "Abort session"
  - button "Keep"
"""
_ENDED = """
- article "by-ear":
  - heading "by-ear" [level=3]
  - button "Start afresh …"
  - button "Remove"
  - paragraph: /cost .* tGLM · ended/
  - paragraph: Stopped as asked.
"""


def test_from_the_form_to_the_end_by_ear(page: Page) -> None:
    page.evaluate(_HEAR)
    expect(page.locator("body")).to_match_aria_snapshot(_FORM, timeout=milliseconds(_SECONDS))
    page.get_by_role("textbox", name="Name").fill("by-ear")
    page.get_by_role("button", name="Start JupyterLab on Golem").click()
    card = page.get_by_role("article", name="by-ear")
    card.get_by_role("link", name="Open JupyterLab (opens a new tab)").wait_for(timeout=milliseconds(90))
    expect(card.locator("..")).to_match_aria_snapshot(_READY, timeout=milliseconds(_SECONDS))
    card.get_by_role("button", name="Abort", exact=True).click()
    expect(card).to_match_aria_snapshot(_ASKED, timeout=milliseconds(_SECONDS))
    card.get_by_role("button", name="Abort session").click()
    card.get_by_text("Ended", exact=True).wait_for()
    expect(card.locator("..")).to_match_aria_snapshot(_ENDED, timeout=milliseconds(_SECONDS))
    page.wait_for_function("window.heard.at(-1).includes('by-ear: Ended')")
    heard = [words for words in page.evaluate("window.heard") if words.startswith("by-ear: ")]
    stages = [words.split()[1] for words in heard if words.split()[1] not in {"Recovering.", "Saving."}]
    assert stages[-3:] == ["Ready.", "Stopping.", "Ended."]  # those before go by unheard where the page is the slower
    assert heard[-1] == "by-ear: Ended. Stopped as asked."
