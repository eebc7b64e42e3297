"""The widget of all session cards."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets

from golem_launcher.ui.common.assets import script, style
from golem_launcher.ui.common.hosting import on_hub
from golem_launcher.ui.common.presence import Present


class SessionsView(Present):
    """All sessions on disk. What it shows and is told comes from and goes to :class:`~.sessions.SessionCards`."""

    _esm: ClassVar[str] = script(__file__, "sessions.js")
    _css: ClassVar[str] = style(__file__, "sessions.css", "card.css")

    live = traitlets.List().tag(sync=True)
    past = traitlets.List().tag(sync=True)
    """Sessions that are over, the last and those that were looked for; apart, as ``live`` changes every few seconds."""

    past_count = traitlets.Int().tag(sync=True)
    """How many there are that are over."""

    looked_for = traitlets.Unicode().tag(sync=True)
    """What was looked for among all that are over; ``past`` has what was found."""

    clock = traitlets.Unicode().tag(sync=True)
    """The kernel's time when the sessions changed: the browser's may differ."""

    remote = traitlets.Bool().tag(sync=True)
    """Whether the browser is on another machine than the sessions' addresses."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(remote=on_hub(), **kwargs)
