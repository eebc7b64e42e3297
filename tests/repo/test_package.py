"""The wheel and the sdist have all that runs, and lead to the page where nothing else of this repository is."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.patience import slower

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
_NOT_SHIPPED = (".d.ts",)
"""For those who work on the page."""


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, and the sdist, of a copy of what is tracked."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in _tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for kind in ("sdist", "wheel"):
        build = f"import sys, setuptools.build_meta as build; build.build_{kind}(sys.argv[1])"
        made = [sys.executable, "-W", "ignore", "-c", build, target]
        subprocess.run(made, cwd=source, check=True, capture_output=True)
    return next(target.glob("*.whl")), next(target.glob("*.tar.gz"))


def test_all_files_of_the_package_are_in_both(built: tuple[Path, Path]) -> None:
    wanted = {name for name in _tracked() if name.startswith("golem_launcher/") and not name.endswith(_NOT_SHIPPED)}
    assert len(wanted) > 400
    assert wanted - set(zipfile.ZipFile(built[0]).namelist()) == set()
    with tarfile.open(built[1]) as archive:
        assert wanted - {name.partition("/")[2] for name in archive.getnames()} == set()


def test_installed_alone_it_leads_to_the_page(built: tuple[Path, Path], tmp_path: Path) -> None:
    target = tmp_path / "installed"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        target,
        built[0],
    ]
    subprocess.run(install, check=True)
    environment = {
        **os.environ, "PYTHONPATH": str(target), "GOLEM_LAUNCHER_HOME": str(tmp_path / "home"), "CI": "1",
        "YAGNA_APPKEY": "none", "YAGNA_API_URL": "http://127.0.0.1:1",
    }  # fmt: skip
    entry = [sys.executable, "-c", "from golem_launcher.cli.entry import main; main()"]
    alone = subprocess.run(entry, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "golem-launcher page" in alone.stdout
    where = [sys.executable, "-c", "import golem_launcher; print(golem_launcher.__file__)"]
    there = subprocess.run(where, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(there.stdout.strip()).is_relative_to(target)
    with subprocess.Popen(
        [*entry, "page", "--no-browser", "--json"], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as page:
        try:
            assert page.stdout is not None
            lines = itertools.takewhile(lambda line: line != "}\n", page.stdout)  # ends when the page does
            url = json.loads("".join(lines) + "}")["url"]
            with urllib.request.urlopen(url, timeout=90 * slower()) as answer:
                assert "Golem Launcher" in answer.read().decode()
        finally:
            page.terminate()
    subprocess.run([*entry, "down"], env=environment, cwd=tmp_path, check=False, capture_output=True)
