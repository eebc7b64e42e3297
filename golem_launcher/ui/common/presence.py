"""Widgets whose views recover from lost messages: each announces itself, and gets the whole state.

A message between kernel and browser may be lost: before a view listens, when a connection breaks, while a laptop
sleeps. So no view depends on one. It says ``here`` until it is answered, and again whenever the connection may have
been away (``presence.js``); the answer follows the whole state on the same ordered connection.
"""

from __future__ import annotations

from typing import Any

import anywidget

_FIXED = frozenset({"layout", "tabbable", "tooltip"})


class Present(anywidget.AnyWidget):
    """A widget with views that say ``here``. What its state does not hold is sent by an override of :meth:`here`."""

    async def here(self, content: dict[str, Any]) -> None:
        """A view is there, of which nobody knows what it has: send everything, then the word that this is all."""
        self.send_state([name for name in self.keys if not name.startswith("_") and name not in _FIXED])
        self.send({"kind": "here", "view": content.get("view"), "turn": content.get("turn")})
