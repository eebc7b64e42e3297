"""The header: whether somebody has the page open, and what its buttons do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.ui.header.view import HeaderView

GONE_SECONDS = 60
"""A page silent for so long is gone: one in sight says every 20 s that it is there …"""

HIDDEN_GONE_SECONDS = 150
"""… and browsers slow the timers of hidden tabs down to one a minute."""


class Header:
    """``on_alive`` is called whenever a front end of ``view`` shows a sign of life.

    ``on_mend`` is called when the network is to be started, ``on_fund`` when play money is wanted,
    ``on_back_up`` when the wallet's identity is.
    """

    def __init__(
        self,
        view: HeaderView,
        *,
        on_alive: Callable[[], None],
        on_mend: Callable[[], None],
        on_fund: Callable[[], None],
        on_back_up: Callable[[], None],
    ) -> None:
        self.view = view
        self._on_alive = on_alive
        self._on_mend = on_mend
        self._on_fund = on_fund
        self._on_back_up = on_back_up
        self._watched_until = float("-inf")

    @property
    def watched(self) -> bool:
        """Whether somebody has this page open."""
        return time.monotonic() < self._watched_until

    def hand_out(self, file: dict[str, str]) -> None:
        """Let the browser save a file, ``name`` and ``text``: a message, which nothing keeps."""
        self.view.send({"kind": "file", **file})

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end."""
        kind = content.get("kind")
        if kind == "here":
            await self._here(content)
        elif kind == "dismiss":
            self.view.problems = [problem for problem in self.view.problems if problem["id"] != content.get("id")]
        elif kind == "mend":
            self._on_mend()
        elif kind == "fund":
            self._on_fund()
        elif kind == "back up":
            self._on_back_up()

    async def _here(self, content: dict[str, Any]) -> None:
        """A view is there: so is somebody who looks."""
        until = time.monotonic() + (HIDDEN_GONE_SECONDS if content.get("hidden") else GONE_SECONDS)
        self._watched_until = max(self._watched_until, until)
        await self.view.here(content)
        self._on_alive()
