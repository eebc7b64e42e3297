"""Transfers: what gets in and out, and that nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import re
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.exeunit import archive
from golem_launcher.localnet.exeunit.script import Command, FileSet, ScriptError, read_script
from golem_launcher.localnet.exeunit.transfer import Address
from golem_launcher.localnet.runtime.volumes import COMMON, Volume, Volumes
from tests.examples import examples


@contextlib.asynccontextmanager
async def server(files):
    """A web server: GET gives what is in ``files``, PUT puts it there."""

    async def handle(request):
        if request.method == "PUT":
            files[request.path] = await request.read()
        elif request.path not in files:
            return web.Response(status=404)
        return web.Response(body=files[request.path])

    application = web.Application(client_max_size=1 << 26)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


def transfer(source, target, **more):
    return {"transfer": {"from": source, "to": target, **more}}


def test_files_over_http_both_ways(bench):
    async def main():
        content = os.urandom(3_000_000)
        files = {"/in": content}
        digest = hashlib.sha3_256(content).hexdigest()
        async with server(files) as url, bench() as b:
            await b.ready()
            batch = await b.send(
                transfer(f"hash:sha3:{digest}:{url}/in", "container:/golem/input/deep/er/file", progress={}),
                transfer("container:/golem/input/deep/er/file", "container:/golem/output/copy"),
                transfer("container:/golem/output/copy", f"{url}/out"),
            )
            results = await b.results(batch)
            assert [r["result"] for r in results] == ["Ok"] * 3, results
            assert files["/out"] == content
            progress = [e["kind"]["progress"] for e in await b.events(batch) if "progress" in e["kind"]]
            assert progress[-1]["progress"] == [len(content), len(content)]
            (result,) = await b.run(transfer(f"hash:sha3:{'0' * 64}:{url}/in", "container:/golem/input/bad"))
            assert "hash" in result["message"]
            (result,) = await b.run(transfer(f"{url}/none", "container:/golem/input/bad"))
            assert "404" in result["message"]
            assert not b.unit.runtime.volumes.path("/golem/input/bad").exists()
            for source in (
                "container:/etc/passwd",
                "container:/golem/work/../../etc/passwd",
                "ftp://x/y",
                "file:///etc",
            ):
                (result,) = await b.run(transfer(source, f"{url}/stolen"))
                assert result["result"] == "Error", source
            assert "/stolen" not in files

    asyncio.run(main())


@pytest.mark.parametrize("kind", [*archive.TAR_MODES, *archive.ZIP_METHODS])
def test_directories_as_archives(bench, kind):
    async def main():
        files = {}
        async with server(files) as url, bench() as b:
            await b.ready()
            make = (
                "mkdir -p /golem/work/d/e && cd /golem/work/d && echo 1 > a.txt && echo 2 > b.tmp && echo 3 > e/c.txt"
            )
            script = f"{make} && ln -s /etc/passwd link && chmod +x a.txt"
            results = await b.run(
                {"run": {"entry_point": "/bin/sh", "args": ["-c", script]}},
                transfer(
                    "container:/golem/work/d", f"{url}/x", format=kind,
                    fileset={"includes": "**/*.txt", "excludes": ["nothing"]},
                ),
                transfer(f"{url}/x", "container:/golem/output/unpacked", format=kind),
            )  # fmt: skip
            assert [r["result"] for r in results] == ["Ok"] * 3, results
            unpacked = b.unit.runtime.volumes.path("/golem/output/unpacked")
            names = sorted(str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file())
            assert names == ["a.txt", "e/c.txt"]
            assert os.access(unpacked / "a.txt", os.X_OK)

    asyncio.run(main())


def test_hostile_archives_stay_in_their_directory(tmp_path):
    bad_tar, bad_zip = tmp_path / "bad.tar", tmp_path / "bad.zip"
    with tarfile.open(bad_tar, "w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        info = tarfile.TarInfo("link/evil")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    archive.unpack(bad_tar, tmp_path / "one", "tar", archive.Selection())
    assert (tmp_path / "one" / "link" / "evil").read_bytes() == b"x"
    assert not Path("/etc/evil").exists()
    with zipfile.ZipFile(bad_zip, "w") as made:
        made.writestr("../evil", "x")
    with pytest.raises(LocalNetError, match="leads out"):
        archive.unpack(bad_zip, tmp_path / "two", "zip", archive.Selection())
    (tmp_path / "noise").write_bytes(b"\x00noise" * 100)
    for kind in [*archive.TAR_MODES, *archive.ZIP_METHODS]:
        with pytest.raises(LocalNetError):
            archive.unpack(tmp_path / "noise", tmp_path / f"noise-{kind}", kind, archive.Selection())


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*/*", "a/b", "a"),
        ("*.o", "x.o", "d/x.o"),
        ("out/*", "out/x", "out/d/x"),
        ("**/*.txt", "x.txt", "x.txt2"),
        ("d/**", "d/e/f", "e/f"),
        ("x.{a,b}", "x.b", "x.c"),
        ("[!a]?", "bc", "ac"),
    ],
)
def test_globs(glob, yes, no):
    pattern = archive.glob_pattern(glob)
    assert pattern.fullmatch(yes)
    assert not pattern.fullmatch(no)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_glob_compiles_or_is_refused(glob, name):
    with contextlib.suppress(LocalNetError):
        archive.glob_pattern(glob).fullmatch(name)


def test_depth():
    takes = archive.Selection(depth=0, filesets=(FileSet(excludes=("b*",)),)).matcher().takes
    assert takes(archive.PurePosixPath("a"))
    assert not takes(archive.PurePosixPath("a/b"))
    assert not takes(archive.PurePosixPath("bc"))


@pytest.fixture
def volumes(tmp_path):
    found = Volumes.of(tmp_path / "root", [*COMMON, Volume(PurePosixPath("/data"))])
    found.create()
    (tmp_path / "secret").write_text("secret")
    return found


def test_links_are_followed_inside_and_never_out(volumes, tmp_path):
    work = volumes.directory(volumes.mounts[0])
    (work / "real").mkdir()
    (work / "real" / "file").write_text("x")
    (work / "inner").symlink_to("real/../real")
    (work / "absolute").symlink_to("/golem/work/real")
    (work / "seen-from-host").symlink_to(work / "real")
    for name in ("inner", "absolute", "seen-from-host"):
        assert volumes.path(f"/golem/work/{name}/file") == work / "real" / "file"
    (work / "up").symlink_to("../../../secret")
    (work / "out").symlink_to(tmp_path / "secret")
    (work / "etc").symlink_to("/etc")
    (work / "loop").symlink_to("loop")
    for name in ("up", "out", "etc/passwd", "loop", "loop/x"):
        with pytest.raises((LocalNetError, OSError)):
            os.close(volumes.open(f"/golem/work/{name}"))
        staged = tmp_path / "staged"
        staged.write_text("evil")
        with contextlib.suppress(LocalNetError, OSError):
            volumes.place(staged, f"/golem/work/{name}")
    assert (tmp_path / "secret").read_text() == "secret"


@settings(max_examples=examples(200))
@given(st.text(alphabet="./golemwrkdataninputx\0", max_size=60))
def test_no_path_leads_out(path):
    root = Path("/nowhere/root")
    volumes = Volumes(root)
    with contextlib.suppress(LocalNetError):
        mount, parts = volumes.split(path)
        assert mount in volumes.mounts
        assert not {"..", ".", ""} & set(parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/golem/work", "{w}"),
        ("/golem/work/x", "{w}/x"),
        ("--out=/golem/work/x", "--out={w}/x"),
        ("cat /golem/work/a>/golem/work/b", "cat {w}/a>{w}/b"),
        ("'/golem/work'", "'{w}'"),
        ("/golem/worker", "/golem/worker"),
        ("/x/golem/work", "/x/golem/work"),
        ("http://h/golem/work", "http://h/golem/work"),
    ],
)
def test_translation(volumes, text, expected):
    assert volumes.translate(text) == expected.format(w=volumes.directory(volumes.mounts[0]))


WORDS = ["deploy", "start", "run", "transfer", "net", "env", "volumes", "args", "capture", "stdout", "entry_point"]
MORE_WORDS = ["from", "to", "fileset", "progress", "atEnd", "stream", "head"]
KEYS = st.sampled_from(WORDS + MORE_WORDS) | st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_any_script_is_understood_or_refused(value):
    for script in (value, [value]):
        try:
            commands = read_script(script)
        except ScriptError:
            continue
        assert all(isinstance(command, Command) for command in commands)


@given(st.text(max_size=60))
def test_any_address_is_understood_or_refused(text):
    with contextlib.suppress(LocalNetError):
        assert isinstance(Address.parse(text).container_path, str)


def test_scripts_have_the_shapes_that_a_requestor_sends():
    (deploy, run, copy) = read_script(
        [
            {"deploy": {"net": [{"id": "n1", "ip": "192.168.0.0", "mask": "255.255.255.0", "gateway": None,
                                 "nodeIp": "192.168.0.2", "nodes": {"192.168.0.1": "0xabc"}}],
                        "hosts": {}, "hostname": None, "env": {"A": "b"}, "progress": {"updateInterval": "1m 30s"},
                        "volumes": {"/storage": {"storage": {"size": "10GiB", "preallocate": "2 GB"}}}}},
            {"run": {"entry_point": "ls", "args": ["-l"], "capture": {"stdout": {"atEnd": {"headTail": 5}}}}},
            {"transfer": {"from": "http://x/y", "to": "container:/a", "format": "zip.0", "depth": 0,
                          "fileset": [{"includes": "out/*", "excludes": ["*.tmp"]}, "gen/*"], "progress": None}},
        ]
    )  # fmt: skip
    assert str(deploy.networks[0].network) == "192.168.0.0/24"
    assert (deploy.progress, deploy.hostname) == (90.0, "golem")
    assert deploy.volumes == (Volume(PurePosixPath("/storage"), "storage", 10 << 30),)
    assert (run.stdout.head, run.stdout.tail, run.stderr.head) == (3, 2, 0)
    assert copy.filesets == (FileSet(("out/*",), ("*.tmp",)), FileSet(("gen/*",)))
    assert re.fullmatch("zip.0", copy.format)
