"""Files to bring: found here, repositories cloned here, nothing secret passed on."""

import asyncio
import base64
import contextlib
import functools
import http.server
import re
import subprocess
import threading
from pathlib import Path

import pytest

from golem_launcher.errors import RequestError
from golem_launcher.session.preparation import inputs


@pytest.fixture
def repository(tmp_path):
    """The address of a repository with one binary file, behind a web server."""
    work, served = tmp_path / "work", tmp_path / "served"
    work.mkdir()
    (work / "data.bin").write_bytes(bytes(range(256)) * 100)
    (work / ".gitattributes").write_text("* text=auto\n")
    git = functools.partial(subprocess.run, check=True, capture_output=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    git(["git", "init", "-q", work])
    git(["git", "-C", work, "add", "-A"])
    git(["git", "-C", work, *identity, "commit", "-qm", "one"])
    git(["git", "clone", "-q", "--bare", work, served / "repo.git"])
    git(["git", "-C", served / "repo.git", "update-server-info"])
    seen = []
    handler = functools.partial(_Asking, seen, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://me:hidden-w%6Frd@127.0.0.1:{server.server_port}/repo.git"
        server.shutdown()
        thread.join()
    assert seen
    assert not any(seen), seen


class _Asking(http.server.SimpleHTTPRequestHandler):
    """Wants a login, and looks meanwhile for the password where every user of this computer could see it."""

    def __init__(self, seen, *arguments, **options):
        self.seen = seen
        super().__init__(*arguments, **options)

    def do_GET(self):
        self.seen += [process for process in _command_lines() if re.search(b"hidden-w(o|%6F)rd", process)]
        if self.headers["Authorization"] == f"Basic {base64.b64encode(b'me:hidden-word').decode()}":
            self.seen.append(b"")
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_):
        pass


def _command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def collect(given, scratch):
    return asyncio.run(inputs.collect(given, scratch))


def test_a_repository_is_cloned_here_without_its_password(repository, tmp_path):
    ((path, name),) = collect([repository], tmp_path / "scratch")
    assert name == "repo"
    assert (path / "data.bin").read_bytes() == bytes(range(256)) * 100
    for file in path.rglob("*"):
        assert b"hidden-word" not in (file.read_bytes() if file.is_file() else b""), file


def test_a_repository_that_is_not_there_is_said_without_the_password(repository, tmp_path):
    with pytest.raises(RequestError) as raised:
        collect([repository.replace("repo", "nothing")], tmp_path)
    assert "could not be cloned" in raised.value.what
    assert "hidden-word" not in str(raised.value)
    assert raised.value.field == "inputs"


def test_names_are_told_apart(tmp_path):
    for place in ("a", "b", "c"):
        (tmp_path / place).mkdir()
    (tmp_path / "a" / "data.csv").write_text("1")
    (tmp_path / "b" / "Data.csv").write_text("2")
    (tmp_path / "c" / "data.csv").mkdir()
    given = inputs.absolute([str(tmp_path / place / name) for place, name in (("a", "data.csv"), ("b", "Data.csv"))])
    found = collect([*given, str(tmp_path / "c" / "data.csv")], tmp_path / "scratch")
    assert [name for _, name in found] == ["data.csv", "Data-2.csv", "data-3.csv"]


def test_paths_become_absolute_and_must_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert inputs.absolute(["here", "https://example.org/a.git"]) == (
        str(tmp_path / "here"),
        "https://example.org/a.git",
    )
    (tmp_path / "a b").mkdir()
    assert inputs.absolute([(tmp_path / "a b").as_uri()]) == (str(tmp_path / "a b"),)
    with pytest.raises(RequestError, match="nothing at"):
        inputs.absolute(["nowhere"])


def test_a_repository_served_from_its_git_directory_is_named_by_what_that_lies_in():
    assert inputs._name("https://example.org/me/work/.git/") == "work"


@pytest.mark.parametrize("text", ["ext::sh -c true", "-u/evil", "file:///etc", "--upload-pack=x"])
def test_only_plain_addresses_are_repositories(text):
    assert not inputs.is_repository(text)


@pytest.mark.parametrize("text", ["https://example.org/a", "git@example.org:me/a.git", "ssh://git@example.org/a.git"])
def test_addresses_of_repositories(text):
    assert inputs.is_repository(text)
