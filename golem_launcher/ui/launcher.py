"""The page's widgets, as a notebook's cell makes them; what they show and do is loaded while the browser is at work."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import ipywidgets

from golem_launcher.ui.cards.view import SessionsView
from golem_launcher.ui.common.background import Background
from golem_launcher.ui.common.deferred_imports import page_loaded
from golem_launcher.ui.common.problems import problem
from golem_launcher.ui.form.view import FormView
from golem_launcher.ui.header.view import HeaderView
from golem_launcher.ui.sweep.view import SweepView

if TYPE_CHECKING:
    from golem_launcher.ui.common.presence import Present
    from golem_launcher.ui.page import Page


class Launcher(ipywidgets.VBox):
    """The launcher page. Make it in a notebook cell: the loop that runs there becomes the page's.

    Voilà sends its page when the cell has ended, and the browser then loads what it needs for any widget. So the cell
    makes the widgets and no more: what their views say from then on waits for the page (``page``), which is loaded
    meanwhile, and whose answer is the whole state.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._background = Background(loop, self._report)
        self._header, self._sessions, self._form, self._sweep = HeaderView(), SessionsView(), FormView(), SweepView()
        self.page: asyncio.Task[Page] = loop.create_task(self._load())
        views = (self._header, self._sessions, self._form, self._sweep)
        for view in views:
            self._background.receives(view, functools.partial(self._receive, view))
        # where the sessions' script lists those that are over, below the form
        past = ipywidgets.VBox(_dom_classes=("gl-past-place",))
        super().__init__((*views, past), _dom_classes=("gl-page",))

    def close(self) -> None:
        """Stop the page's work; sessions go on."""
        self._background.close()
        if self.page.done() and not self.page.cancelled() and self.page.exception() is None:
            self.page.result().close()
        self.page.cancel()
        super().close()

    async def _load(self) -> Page:
        await page_loaded()
        from golem_launcher.ui.page import Page  # noqa: PLC0415 - loaded just now, on a thread of its own

        return Page(self._background, header=self._header, sessions=self._sessions, form=self._form, sweep=self._sweep)

    async def _receive(self, view: Present, content: dict[str, Any]) -> None:
        page = await asyncio.shield(self.page)  # of which every view is told that it failed
        part = next(part for part in page.parts if part.view is view)
        await part.receive(content)

    def _report(self, error: BaseException) -> None:
        self._header.add_problem(problem(error))

    def _repr_keys(self) -> Any:
        """Keep ``repr`` short: the parts' own contents are long."""
        return iter(())
