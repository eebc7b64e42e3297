"""Modules that the page needs only once a browser is at work: they are loaded while it is.

First those that make the page, while the browser loads what it needs for any widget; then what the first view does
without, while the browser shows that one.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PAGE = ("golem_launcher.ui.page",)
_AFTER_ITS_FIRST_VIEW = (
    "golem_launcher.localnet.lifecycle",
    "golem_launcher.node.manager",
    "golem_launcher.market.scan",
    "golem_launcher.market.wallet",
    "golem_launcher.session.cleanup.upkeep",
    "golem_launcher.session.client",
    "golem_launcher.session.preparation.network_hosts",
    "golem_launcher.ui.cards.actions",
    "golem_launcher.ui.form.estimate",
    "golem_launcher.workspace.repository.store",
)
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="deferred-imports")
"""One alone: two that load modules of one circle can get halves."""

_TURN_SECONDS = 0.0005
"""What a browser asks meanwhile is answered by other threads, which wait so long for each turn of theirs."""


async def page_loaded() -> None:
    """Return once the page can be imported at no cost."""
    await asyncio.get_running_loop().run_in_executor(_thread, _load, _PAGE)


async def loaded() -> None:
    """Return once the rest is there. Who imports one of them, or what they import, in a function awaits this first."""
    await asyncio.get_running_loop().run_in_executor(_thread, _load, _AFTER_ITS_FIRST_VIEW)


def _load(names: Iterable[str]) -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        for name in names:
            importlib.import_module(name)
    finally:
        sys.setswitchinterval(usual)
