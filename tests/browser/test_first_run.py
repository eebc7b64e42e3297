"""What a newcomer does: clone into an empty directory, with an empty home, and type the README's first command."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.browser.conftest import new_context, open_page
from tests.patience import milliseconds, slower
from tests.session.jupyter import Jupyter

_ROOT = Path(__file__).resolve().parents[2]
_ADDRESS = re.compile(r"https?://127\.0\.0\.1:\d+/\S*")
_WHERE = "import os, sys; print(os.getcwd()); print(sys.prefix); print(6 * 7)"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def _first_command() -> list[str]:
    """The first indented or fenced command of the README, without its comment."""
    line = next(line for line in (_ROOT / "README.md").read_text().splitlines() if re.match(r"(    )?make ", line))
    return shlex.split(line, comments=True)


def test_the_first_command_leads_to_a_cell_executed_in_the_provider(chromium, tmp_path):
    clone, home = tmp_path / "clone", tmp_path / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(_ROOT), str(clone)], check=True, timeout=60 * slower())
    environment = {
        # Wheels once fetched may be used again; all else is as on a fresh machine.
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        **{key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_")) or key == "LANG"},
        "PATH": os.environ["PATH"],
        "HOME": str(home),
    }
    run = subprocess.Popen(
        _first_command(),
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        address = _read_address(run)
        with new_context(chromium) as context:
            page = open_page(context, address)
            page.get_by_label("Name").fill("first")
            page.get_by_role("button", name="Start JupyterLab on Golem").click()
            card = page.get_by_role("article", name="first")
            link = card.get_by_role("link", name="Open JupyterLab")
            link.wait_for(timeout=milliseconds(120))
            url = link.get_attribute("href")
        directory, prefix, answer = _run_cell(url).split()
        assert answer == "42"
        assert Path(directory) != clone
        assert str(clone / ".venv") not in prefix
    finally:
        _interrupt(run)
        subprocess.run(["make", "down"], cwd=clone, env=environment, check=True, timeout=120 * slower())
    assert _left_behind(tmp_path) == []


def _read_address(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    lines = []
    for line in run.stdout:
        lines.append(line)
        if found := _ADDRESS.search(line):
            return found[0]
    raise AssertionError("no address in:\n" + "".join(lines))


def _run_cell(url: str | None) -> str:
    assert url

    async def run() -> str:
        async with Jupyter(url) as lab:
            return await lab.execute(_WHERE)

    # In a thread: Playwright's loop runs in this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(run())).result(120)


def _interrupt(run: subprocess.Popen[str]) -> None:
    """Ctrl-C, as a person ends it: the whole foreground group gets it."""
    os.killpg(run.pid, signal.SIGINT)
    try:
        run.communicate(timeout=30 * slower())
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def _left_behind(directory: Path) -> list[str]:
    """Command lines of processes that still run a program or work in ``directory``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            where = (process / "cwd").readlink()
        except OSError:
            continue
        if os.fsencode(directory) in words or directory in where.parents:
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found
