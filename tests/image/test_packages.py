"""Debian's packages and PyPI's wheels read in plain Python, against what dpkg and pip make of the same files."""

import hashlib
import http.server
import io
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from golem_launcher.errors import ImageError, RequestError
from golem_launcher.image import deb, debian_mirrors, lock, wheels
from golem_launcher.image.file_contents import FileContents
from golem_launcher.image.lock import Lock, Package
from golem_launcher.image.tree import ImageTree


@pytest.fixture
def tree(tmp_path):
    contents = FileContents(tmp_path)
    yield ImageTree(contents)
    contents.close()


@pytest.fixture
def package(tmp_path):
    """A package as dpkg-deb makes them, and the directory it was made from."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")
    root = tmp_path / "package"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: one\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: one\n"
    )
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/one").write_text("#!/bin/sh\n")
    (root / "usr/bin/one").chmod(0o755)
    (root / "usr/bin/two").symlink_to("one")
    (root / "usr/bin/three").hardlink_to(root / "usr/bin/one")
    return root


@pytest.mark.parametrize("packing", ["xz", "gzip", "zstd"])
def test_a_package_is_unpacked_as_dpkg_does(package, tree, tmp_path, packing):
    made = tmp_path / "one.deb"
    subprocess.run(["dpkg-deb", "--build", f"-Z{packing}", package, made], check=True, capture_output=True)
    found = deb.unpack(made, tree)
    assert b"Package: one" in found.control["control"]
    assert "/usr/bin/one" in found.paths
    entries = dict(tree)
    assert entries["usr/bin/one"].mode & 0o777 == 0o755
    assert entries["usr/bin/two"].target == "one"
    assert tree.contents.read(entries["usr/bin/three"].content) == b"#!/bin/sh\n"


@pytest.mark.parametrize(
    "content", [b"", b"!<arch>\n", b"!<arch>\ndata.tar.xz     0  0 0 644 9999      `\nabc", b"\0" * 400]
)
def test_what_is_no_package_is_named(tree, tmp_path, content):
    path = tmp_path / "odd.deb"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"odd\.deb is no package"):
        deb.unpack(path, tree)


def test_what_the_disk_refuses_is_no_fault_of_a_packages(tree, tmp_path):
    """It was removed while an image is made, or the disk is full: whoever keeps images says what to do."""
    with pytest.raises(FileNotFoundError):
        deb.unpack(tmp_path / "removed.deb", tree)
    with pytest.raises(FileNotFoundError):
        wheels.lay(tmp_path / "removed-1-py3-none-any.whl", tree)


def test_a_wheel_lies_where_pip_would_put_it(tree, tmp_path):
    wheel = tmp_path / "one-1-py3-none-any.whl"
    about = "one-1.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("one/__init__.py", "def main(): print('one')\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: one\nVersion: 1\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/entry_points.txt", "[console_scripts]\none = one:main\n")
        archive.writestr("one-1.data/data/share/one.json", "{}")
        archive.writestr("one-1.data/scripts/of-its-own", "#!python\nprint(1)\n")
        archive.writestr(f"{about}/RECORD", "")
    wheels.lay(wheel, tree)
    library = f"usr/local/lib/python{wheels.PYTHON}/dist-packages"
    assert tree.read("usr/local/share/one.json") == b"{}"
    assert tree.read("usr/local/bin/one").startswith(b"#!/usr/bin/python3\n")
    assert tree.read("usr/local/bin/of-its-own").startswith(b"#!/usr/bin/python3\n")
    assert dict(tree)["usr/local/bin/one"].mode & 0o111
    record = tree.read(f"{library}/{about}/RECORD").decode()
    assert "../../../bin/one,sha256=" in record
    assert "one/__init__.py,sha256=" in record
    # The installer's word for it: what RECORD names can be uninstalled.
    assert tree.read(f"{library}/{about}/INSTALLER") == b"pip\n"


@pytest.fixture
def mirror(tmp_path):
    """Serves a directory; which paths were asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "served"))

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def a_lock(content, path="pool/one_1+x_all.deb"):
    package = Package("debian", path, len(content), hashlib.sha256(content).hexdigest())
    return Lock("base", "20260101T000000Z", (package,), Path(), "digest")


def test_packages_come_from_the_named_mirror_by_their_hash(mirror, tmp_path, monkeypatch):
    address, asked = mirror
    content, downloads, told = b"a package", tmp_path / "downloads", []
    served = tmp_path / "served/debian/pool/one_1+x_all.deb"
    served.parent.mkdir(parents=True)
    served.write_bytes(content)
    downloads.mkdir()
    monkeypatch.setenv(debian_mirrors.MIRROR_VARIABLE, address)
    found = debian_mirrors.fetch(a_lock(content), downloads, progress=lambda done, total: told.append((done, total)))
    assert [path.read_bytes() for path in found.values()] == [content]
    assert told == [(0, 9), (9, 9)]
    debian_mirrors.fetch(a_lock(content), downloads, progress=lambda *_: None)
    assert asked == ["/debian/pool/one_1%2Bx_all.deb"]  # what is there is not fetched again


@pytest.mark.parametrize("broken", [b"", b"a packagE"])
def test_a_package_that_was_kept_is_looked_at_before_it_is_used(mirror, tmp_path, monkeypatch, broken):
    address, _ = mirror
    content = b"a package"
    served = tmp_path / "served/debian/pool/one_1+x_all.deb"
    served.parent.mkdir(parents=True)
    served.write_bytes(content)
    monkeypatch.setenv(debian_mirrors.MIRROR_VARIABLE, address)
    (kept,) = debian_mirrors.fetch(a_lock(content), tmp_path, progress=lambda *_: None).values()
    kept.write_bytes(broken)
    debian_mirrors.fetch(a_lock(content), tmp_path, progress=lambda *_: None)
    assert kept.read_bytes() == content


@pytest.mark.parametrize(
    "named", ["deb.example.org", "ftp://deb.example.org", "http://[deb", "http://de b/", "http://"]
)
def test_a_mirror_that_is_no_address_is_named_as_such(tmp_path, monkeypatch, named):
    monkeypatch.setenv(debian_mirrors.MIRROR_VARIABLE, named)
    with pytest.raises(ImageError, match="no address"):
        debian_mirrors.fetch(a_lock(b"a package"), tmp_path, progress=lambda *_: None)


def test_a_version_that_left_the_mirror_comes_from_the_snapshots(mirror, tmp_path, monkeypatch):
    address, asked = mirror
    content, stamp = b"an old package", "20260101T000000Z"
    served = tmp_path / f"served/archive/debian/{stamp}/pool/one_1+x_all.deb"
    served.parent.mkdir(parents=True)
    served.write_bytes(content)
    other = tmp_path / "served/debian/pool/one_1+x_all.deb"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"somebody else's")
    monkeypatch.setenv(debian_mirrors.MIRROR_VARIABLE, address)
    monkeypatch.setattr(debian_mirrors, "_PUBLIC", f"{address}/gone")
    monkeypatch.setattr(debian_mirrors, "_SNAPSHOTS", f"{address}/archive")
    found = debian_mirrors.fetch(a_lock(content), tmp_path, progress=lambda *_: None)
    assert [path.read_bytes() for path in found.values()] == [content]
    assert len(asked) == 3
    other.write_bytes(content[:-1] + b"!")
    shutil.rmtree(tmp_path / "served/archive")
    next(iter(found.values())).unlink()
    with pytest.raises(ImageError, match="another hash") as refused:
        debian_mirrors.fetch(a_lock(content), tmp_path, progress=lambda *_: None)
    assert debian_mirrors.MIRROR_VARIABLE in refused.value.remedy
    assert "--image" in refused.value.remedy


def test_apts_mirror_is_taken_where_it_has_the_archive(monkeypatch):
    monkeypatch.delenv(debian_mirrors.MIRROR_VARIABLE, raising=False)
    monkeypatch.setattr(
        debian_mirrors, "_of_apt", lambda: ["http://archive.ubuntu.com/ubuntu", "http://near.example.org/debian"]
    )
    places = debian_mirrors.addresses(a_lock(b""), "debian")
    assert places[0] == "http://near.example.org/debian"
    assert places[1:] == [
        "https://deb.debian.org/debian", "https://snapshot.debian.org/archive/debian/20260101T000000Z",
    ]  # fmt: skip


def test_pips_reason_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    requirements = tmp_path / "lock.txt"
    requirements.write_text(f"nobody-has-this==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ImageError, match="pip could not fetch"):
        wheels.fetch(requirements, tmp_path, progress=lambda *_: None)


def test_each_python_package_that_came_is_told(tmp_path, monkeypatch):
    """The index keeps the second one back until it was told that the first is there."""
    first_told, files = threading.Event(), {}
    for name in ("one", "two"):
        wheel, about = io.BytesIO(), f"{name}-1.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{about}/RECORD", "")
        files[f"{name}-1-py3-none-any.whl"] = wheel.getvalue()

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/").rpartition("/")[2]
            if name.startswith("two-1"):
                assert first_told.wait(60)
            file = f"{name}-1-py3-none-any.whl"
            content = files.get(name) or f'<a href="/{file}">{file}</a>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    told = []

    def progress(done, total):
        told.append((done, total))
        if done == 1:
            first_told.set()

    requirements, directory = tmp_path / "lock.txt", tmp_path / "wheels"
    directory.mkdir()
    digests = {name.partition("-")[0]: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    requirements.write_text("".join(f"{name}==1 --hash=sha256:{digest}\n" for name, digest in digests.items()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        (tmp_path / "pip.py").write_text("raise SystemExit('a stranger was here')")
        monkeypatch.chdir(tmp_path)
        try:
            wheels.fetch(requirements, directory, progress=progress)
        finally:
            server.shutdown()
            thread.join()
    assert (1, 2) in told
    assert told[-1] == (2, 2)
    assert {path.name.partition("-")[0] for path in directory.iterdir()} == {"one", "two"}


def test_each_variant_has_a_lock_with_hashes():
    assert lock.variants()[0] == "base"
    for variant in lock.variants():
        wanted = lock.read(variant)
        lines = [line for line in wanted.python.read_text().splitlines() if not line.startswith("#")]
        assert all("==" in line and "--hash=sha256:" in line for line in lines)
        assert len({package.filename for package in wanted.debian}) == len(wanted.debian) > 100
        assert {package.archive for package in wanted.debian} <= {"debian", "debian-security"}
    with pytest.raises(RequestError, match="no recipe"):
        lock.read("nothing")


def pin(line):
    name, _, version = line.split()[0].partition("==")
    return canonicalize_name(name), version


def test_the_locks_have_what_the_lists_name():
    provider = Path(__file__).resolve().parents[2] / "provider"
    names = {package.filename.partition("_")[0] for package in lock.read("base").debian}
    wanted = [line for line in (provider / "system.txt").read_text().splitlines() if not line.startswith("#")]
    assert set(wanted) <= names
    for variant in lock.variants():
        pinned = {pin(line) for line in lock.read(variant).python.read_text().splitlines() if "==" in line}
        for line in (provider / f"python/{variant}.txt").read_text().splitlines():
            if "==" in line:
                assert pin(line) in pinned
