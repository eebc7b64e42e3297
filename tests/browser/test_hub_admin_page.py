"""The page for a hub's administrators, by axe and by key, whatever the theme and the width."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher import paths
from golem_launcher.hub_spawner import overview, quotas, users
from golem_launcher.hub_spawner.overview_html import page as page_of
from golem_launcher.hub_spawner.quotas import Quota, Quotas
from tests.browser.axe import check_in_both_schemes
from tests.browser.conftest import new_context
from tests.hub_spawner.test_overview import make_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

_STYLE = Path(overview.__file__).with_name("admin_page.css")
_ORIGIN = "http://hub.test"
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of a hub with a server that runs, one in trouble, one that used up a quota, and one unreadable."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    ann, bob, dan, eve = (users.established(name, name, ("students",)) for name in ("ann", "bob", "dan", "eve"))
    make_server(ann, runs=True)
    make_server(bob, runs=True, trouble="JupyterLab does not answer.")
    make_server(dan, runs=False, cost="1")
    make_server(eve, runs=False)
    for path in (eve.home / "sessions" / "eve").iterdir():
        path.write_bytes(b"{")
    quotas.write(Quotas(everybody=Quota(machines=2), users={"dan": Quota(coins=Decimal(1))}))
    told = overview.read("hoodi")
    return page_of(told, prefix="/services/golem/", hub="/hub/", xsrf="a-token", told="ann saves all, and ends.")


def test_axe_finds_nothing_and_it_is_used_by_key_without_a_script(chromium: Browser, text: str) -> None:
    sent: list[str | None] = []

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(_ORIGIN)
        if route.request.method == "POST":
            sent.append(route.request.post_data)
        if path.endswith("page.css"):
            route.fulfill(body=_STYLE.read_text(), content_type="text/css")
        else:
            route.fulfill(body=text, content_type="text/html", headers={"Content-Security-Policy": _POLICY})

    with new_context(chromium, strict=False, bypass_csp=True) as context:  # axe is a script
        page = context.new_page()
        page.route(f"{_ORIGIN}/**", answer)
        page.goto(f"{_ORIGIN}/services/golem/")
        page.get_by_role("group").first.evaluate("one => one.open = true")
        check_in_both_schemes(page, page.locator("body"), "hub-admin")
        page.set_viewport_size({"width": 360, "height": 900})
        page.get_by_label("End bob's server bob …").scroll_into_view_if_needed()
        expect(page.get_by_role("rowheader", name="bob").first).to_be_in_viewport(ratio=1)
        page.goto(f"{_ORIGIN}/services/golem/")
        page.get_by_label("End bob's server bob …").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert not sent, "one press ends nothing"
        page.keyboard.press("Enter")
        page.wait_for_url(f"{_ORIGIN}/services/golem/end")
    assert sent == ["_xsrf=a-token&user=bob&server=bob"]
