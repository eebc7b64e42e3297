"""A view-only link: others see a session's notebooks as they change, and neither they nor a notebook do anything else.

One session on the local network, with a real Lab, is looked at and attacked.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import socket
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import nbformat
import pytest

from golem_launcher import files, paths
from golem_launcher.errors import SessionError
from golem_launcher.session import client
from golem_launcher.session.cleanup import trash
from golem_launcher.session.on_disk import parked_address, view_only_link
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.suspension import caretaker_process
from golem_launcher.session.suspension.suspension import heritage
from tests.patience import slower
from tests.session.conftest import command, wait_for
from tests.session.jupyter import Jupyter
from tests.session.suspension.test_caretaker import free_address, wait
from tests.session.suspension.test_suspension import suspended, waits_for_a_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.on_disk.view_only_link import ViewOnlyLink

_PREPARE = """
import os, pathlib, socket
for folder in (".secret", "data"):
    pathlib.Path(folder).mkdir(exist_ok=True)
pathlib.Path("data/notes.md").write_text("# Notes\\n\\n<script>alert(1)</script>seen")
pathlib.Path("key.txt").write_text("SECRET")
pathlib.Path(".secret/x.md").write_text("SECRET")
pathlib.Path(".hidden.md").write_text("SECRET")
pathlib.Path("/tmp/outside.md").write_text("SECRET")
os.symlink("/tmp/outside.md", "link.md")
os.symlink("/tmp", "linked")
pathlib.Path("deep.ipynb").write_text("[" * 1_000_000)
with open("huge.ipynb", "wb") as file:
    file.truncate(64 * 1024 * 1024)
print("done")
"""


def ask(
    link: str, path: str = "", method: str = "GET", *, body: bytes | None = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    """What is answered at the origin of a ``link``: behind its token for a ``path`` that begins with no slash."""
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.netloc, timeout=100 * slower())
    try:
        target = path if path.startswith("/") else parts.path + path
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def until(link: str, path: str, words: str, seconds: float = 60) -> str:
    """The page of a ``path``, once these ``words`` are in it."""
    end = time.monotonic() + seconds * slower()
    while words not in (shown := ask(link, path)[1]):
        assert time.monotonic() < end, shown[-3000:]
        time.sleep(0.2)
    return shown


async def save(jupyter: Jupyter, name: str, *cells: Any) -> None:
    content = nbformat.v4.new_notebook(cells=list(cells))
    await jupyter.call("PUT", f"/api/contents/{name}", {"type": "notebook", "content": content})


@pytest.mark.slow
def test_others_see_notebooks_and_can_do_nothing_else(ready: Any) -> None:
    directory = ready()
    name = directory.name
    _, told, _ = command("share", name, "--json")
    link = told["view_only_url"]
    view, lab = view_only_link.of(directory.path), urlsplit(directory.url())
    assert view is not None
    assert link == view.url == client.share(name) == client.describe(directory)["view_only_url"]
    assert urlsplit(link).hostname not in {lab.hostname, "127.0.0.1"}
    (kept,) = (path for path in directory.path.iterdir() if view.token in _text(path))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert directory.state().shared
    assert f"view only:      {link}" in command("show", name)[1]

    _sees(directory, link)
    _can_do_nothing_else(directory, view)

    command("share", name, "--off")
    status, page, _ = ask(link)
    assert (status, "Its owner has revoked it" in page) == (403, True)
    assert not directory.state().shared
    assert client.describe(directory)["view_only_url"] is None
    again = client.share(name)
    assert urlsplit(again).netloc == urlsplit(link).netloc
    assert (ask(link)[0], ask(again)[0]) == (403, 200)
    client.stop(name)
    with pytest.raises(OSError, match="refused"):
        ask(again)
    assert client.describe(directory)["view_only_url"] is None


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _sees(directory: SessionDirectory, link: str) -> None:
    v4 = nbformat.v4

    async def work() -> None:
        async with Jupyter(directory.url()) as jupyter:
            assert await jupyter.execute(_PREPARE) == "done\n"
            outputs = [v4.new_output("stream", text="first <b>result</b>")]
            await save(jupyter, "a b.ipynb", v4.new_code_cell("print(1)", outputs=outputs), v4.new_markdown_cell("end"))

    asyncio.run(work())
    shown = until(link, "", "a b.ipynb")
    listed = re.findall(r'href="files/([^"]+)"', shown)
    assert sorted(listed) == ["a%20b.ipynb", "data/notes.md", "deep.ipynb", "huge.ipynb"]
    assert re.search(r'changed <span data-ago="\d{1,2}">', shown)
    page = until(link, "files/a%20b.ipynb", "first &lt;b&gt;result")
    assert 'href="../"' in page
    _, kept, headers = ask(link, "files/a%20b.ipynb")
    version = re.search('data-version="([0-9a-f]+)"', kept)
    assert version is not None
    assert ask(link, f"files/a%20b.ipynb?known={version[1]}")[:2] == (204, "")
    assert ask(link, "files/a%20b.ipynb", "HEAD")[:2] == (200, "")
    parts = re.findall('data-part="([0-9a-f]+)"', kept)

    async def change() -> None:
        async with Jupyter(directory.url()) as jupyter:
            outputs = [v4.new_output("stream", text="second result")]
            await save(jupyter, "a b.ipynb", v4.new_code_cell("print(1)", outputs=outputs), v4.new_markdown_cell("end"))

    asyncio.run(change())
    changed = until(link, "files/a%20b.ipynb", "second result")
    (first, last), before = re.findall('data-part="([0-9a-f]+)"', changed), parts
    assert first != before[0]
    assert last == before[1]  # so a page that is open leaves it as it is

    assert "seen" in until(link, "files/data/notes.md", "Notes</h1>")
    until(link, "files/deep.ipynb", "This is no notebook that can be read.")
    until(link, "files/huge.ipynb", "It is too large to be shown here.")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert policy.startswith("sandbox ")
    assert "unsafe" not in policy
    assert "allow-forms" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers
    token = directory.token()
    for path in ("", *(f"files/{one}" for one in listed)):
        status, page, told = ask(link, path)
        assert status == 200
        assert str(token) not in page + json.dumps(told)
        assert "SECRET" not in page
        assert "<script>alert" not in page
        assert "set-cookie" not in told


def _can_do_nothing_else(directory: SessionDirectory, view: ViewOnlyLink) -> None:
    link, token, lab = view.url, view.token, str(directory.state().address)
    # What is not on the list is not there, however it is asked for.
    for path in (
        "files/key.txt", "files/.hidden.md", "files/.secret/x.md", "files/link.md", "files/linked/outside.md",
        "files/../key.txt", "files/..%2f..%2fetc%2fpasswd", "files//etc/passwd", "files/%2e%2e/%2e%2e/etc/passwd",
        "files/.golem-launcher/x.md", "files/a%20b.ipynb%00.md", "files/", "files", "lab", "api/contents",
        "proxy/8888/",
        "golem-launcher/farewell", quote("files/a b.ipynb/../key.txt"),
    ):  # fmt: skip
        status, page, _ = ask(link, path)
        assert status == 404, path
        assert "SECRET" not in page
    # Without its token, or with the session's, there is nothing.
    for path in ("/", "/lab", f"/{token[:-1]}/", f"/{token}", f"/lab?token={token}", f"/?token={directory.token()}",
                 f"/{directory.token()}/", "/api/contents", "/files/a%20b.ipynb"):  # fmt: skip
        assert ask(link, path)[0] == 403, path
    # It can only be read, from its own address.
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        status, _, headers = ask(link, "files/a%20b.ipynb", method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert ask(link, "/api/contents/x.md", "PUT", body=b'{"type": "file", "format": "text", "content": "x"}')[0] == 405
    for refused in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"},
                    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}):  # fmt: skip
        assert ask(link, **refused)[0] == 403, refused
    assert ask(link, Host="localhost:8000")[0] == 200  # by ssh -L
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
               "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    assert ask(link, "api/kernels/x/channels", **upgrade)[0] == 404
    # Its token opens nothing of the session's own address.
    shown = {"Authorization": f"token {token}"}
    for path in ("/api/contents", "/api/kernels", "/files/key.txt", f"/api/contents?token={token}"):
        status, page, _ = ask(f"{lab}/", path, **shown)
        assert (status in {302, 403}, "SECRET" in page) == (True, False), path
    assert ask(f"{lab}/", f"/lab?token={token}")[0] in {302, 403}
    assert ask(f"{lab}/", "/api/contents/x.md", "PUT", body=b"{}", **shown)[0] == 403
    assert ask(f"{lab}/", "/api/kernels/0-0-0-0-0/channels", **shown, **upgrade)[0] in {302, 403}
    assert ask(f"{lab}/", f"/{token}/")[0] in {302, 403, 404}


@pytest.mark.slow
def test_it_goes_on_at_another_machine(ready: Any, lose: Any) -> None:
    directory = ready()
    link = client.share(directory.name)

    async def work() -> None:
        async with Jupyter(directory.url()) as jupyter:
            await save(jupyter, "kept.ipynb", nbformat.v4.new_markdown_cell("still here"))

    asyncio.run(work())
    until(link, "files/kept.ipynb", "still here")
    client.save(directory.name)
    provider = directory.state().head.agreement_id
    lose(directory)
    wait_for(directory, lambda state: state.head.agreement_id != provider and state.stage.value == "ready", 90)
    assert "kept.ipynb" in until(link, "", "kept.ipynb")
    assert "still here" in until(link, "files/kept.ipynb", "still here")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A launcher's directory of its own; no caretaker is left there."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    yield paths.sessions_directory()
    caretaker_process.end()


@pytest.mark.slow
def test_of_a_suspended_session_it_says_so_and_wakes_nothing(home: Path) -> None:
    del home
    directory = suspended()
    view = view_only_link.made(free_address())
    view_only_link.write(directory.path, view)
    with pytest.raises(SessionError, match="Nobody of ours is at the address"):
        client.share("mine")
    caretaker_process.begin(os.environ)
    wait(view.url, answers=True)
    wait_until(lambda: parked_address.answers_viewers(directory.path))
    assert client.share("mine") == view.url == client.describe(directory)["view_only_url"]
    status, page, headers = ask(view.url, "files/a.ipynb", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
    assert (status, "This session is suspended" in page, "servicePath" in page) == (503, True, False)
    assert headers["content-security-policy"].startswith("sandbox ")
    for path in ("/", f"/lab?token={directory.token()}", f"/{view.token}x/", "/golem-launcher/waking/x"):
        assert ask(view.url, path)[0] == 403
    assert ask(view.url, Host="evil.example")[0] == 403
    assert ask(view.url, method="POST")[0] == 405
    assert directory.state().stage.value == "suspended"
    inherited = heritage(directory, directory.request())
    assert inherited is not None
    new = create_session_directory(directory.request().model_copy(update={"name": "awake"}))
    inherited.give(new)
    assert view_only_link.of(new.path) == view
    parked_address.leave(new.path)

    parked_address.park(directory.path, parked_address.of_ended(str(directory.state().address), "Over."))
    assert ask(view.url)[0] == 410
    assert client.unshare("mine")
    assert not client.unshare("mine")
    wait(view.url, answers=False)
    with pytest.raises(SessionError, match="suspended"):
        client.share("mine")


def test_told_to_another_program_that_had_its_address_the_link_opens_nothing(home: Path) -> None:
    del home
    directory = suspended()
    view = view_only_link.made(free_address())
    view_only_link.write(directory.path, view)
    with socket.create_server(view.place):  # as after a restart of the computer
        caretaker_process.begin(os.environ)
        wait_until(lambda: view_only_link.of(directory.path) != view)
        new = view_only_link.of(directory.path)
        with pytest.raises(SessionError, match="another program may be there"):
            client.share("mine")
        assert client.describe(directory)["view_only_url"] is None
    assert new is not None
    wait(new.url, answers=True)
    assert (ask(view.url)[0], ask(new.url)[0]) == (403, 503)
    wait_until(lambda: parked_address.answers_viewers(directory.path))
    assert client.share("mine") == new.url != view.url


def test_revoked_as_its_session_is_woken_up_it_stays_so(home: Path) -> None:
    directory = suspended()
    view_only_link.write(directory.path, view_only_link.made(free_address()))
    with ThreadPoolExecutor() as threads:
        with files.locked(home / ".lock", deadline=1):  # as who wakes it up does
            inherited = heritage(directory, directory.request())
            assert inherited is not None
            revoking = threads.submit(client.unshare, "mine")
            wait_until(lambda: revoking.done() or waits_for_a_lock())
            request = directory.request()
            trash.put(directory)
            inherited.give(create_session_directory(request))
        assert revoking.result()
    assert view_only_link.of(directory.path) is None


def wait_until(comes: Callable[[], bool]) -> None:
    end = time.monotonic() + 30 * slower()
    while not comes():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("written", ["", "[]", '{"address": 7}', '{"address": "http://127.0.0.1:80", "token": ""}'])
def test_what_makes_no_sense_is_no_link(tmp_path: Path, written: str) -> None:
    (tmp_path / "view_only.json").write_text(written)
    assert view_only_link.of(tmp_path) is None
