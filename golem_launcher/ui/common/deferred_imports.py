"""Modules that no widget needs to be made: they are loaded while the browser is at work.

First what the page shows and does, while the browser loads what it needs for any widget; then what the first view does
without.
"""

from __future__ import annotations

import asyncio
import importlib
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
    "golem_launcher.session.cleanup.housekeeping",
    "golem_launcher.session.client",
    "golem_launcher.session.preparation.network_nodes",
    "golem_launcher.ui.cards.actions",
    "golem_launcher.ui.form.estimate",
    "golem_launcher.workspace.repository.store",
)
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="deferred-imports")
"""One alone: two that load modules of one circle can get halves."""


async def page_loaded() -> None:
    """Return once the page can be imported at no cost."""
    await asyncio.get_running_loop().run_in_executor(_thread, _load, _PAGE)


async def loaded() -> None:
    """Return once the rest is there. Who imports one of them, or what they import, in a function awaits this first."""
    await asyncio.get_running_loop().run_in_executor(_thread, _load, _AFTER_ITS_FIRST_VIEW)


def _load(names: Iterable[str]) -> None:
    for name in names:
        importlib.import_module(name)
