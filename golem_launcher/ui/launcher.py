"""The widget of the notebook's one cell: an empty box, which the page is put into as soon as that is loaded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import ipywidgets

from golem_launcher.ui.common.deferred_imports import page_loaded
from golem_launcher.ui.common.problems import problem

if TYPE_CHECKING:
    from golem_launcher.ui.page import Page


class Launcher(ipywidgets.VBox):
    """The launcher page. Make it in a notebook cell: the loop that runs there becomes the page's.

    The cell ends at once, and the browser loads what it needs for any widget while the page is loaded here.
    """

    def __init__(self) -> None:
        super().__init__(_dom_classes=("gl-page",))
        self._page: Page | None = None
        self._filling = asyncio.get_running_loop().create_task(self._fill())

    def close(self) -> None:
        """Stop the page's work; sessions go on."""
        self._filling.cancel()
        if self._page is not None:
            self._page.close()
        super().close()

    async def _fill(self) -> None:
        try:
            await page_loaded()
            from golem_launcher.ui.page import Page  # noqa: PLC0415 - loaded just now, on a thread of its own

            self._page = Page()
            self.children = self._page.parts
        except Exception as error:  # noqa: BLE001 - the cell has ended, and nobody else would tell
            told = problem(error)
            words = ipywidgets.Label(f"{told['title']} {told['remedy']}")
            self.children = (words, ipywidgets.Textarea(told["details"], disabled=True, rows=20))

    def _repr_keys(self) -> Any:
        """Keep ``repr`` short: the parts' own contents are long."""
        return iter(())
