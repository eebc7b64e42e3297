"""The header widget: the network in use and its condition, problems, and the page's heartbeat."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from golem_launcher.ui.common.assets import script, style
from golem_launcher.ui.common.hosting import place_words
from golem_launcher.ui.common.presence import Present

if TYPE_CHECKING:
    from collections.abc import Callable

GONE_SECONDS = 60
"""A page silent for so long is gone: one in sight says every 20 s that it is there …"""

HIDDEN_GONE_SECONDS = 150
"""… and browsers slow the timers of hidden tabs down to one a minute."""

_PROBLEMS_AT_MOST = 5


class Header(Present):
    """Status line and banners. ``on_alive`` is called whenever a front end shows a sign of life.

    ``on_mend`` is called when the network is to be started, ``on_fund`` when play money is wanted,
    ``on_back_up`` when the wallet's identity is.
    """

    _esm: ClassVar[str] = script(__file__, "header.js")
    _css: ClassVar[str] = style(__file__, "header.css", "wallet.css")

    network = traitlets.Dict().tag(sync=True)
    wallet = traitlets.Dict().tag(sync=True)
    """What :class:`~.wallet.WalletPanel` tells."""

    place = traitlets.Unicode().tag(sync=True)
    """What can't be done where this page is served from."""

    problems = traitlets.List().tag(sync=True)

    def __init__(
        self,
        *,
        on_alive: Callable[[], None],
        on_mend: Callable[[], None],
        on_fund: Callable[[], None],
        on_back_up: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(place=place_words(), **kwargs)
        self._on_alive = on_alive
        self._on_mend = on_mend
        self._on_fund = on_fund
        self._on_back_up = on_back_up
        self._watched_until = float("-inf")

    @property
    def watched(self) -> bool:
        """Whether somebody has this page open."""
        return time.monotonic() < self._watched_until

    def add_problem(self, problem: dict[str, Any]) -> None:
        """Show one more banner; the same problem again replaces its older self."""
        others = [other for other in self.problems if other["title"] != problem["title"]]
        self.problems = [*others, problem][-_PROBLEMS_AT_MOST:]

    def hand_out(self, file: dict[str, str]) -> None:
        """Let the browser save a file, ``name`` and ``text``: a message, which nothing keeps."""
        self.send({"kind": "file", **file})

    async def here(self, content: dict[str, Any]) -> None:
        """A view is there: so is somebody who looks."""
        until = time.monotonic() + (HIDDEN_GONE_SECONDS if content.get("hidden") else GONE_SECONDS)
        self._watched_until = max(self._watched_until, until)
        await super().here(content)
        self._on_alive()

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end."""
        kind = content.get("kind")
        if kind == "here":
            await self.here(content)
        elif kind == "dismiss":
            self.problems = [problem for problem in self.problems if problem["id"] != content.get("id")]
        elif kind == "mend":
            self._on_mend()
        elif kind == "fund":
            self._on_fund()
        elif kind == "back up":
            self._on_back_up()
