"""The widget of the header: the network in use and its condition, the wallet, problems."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets

from golem_launcher.ui.common.assets import script, style
from golem_launcher.ui.common.hosting import place_words
from golem_launcher.ui.common.presence import Present

_PROBLEMS_AT_MOST = 5


class HeaderView(Present):
    """Status line and banners. What it is told goes to :class:`~.header.Header`."""

    _esm: ClassVar[str] = script(__file__, "header.js")
    _css: ClassVar[str] = style(__file__, "header.css", "wallet.css")

    network = traitlets.Dict().tag(sync=True)
    wallet = traitlets.Dict().tag(sync=True)
    """What :class:`~.wallet.WalletPanel` tells."""

    place = traitlets.Unicode().tag(sync=True)
    """What can't be done where this page is served from."""

    problems = traitlets.List().tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(place=place_words(), **kwargs)

    def add_problem(self, problem: dict[str, Any]) -> None:
        """Show one more banner; the same problem again replaces its older self."""
        others = [other for other in self.problems if other["title"] != problem["title"]]
        self.problems = [*others, problem][-_PROBLEMS_AT_MOST:]
