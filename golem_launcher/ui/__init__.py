"""The launcher page: widgets that show session directories and send requests to supervisors.

- **No state lives in the page.** Every load of a Voilà page is a new kernel, killed or orphaned when the tab closes.
  All that is shown is read from session directories (:mod:`.cards.view_model`), so a reload, a second tab and the
  command line agree without talking to each other.
- **One loop.** Front ends may call widgets on other threads; :class:`~.common.background.Background` takes every
  message to the loop that was running when the page was made, and turns every exception into a banner.
- **Text stays text.** The scripts beside the classes build their elements with ``textContent`` alone; no string
  ever becomes markup.
- **Secrets stay out of widget state.** A link with its token travels in a message, which nothing saves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golem_launcher.ui.launcher import Launcher

__all__ = ["Launcher"]


def __getattr__(name: str) -> Any:
    """Load the widgets when they are asked for: the command line uses this package without them."""
    if name == "Launcher":
        from golem_launcher.ui.launcher import Launcher  # noqa: PLC0415

        return Launcher
    raise AttributeError(name)
