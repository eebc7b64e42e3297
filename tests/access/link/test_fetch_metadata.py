"""Who may wake up a suspended session: judged by what the browser itself says of a request."""

from __future__ import annotations

import pytest

from golem_launcher.access.link.fetch_metadata import Visit, visit_of
from golem_launcher.access.origin_policy import OriginPolicy, login_cookies

TOKEN = "0123456789abcdef" * 3
LINK = f"/lab?token={TOKEN}"
PAGE = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
TYPED = {**PAGE, "sec-fetch-site": "none", "sec-fetch-user": "?1"}
COOKIE = {"cookie": f"_xsrf=2; {login_cookies(TOKEN)}127-0-0-1-8888=value"}


def test_who_types_the_link_or_a_bookmark_of_it_comes_by_themselves() -> None:
    assert visit_of(LINK, TYPED, TOKEN) is Visit.OWN
    assert visit_of("/lab/tree/x.ipynb", {**TYPED, **COOKIE}, TOKEN) is Visit.OWN


@pytest.mark.parametrize(
    "came",
    [
        {"sec-fetch-site": "same-origin"},  # a script in a tab that was left open, say
        {"sec-fetch-site": "same-origin", "sec-fetch-user": "?1"},
        {"sec-fetch-site": "same-site", "sec-fetch-user": "?1"},
        {"sec-fetch-site": "cross-site", "sec-fetch-user": "?1"},
        {"sec-fetch-site": "none"},  # a browser that opens the tabs of last time
        {},
    ],
)
def test_whom_a_page_may_have_led_there_is_asked(came: dict[str, str]) -> None:
    assert visit_of(LINK, {**PAGE, **came}, TOKEN) is Visit.LED


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"user-agent": "curl/8"},
        {"accept": "text/html", "user-agent": "Mozilla/5.0"},
        {**TYPED, "sec-fetch-mode": "cors"},
        {**TYPED, "sec-fetch-mode": "websocket", "sec-fetch-dest": "websocket"},
        {**TYPED, "sec-fetch-dest": "iframe"},
        {**TYPED, "sec-fetch-dest": "embed"},
        {**TYPED, "sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"},
        {**TYPED, "sec-purpose": "prefetch;prerender"},
        {**TYPED, "purpose": "prefetch"},
        {**TYPED, "x-moz": "prefetch"},
    ],
)
def test_what_nobody_looks_at_as_a_page_wakes_nothing(headers: dict[str, str]) -> None:
    assert visit_of(LINK, {**headers, **COOKIE}, TOKEN) is Visit.BACKGROUND


@pytest.mark.parametrize(
    "target", ["/", "/lab", "/lab?token=", "/lab?token=0", f"/lab#{TOKEN}", f"/lab?t={TOKEN}", "//[x"]
)
def test_a_page_without_token_or_cookie_is_a_strangers(target: str) -> None:
    assert visit_of(target, TYPED, TOKEN) is Visit.STRANGER
    other = {"cookie": f"{login_cookies('another token')}127-0-0-1-8888=value; username=x"}
    assert visit_of(target, {**TYPED, **other}, TOKEN) is Visit.STRANGER


def test_a_labs_cookie_has_the_name_that_is_looked_for() -> None:
    policy = OriginPolicy(frozenset({"http://127.1.2.3:5"}), TOKEN)
    passed = policy.response(b"/lab", [(b"set-cookie", b"username-127-0-0-1-8888=secret; Path=/")])
    cookie = dict(passed)[b"set-cookie"].decode()
    assert cookie.startswith(login_cookies(TOKEN))
    assert visit_of("/lab", {**TYPED, "cookie": cookie.partition(";")[0]}, TOKEN) is Visit.OWN
