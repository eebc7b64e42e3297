"""What the user installed is known, comes back at another provider, and one bad package blocks no other."""

import asyncio
import json
import site
import subprocess
import sys
import zipfile

import pytest

from golem_launcher.agent.workspace.packages import Packages, freeze
from golem_launcher.workspace.repository.manifest import Environment
from golem_launcher.workspace.repository.package_lists import package_lists
from golem_launcher.workspace.transfer.restore import put_files, restore_into


def wheel(directory, name, *requires):
    path = directory / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An environment with pip where two packages were asked for and one came along."""
    base = tmp_path_factory.mktemp("packages")
    wheels = base / "wheels"
    wheels.mkdir()
    wheel(wheels, "asked", "along")
    wheel(wheels, "along")
    wheel(wheels, "other")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", base / "venv"], check=True)
    environment = {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "HOME": str(base)}
    return base / "venv", wheels, environment


@pytest.mark.slow
def test_only_what_was_asked_for_is_listed(python, tmp_path):
    venv, _, environment = python
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install", "-q"]
    subprocess.run([*pip, "asked", "other"], env=environment, check=True)
    assert freeze(str(venv)) == ["asked==1.0", "other==1.0"]
    packages = Packages(str(tmp_path / "base"))
    assert packages.environment()["requirements"] == []
    assert any(line.startswith("pytest==") for line in packages.environment()["full"])


@pytest.mark.slow
def test_one_bad_package_blocks_no_other_and_pip_is_led_nowhere(python, providers, store, tmp_path, monkeypatch):
    _, _, environment = python
    for name, value in environment.items():
        if name.startswith("PIP_"):
            monkeypatch.setenv(name, value)
    target = tmp_path / "target"
    monkeypatch.setenv("PIP_TARGET", str(target))
    evil = ("--index-url=http://127.0.0.1:9", "evil @ file:///evil.whl", "-e .", "-r /etc/passwd", "https://evil/x.whl")
    store.commit("work", [], Environment((evil[0], "no-such-package==1", *evil[1:], "asked==1.0"), ("all==1",)))
    provider = providers()
    told = []

    async def scenario():
        async with provider.agent() as agent:
            return await restore_into(agent, store, store.manifest("work"), progress=lambda *each: told.append(each))

    *refused, notice = asyncio.run(scenario())
    assert [each.split()[2] for each in refused] == [
        "--index-url=http://127.0.0.1:9",
        "evil",
        "-e",
        "-r",
        "https://evil/x.whl",
    ]
    assert all("was not installed again: it is from no package index" in each for each in refused)
    assert notice.startswith("The package no-such-package==1 could not be installed: ")
    assert {path.name for path in target.glob("*.py")} == {"asked.py", "along.py"}
    assert told[0] == ("Installing packages", 0, 0, "packages", "looking for 2 packages")
    assert any(each[4].startswith("fetching asked") for each in told[:-1])
    assert told[-1] == ("Installing packages", 1, 1, "packages")


def test_the_users_own_files_are_there_byte_for_byte(providers, tmp_path):
    source = tmp_path / "mine"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "a b.bin").write_bytes(bytes(range(256)) * 3000)
    (source / "link").symlink_to("/etc/hostname")
    (source / "empty").write_bytes(b"")
    single = tmp_path / "single.txt"
    single.write_text("one")
    provider = providers()

    async def scenario():
        async with provider.agent() as agent:
            return await put_files(agent, [(source, ""), (source, "again"), (single, "data/single.txt")])

    notices = asyncio.run(scenario())
    assert all("link was left out" in notice for notice in notices)
    for place in (provider.work, provider.work / "again"):
        assert (place / "sub" / "a b.bin").read_bytes() == (source / "sub" / "a b.bin").read_bytes()
        assert (place / "empty").read_bytes() == b""
        assert not (place / "link").is_symlink()
    assert (provider.work / "data" / "single.txt").read_text() == "one"


def test_what_came_from_no_index_is_pinned_as_if_it_had_nowhere(tmp_path, monkeypatch):
    """At home pip would look for a stranger's package of that name."""
    sites, work = tmp_path / "site-packages", tmp_path / "work"
    told = {
        "plain": ("pip", None),
        "local": ("pip", {"url": "file:///golem/work/local", "dir_info": {"editable": True}}),
        "wheel": ("pip", {"url": "https://example.org/wheel.whl", "archive_info": {}}),
        "git_one": ("pip", {"url": "https://host/x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}),
        "conda_one": ("conda", {"url": "file:///croot/conda/work", "dir_info": {}}),
        "broken": ("pip", {"url": None, "vcs_info": "git"}),
    }
    for name, (installer, url) in told.items():
        info = sites / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "INSTALLER").write_text(installer)
        if url is not None:
            (info / "direct_url.json").write_text(json.dumps(url))
    (work / "old_style.egg-info").mkdir(parents=True)
    (work / "old_style-1.0.egg-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(sites), str(work)])
    monkeypatch.setattr(site, "ENABLE_USER_SITE", False)
    full = Packages(str(tmp_path / "base")).environment()["full"]
    assert full == [
        "broken==1.0",
        "conda-one==1.0",
        "git-one @ git+https://host/x@abc",
        "local @ file:///golem/work/local",
        f"old-style @ file://{work}",
        "plain==1.0",
        "wheel @ https://example.org/wheel.whl",
    ]
    lists = package_lists(Environment((), tuple(full)), ())["requirements-full.txt"].decode().splitlines()
    assert [line for line in lists if not line.startswith("#")] == ["broken==1.0", "conda-one==1.0", "plain==1.0"]
