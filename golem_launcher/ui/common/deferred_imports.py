"""Modules that the page needs after its first view: they are loaded while the browser works on that one."""

from __future__ import annotations

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor

_MODULES = (
    "golem_launcher.localnet.lifecycle",
    "golem_launcher.node.manager",
    "golem_launcher.market.scan",
    "golem_launcher.market.wallet",
    "golem_launcher.session.cleanup.upkeep",
    "golem_launcher.session.client",
    "golem_launcher.session.preparation.network_nodes",
    "golem_launcher.ui.cards.actions",
    "golem_launcher.ui.form.estimate",
    "golem_launcher.workspace.repository.store",
)
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="deferred-imports")
"""One alone: two that load modules of one circle can get halves."""


async def loaded() -> None:
    """Return once they are there. Who imports one of them within a function, or what they import, awaits this first."""
    await asyncio.get_running_loop().run_in_executor(_thread, _load)


def _load() -> None:
    for name in _MODULES:
        importlib.import_module(name)
