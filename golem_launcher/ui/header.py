"""The top of the page: which network is in use and how it is, what went wrong, and the page's heartbeat."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import traitlets

from golem_launcher.ui.assets import script, style
from golem_launcher.ui.links import place_words

if TYPE_CHECKING:
    from collections.abc import Callable

HEARTBEAT_SECONDS = 20
"""How often a front end says that it is there."""

GONE_SECONDS = 150
"""A page silent for so long is gone. Browsers slow the timers of hidden tabs down to one a minute."""

_PROBLEMS_AT_MOST = 5


class Header(anywidget.AnyWidget):
    """Status line and banners. ``on_alive`` is called whenever a front end shows a sign of life.

    ``on_mend`` is called when the network is to be started, ``on_fund`` when play money is wanted,
    ``on_back_up`` when the wallet's identity is.
    """

    _esm: ClassVar[str] = script("wallet.js", "header.js")
    _css: ClassVar[str] = style("header.css", "wallet.css")

    network = traitlets.Dict().tag(sync=True)
    wallet = traitlets.Dict().tag(sync=True)
    """What :class:`~.wallet.Purse` tells."""

    place = traitlets.Unicode().tag(sync=True)
    """What can't be done where this page is served from."""

    problems = traitlets.List().tag(sync=True)
    heartbeat = traitlets.Int(HEARTBEAT_SECONDS).tag(sync=True)

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
        self._last_sign = float("-inf")

    @property
    def watched(self) -> bool:
        """Whether somebody has this page open."""
        return time.monotonic() - self._last_sign < GONE_SECONDS

    def add_problem(self, problem: dict[str, Any]) -> None:
        """Show one more banner; the same problem again replaces its older self."""
        others = [other for other in self.problems if other["title"] != problem["title"]]
        self.problems = [*others, problem][-_PROBLEMS_AT_MOST:]

    def hand_out(self, file: dict[str, str]) -> None:
        """Let the browser save a file, ``name`` and ``text``: a message, which nothing keeps."""
        self.send({"kind": "file", **file})

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end."""
        kind = content.get("kind")
        if kind == "alive":
            self._last_sign = time.monotonic()
            self.send({"kind": "alive"})
            self._on_alive()
        elif kind == "dismiss":
            self.problems = [problem for problem in self.problems if problem["id"] != content.get("id")]
        elif kind == "mend":
            self._on_mend()
        elif kind == "fund":
            self._on_fund()
        elif kind == "back up":
            self._on_back_up()
