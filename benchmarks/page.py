"""The launcher page: how soon it can be used, how soon news shows, and what a busy session does to it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import bed, browser, page_life
from benchmarks.row import Row
from golem_launcher.errors import LauncherError
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

_OPENINGS = 5
_IMPORTS = 5
_STARTS = 2

_BUTTON = "import ipywidgets\n\nipywidgets.Button(description='one')"
_BUTTON_USABLE = "document.querySelector('button.jupyter-button')?.textContent === 'one'"
_PAGE_USABLE = """(() => {
    const start = document.querySelector('.gl-start');
    return start && !start.disabled && Boolean(document.querySelector('.gl-offers-headline')?.textContent);
})()"""
"""The offers' headline is the kernel's answer to the form's question: the page's own messages came and went."""

_CODE = """
import time, {first}
began = time.perf_counter(), time.process_time()
import {then}
print([time.perf_counter() - began[0], time.process_time() - began[1]])
"""

_RECORD_STAGES = """() => {
    window.seenStages = {};
    const look = () => {
        for (const card of document.querySelectorAll('article[data-name]')) {
            const stages = [...card.querySelectorAll('.gl-step[data-stage]')]
                .filter((step) => step.dataset.status !== 'ahead').map((step) => step.dataset.stage);
            const { name, stage } = card.dataset;
            for (const each of [...stages, stage]) seenStages[`${name} ${each}`] ??= Date.now();
        }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


def rows(base: Path) -> list[Row]:
    imported = [
        _imported("ipywidgets, anywidget", "golem_launcher.ui.launcher, golem_launcher.ui.page")
        for _ in range(_IMPORTS)
    ]
    widgets = [_imported("sys", "ipywidgets, anywidget") for _ in range(_IMPORTS)]
    with (
        bed.home(base / "home"),
        browser.served(button=_BUTTON, hour=page_life.NOTEBOOK) as address,
        browser.chromium() as chromium,
    ):
        localnet.up()
        ours, empty = _openings(chromium, address("launcher"), address("button"))
        with browser.opened(chromium, address("launcher"), _PAGE_USABLE) as (page, _):
            shown = [seconds for turn in range(_STARTS) for seconds in _stages_shown(page, f"bench-{turn}")]
        browser.alone()
        lived = page_life.rows(chromium, address, _PAGE_USABLE)
    return [
        Row(
            "the page can be used, over an empty Voilà notebook with one button",
            median(one / other for one, other in zip(ours, empty, strict=True)),
            "x",
            least=1.5,
            aim=1.2,
            detail=f"{median(ours):.2f} s and {median(empty):.2f} s, {_OPENINGS} times each, by turns, on one server; "
            "until Start can be pressed and the kernel has answered what the form asked",
        ),
        Row(
            "what the page imports beyond ipywidgets and anywidget",
            min(wall for wall, _ in imported),
            "s",
            least=0.5,
            aim=0.25,
            detail=f"CPU {min(cpu for _, cpu in imported):.2f} s; these two themselves "
            f"{min(wall for wall, _ in widgets):.2f} s; fresh processes, the best of {_IMPORTS}",
        ),
        Row(
            "a stage's change is on the page after",
            max(shown) * 1000,
            "ms",
            least=300,
            aim=200,
            detail=f"the slowest of {len(shown)} changes of {_STARTS} sessions that start and end; "
            f"median {median(shown) * 1000:.0f} ms; from the event's time to the change of the document",
        ),
        *lived,
    ]


def _imported(first: str, then: str) -> tuple[float, float]:
    """Seconds, and CPU seconds, that importing ``then`` takes in a fresh Python after ``first``."""
    code = _CODE.format(first=first, then=then)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    wall, cpu = json.loads(done.stdout)
    return float(wall), float(cpu)


def _openings(chromium: Browser, ours: str, empty: str) -> tuple[list[float], list[float]]:
    """Seconds until each could be used, by turns; the first turn warms the server up."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(_OPENINGS + 1):
        for where, usable, seconds in ((empty, _BUTTON_USABLE, found[1]), (ours, _PAGE_USABLE, found[0])):
            with browser.opened(chromium, where, usable) as (_page, took):
                seconds.append(took)
            browser.alone()
    return found[0][1:], found[1][1:]


def _stages_shown(page: Page, name: str) -> list[float]:
    """Start a session and end it; the seconds from each of its stages' events to their being on ``page``."""
    page.evaluate(_RECORD_STAGES)
    try:
        with bed.session(name) as session:
            directory = session.directory
    finally:
        with contextlib.suppress(LauncherError):
            client.stop(name, force=True)
    page.wait_for_function(f"'{name} ended' in seenStages")
    seen: dict[str, Any] = page.evaluate("seenStages")
    stages = directory.state().stages[1:]  # a new session's card has the first from its beginning
    entered = {f"{name} {stage.value}": at.timestamp() for stage, at in stages}
    missing = entered.keys() - seen.keys()
    if missing:
        raise RuntimeError(f"never shown: {', '.join(sorted(missing))}")
    return [seen[key] / 1000 - at for key, at in entered.items()]
