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

    The cell ends at once, and the browser loads what it needs for any widget while the page is loaded here. The page is
    made once a browser says that it shows the box, and not before: one that still connects can miss a widget's opening.
    """

    def __init__(self) -> None:
        super().__init__(_dom_classes=("gl-page",), _view_count=0)  # a number: views are to be counted
        loop = asyncio.get_running_loop()
        self._page: Page | None = None
        self._shown = asyncio.Event()
        self.observe(lambda _: loop.call_soon_threadsafe(self._shown.set), "_view_count")  # told on any thread
        self._filling = loop.create_task(self._fill())

    def close(self) -> None:
        """Stop the page's work; sessions go on."""
        self._filling.cancel()
        if self._page is not None:
            self._page.close()
        super().close()

    async def _fill(self) -> None:
        try:
            await page_loaded()
            await self._shown.wait()
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
