"""What the link lets through: origins, cookies, redirects. Tables, and what hypothesis finds beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.access.origin_policy import OriginPolicy, leaving_page

HERE = "http://127.200.1.2:4000"
RULES = OriginPolicy(frozenset({HERE}), "secret")
OTHER = OriginPolicy(frozenset({HERE}), "another session of the same name")
HOST = (b"host", b"127.200.1.2:4000")
NAVIGATES = [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")]


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        (b"GET", b"/lab", [HOST]),
        (b"POST", b"/api", [(b"host", b"localhost:8888"), (b"origin", b"http://localhost:8888")]),
        (b"POST", b"/api/kernels", [HOST, (b"origin", HERE.encode())]),
        (b"GET", b"/lab", [HOST, *NAVIGATES]),
        (b"GET", b"/lab", [HOST, (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-mode", b"cors")]),
    ],
)
def test_its_own_page_and_programs_and_a_link_from_elsewhere_get_in(method, target, headers):
    assert RULES.refusal(method, target, headers) == ""


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        pytest.param(b"GET", b"/lab", [], id="no host"),
        pytest.param(b"GET", b"/lab", [HOST, HOST], id="two hosts"),
        pytest.param(b"GET", b"/lab", [(b"host", b"evil.example:4000")], id="a name that leads here (DNS rebinding)"),
        pytest.param(b"GET", b"/lab", [(b"host", b"127.0.0.1.evil.example")], id="a name that begins like ours"),
        pytest.param(b"GET", b"/lab", [(b"host", b"evil.localhost:4000")], id="a name below localhost"),
        pytest.param(b"CONNECT", b"example.org:443", [HOST], id="connect"),
        pytest.param(b"GET", b"http://example.org/", [HOST], id="an absolute address"),
        pytest.param(b"GET", b"//example.org/", [HOST], id="another host in the path"),
        pytest.param(b"OPTIONS", b"*", [HOST], id="star"),
        pytest.param(b"GET", b"/api", [HOST, (b"origin", b"http://127.0.0.1:8866")], id="the launcher's page"),
        pytest.param(b"POST", b"/api", [HOST, (b"origin", b"null")], id="an opaque origin"),
        pytest.param(b"GET", b"/api", [HOST, (b"origin", b"https://127.200.1.2:4000")], id="another scheme"),
        pytest.param(b"GET", b"/x.js", [HOST, (b"sec-fetch-site", b"cross-site")], id="a foreign page's script"),
        pytest.param(b"POST", b"/x", [HOST, *NAVIGATES], id="a foreign form"),
        pytest.param(b"GET", b"/x.js", [HOST, (b"service-worker", b"script")], id="what would outlive the session"),
        pytest.param(b"GET", b"/x", [HOST, *NAVIGATES[:2], (b"sec-fetch-dest", b"iframe")], id="a foreign frame"),
    ],
)
def test_others_are_refused(method, target, headers):
    assert RULES.refusal(method, target, headers)


def test_cookies_of_others_stay_outside():
    (kept,) = (
        value
        for name, value in RULES.response(b"/", [(b"set-cookie", b"session=1; Domain=localhost; Path=/; HttpOnly")])
        if name == b"set-cookie"
    )
    assert kept.startswith(b"golem-")
    assert kept.endswith(b"-session=1; Path=/; HttpOnly; SameSite=Lax")
    mine = kept.partition(b";")[0]
    headers = [
        (b"cookie", b"username-127-0-0-1-8866=launcher; " + mine + b"; _xsrf=2|a; _xsrf=2|hub; jupyterhub-session-id=x")
    ]
    assert (b"cookie", b"session=1; _xsrf=2|a") in RULES.request(headers)
    assert (b"cookie", b"_xsrf=2|a") in OTHER.request(headers)


@pytest.mark.parametrize("theirs", [b"", b"; SameSite=None; Secure", b"; samesite=Strict", b"; SAMESITE = none"])
def test_no_cookie_goes_along_with_what_a_page_of_another_site_asks_for(theirs):
    """Some browsers take no word for Lax, old ones for None."""
    for name in (b"login", b"_xsrf"):
        passed = dict(RULES.response(b"/", [(b"set-cookie", name + b"=1; Path=/" + theirs)]))[b"set-cookie"]
        assert [part.strip().lower() for part in passed.split(b";")][1:] == [b"path=/", b"samesite=lax"]


ENTRY = "/0123456789abcdef/"


def test_a_gateways_path_is_its_key_and_stays_here():
    policy = OriginPolicy(frozenset({HERE}), "secret", "/user/me/", token="t", entry=ENTRY)
    old = [HOST, (b"user-agent", b"Mozilla/5.0 (Macintosh) Version/16.3 Safari/605.1.15"), (b"accept", b"*/*")]
    for path in (b"/api/kernels", b"/user/me/api/kernels", b"/", b"/0123456789abcdef", b"/0123456789abcdee/api"):
        assert policy.refusal(b"GET", path, old)
    asked = ENTRY.encode() + b"user/me/api/kernels?x=1"
    assert policy.refusal(b"GET", asked, [HOST]) == ""
    assert policy.refusal(b"GET", asked, [HOST, (b"sec-fetch-site", b"none")])
    assert policy.target(asked) == b"/user/me/api/kernels?x=1"
    assert policy.root == ENTRY + "user/me/"
    answer = dict(policy.response(asked, [(b"location", b"http://127.0.0.1:8888/user/me/api/kernels/1")]))
    assert answer[b"location"] == ENTRY.encode() + b"user/me/api/kernels/1"


def test_what_is_told_of_the_user_is_only_what_is_needed():
    headers = [
        HOST, (b"referer", b"http://127.200.1.2:4000/lab?token=abc"), (b"x-forwarded-for", b"10.0.0.1"),
        (b"origin", HERE.encode()), (b"accept", b"*/*"), (b"connection", b"keep-alive"), (b"proxy-authorization", b"x"),
    ]  # fmt: skip
    assert RULES.request(headers) == [
        (b"host", b"127.0.0.1:8888"), (b"referer", b"http://127.0.0.1:8888/lab"),
        (b"origin", b"http://127.0.0.1:8888"), (b"accept", b"*/*"),
    ]  # fmt: skip
    for other in (b"http://127.200.1.2:4001/", b"https://example.org/lab", b"http://[::bad", b""):
        assert RULES.request([HOST, (b"referer", other)]) == [(b"host", b"127.0.0.1:8888")]


HUB = OriginPolicy(frozenset(), "secret", "/user/ann/", token="secret", behind_hub=True)


@pytest.mark.parametrize("policy", [RULES, OriginPolicy(frozenset({HERE}), "secret", behind_hub=True)])
def test_a_body_has_one_end_and_not_two(policy):
    """What has both is as long as its chunks are; of a server that goes by the length the rest would be asked anew."""
    length, chunked = (b"content-length", b"5"), (b"transfer-encoding", b"chunked")
    for asked in ([length, chunked], [chunked, length], [length, chunked, length]):
        assert policy.request([HOST, *asked])[1:] == [chunked]
    assert policy.request([HOST, length])[1:] == [length]


def test_behind_a_hub_a_lab_is_told_what_it_needs_and_by_no_proxy_who_the_user_is():
    needed = [
        (b"accept", b"*/*"), (b"accept-encoding", b"br"), (b"accept-language", b"pl"), (b"cache-control", b"no-store"),
        (b"content-length", b"3"), (b"content-type", b"application/json"), (b"if-none-match", b'"1"'),
        (b"if-modified-since", b"x"), (b"range", b"bytes=0-1"),
        (b"expect", b"100-continue"), (b"user-agent", b"Firefox"), (b"x-requested-with", b"XMLHttpRequest"),
        (b"x-xsrftoken", b"2|a"), (b"sec-fetch-site", b"same-origin"), (b"sec-websocket-key", b"k"),
        (b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"v1.kernel.websocket.jupyter.org"),
    ]  # fmt: skip
    who = (
        b"cf-access-jwt-assertion", b"x-auth-request-access-token", b"x-amzn-oidc-data", b"remote-user", b"x-real-ip",
        b"x-forwarded-user", b"authorization", b"x-csrftoken", b"x-ms-token-aad-id-token", b"dpop", b"content",
        b"proxy-authorization", b"x-accept", b"one-of-next-year",
    )  # fmt: skip
    upgrade = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    asked = [(b"host", b"ann.hub.example"), *needed, *((name, b"Bearer eyJ.who") for name in who)]
    own = [(b"host", b"127.0.0.1:8888"), (b"authorization", b"token secret")]
    assert HUB.request(asked) == [*own, *needed]
    assert HUB.request([*asked, *upgrade]) == [*own, *upgrade, *needed]
    page = [(b"origin", b"https://ann.hub.example"), (b"referer", b"https://ann.hub.example/user/ann/lab?token=x")]
    assert HUB.request([asked[0], *page])[2:] == [
        (b"origin", b"http://127.0.0.1:8888"), (b"referer", b"http://127.0.0.1:8888/user/ann/lab"),
    ]  # fmt: skip


def test_behind_a_hub_cookies_of_other_applications_stay_outside():
    given = [(b"set-cookie", name + b"=1; Path=/") for name in (b"csrftoken", b"_xsrf", b"login")]
    kept = [value.partition(b";")[0] for name, value in HUB.response(b"/user/ann/", given) if name == b"set-cookie"]
    assert [cookie.rpartition(b"-")[2] for cookie in kept] == [b"csrftoken=1", b"_xsrf=1", b"login=1"]
    assert [cookie.startswith(b"golem-") for cookie in kept] == [True, False, True]
    asked = [(b"cookie", b"csrftoken=other; XSRF-TOKEN=other; " + b"; ".join(kept))]
    assert (b"cookie", b"csrftoken=1; _xsrf=1; login=1") in HUB.request(asked)


def test_a_provider_gives_nobody_permissions_and_no_script_runs_in_its_pages():
    theirs = [
        (b"content-type", b"text/html"), (b"access-control-allow-origin", b"*"), (b"service-worker-allowed", b"/"),
        (b"refresh", b"0;url=http://evil.example"), (b"link", b"<http://evil.example/x>; rel=preload"),
        (b"clear-site-data", b'"*"'), (b"strict-transport-security", b"max-age=1"), (b"www-authenticate", b"Basic"),
        (b"referrer-policy", b"unsafe-url"), (b"speculation-policy", b'"/policy.json"'), (b"set-login", b"logged-in"),
        (b"content-security-policy-report-only", b"script-src 'none'; report-uri http://evil.example"),
        (b"attribution-reporting-register-source", b"{}"), (b"cross-origin-opener-policy", b"unsafe-none"),
        (b"set-cookie2", b"a=1"), (b"sourcemap", b"http://evil.example/map"), (b"one-of-next-year", b"?1"),
    ]  # fmt: skip
    headers = RULES.response(b"/login", theirs)
    assert dict(headers).keys() == {
        b"content-type", b"content-security-policy", b"x-content-type-options", b"referrer-policy", b"cache-control"
    }  # fmt: skip
    assert dict(headers)[b"referrer-policy"] == b"same-origin"
    policy = dict(headers)[b"content-security-policy"]
    assert b"script-src 'none'" in policy
    assert policy.startswith(b"sandbox ")  # so no meta refresh either,
    assert b"allow-scripts" not in policy  # which is refused for this alone
    assert b"sandbox" in dict(RULES.response(b"/files/x.html", theirs))[b"content-security-policy"]
    policy = (b"content-security-policy", b"Sandbox allow-scripts; Report-URI http://evil.example; report-to evil")
    assert (policy[0], b"Sandbox allow-scripts") in RULES.response(b"/files/x.html", [policy])
    chosen = OriginPolicy(frozenset({HERE}), "secret", extensions=True)
    own = dict(chosen.response(b"/lab", theirs))[b"content-security-policy"].decode()
    policy = {words.split()[0]: words.split()[1:] for words in own.split("; ")}
    assert {"'self'", "'unsafe-eval'", "https:"} <= set(policy["script-src"])
    assert {"'self'", "ws://127.200.1.2:4000", "wss:"} <= set(policy["connect-src"])
    assert not {"http:", "ws:", "*"} & {word for words in policy.values() for word in words}  # no other program here


def test_no_answer_of_one_provider_stays_for_a_page_of_the_next_at_the_address():
    """A redirect or a script that a browser kept would be taken for that of whoever comes in its place."""
    kept = [
        (b"cache-control", b"public, max-age=31536000, immutable"), (b"expires", b"Fri, 31 Dec 2099 23:59:59 GMT"),
        (b"pragma", b"cache"), (b"etag", b'"that of the next one"'),
    ]  # fmt: skip
    lifetimes = {b"cache-control", b"expires", b"pragma"}
    beside = OriginPolicy(
        frozenset({HERE}), "secret", extensions=True, framed_by=frozenset({"http://127.200.1.2:1"}), browsers_only=True
    )
    labs = [OriginPolicy(frozenset({HERE}), "secret", extensions=extensions) for extensions in (False, True)]
    for lab in (*labs, beside):
        worker = [HOST, (b"service-worker", b"script"), (b"sec-fetch-site", b"same-origin")]
        assert "no service workers" in lab.refusal(b"GET", b"/worker.js", worker)
        for path in (b"/lab", b"/lab/extensions/theirs/static/remoteEntry.0123456789abcdef.js"):
            told = [each for each in lab.response(path, kept) if each[0] in lifetimes]
            assert told == [(b"cache-control", b"no-store")]


@pytest.mark.parametrize(
    ("location", "leaves"),
    [
        (b"/lab?next=%2F", False),
        (b"tree", False),
        (b"http://127.0.0.1:8888/lab", False),
        (HERE.encode() + b"/lab", False),
        (b"http://127.0.0.1:8866/", True),
        (b"http://127.0.0.1:8888//evil.example/", True),
        (b"//evil.example/", True),
        (b"/\\evil.example/", True),
        (b"\thttp://evil.example/", True),
        (b"/\t/evil.example", True),
        (b"HTTPS://evil.example", True),
        (b"javascript:alert(1)", True),
        (b"http://[::bad", True),
    ],
)
def test_redirects_that_leave_are_seen(location, leaves):
    for status in (300, 302, 308):
        assert (RULES.leaves(status, [(b"location", location)]) is not None) == leaves
    assert RULES.leaves(200, [(b"location", location)]) is None


def test_what_the_lab_calls_itself_is_taken_out_of_redirects():
    assert (b"location", b"/lab") in RULES.response(b"/", [(b"location", b"http://127.0.0.1:8888/lab")])


@given(st.text(max_size=300))
def test_the_page_about_a_redirect_holds_no_markup_of_theirs(place):
    body = leaving_page(place + '"><script>alert(1)</script>').decode()
    assert "<script" not in body
    assert body.count("<a ") <= 1


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=60)), max_size=6))
def test_any_cookie_is_renamed_or_dropped(headers):
    for name, value in RULES.response(b"/", [(b"set-cookie", value) for _, value in headers]):
        if name == b"set-cookie":
            assert value.startswith(b"golem-") or b"srf" in value.lower()
