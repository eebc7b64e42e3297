"""What a cell of ours shows: streams, displays that are updated in place, and errors, as messages of its own."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.kernel import messages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.errors import LauncherError
    from golem_launcher.kernel.messages import JupyterMessage


_DIGITS = re.compile(r"[\d.,%()]+")


@dataclass(frozen=True)
class Shown:
    """The same in words and as HTML. Whatever a provider wrote is escaped in the latter."""

    text: str
    html: str


class Output:
    """The output of the request whose header is ``parent``.

    ``lines``: its client updates no displays, as consoles don't: what changes is told in lines.
    """

    def __init__(
        self, publish: Callable[[JupyterMessage], Awaitable[None]], session: str, parent: bytes, *, lines: bool = False
    ) -> None:
        self.lines = lines
        self._publish = publish
        self._session = session
        self._parent = parent

    async def tell(self, kind: str, content: dict[str, Any]) -> None:
        """Publish a message of any kind."""
        await self._publish(messages.make(kind, content, session=self._session, parent=self._parent))

    async def say(self, text: str, *, error: bool = False) -> None:
        """Publish text as the cell's output, on stderr for an ``error``; a line break is added at its end."""
        await self.tell("stream", {"name": "stderr" if error else "stdout", "text": text.rstrip("\n") + "\n"})

    async def show(self, shown: Shown) -> None:
        """A display that stays as it is."""
        await self.tell("display_data", {"data": _bundle(shown), "metadata": {}, "transient": {}})

    def place(self) -> Place:
        """Somewhere for a display that changes."""
        return Place(self)

    async def fail(self, ename: str, evalue: str) -> None:
        """An error, as of a cell that raised one."""
        await self.tell("error", error_content(ename, evalue))


class Place:
    """One display, shown at first and then updated in place."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._id = secrets.token_hex(8)
        self._shown: Shown | None = None
        self._said: set[str] = set()

    async def show(self, shown: Shown) -> None:
        """Show this here now; what is the same is not sent again."""
        if shown == self._shown:
            return
        if self._output.lines:
            await self._say(shown)
            return
        kind = "display_data" if self._shown is None else "update_display_data"
        self._shown = shown
        content = {"data": _bundle(shown), "metadata": {}, "transient": {"display_id": self._id}}
        await self._output.tell(kind, content)

    async def _say(self, shown: Shown) -> None:
        """The lines that are new by more than their numbers."""
        news = {_DIGITS.sub("", line): line for line in shown.text.splitlines()}
        lines = [line for key, line in news.items() if key not in self._said]
        self._said.update(news)
        if lines:
            await self._output.say("\n".join(lines))


def error_content(ename: str, evalue: str) -> dict[str, Any]:
    """The content of an error, as clients show it."""
    return {"ename": ename, "evalue": evalue, "traceback": [f"\x1b[31m{ename}\x1b[0m: {evalue}"]}


def error_of(error: LauncherError) -> tuple[str, str]:
    """Name and words of an error of the launcher's: what happened, and what to do."""
    return type(error).__name__, str(error)


def _bundle(shown: Shown) -> dict[str, str]:
    return {"text/plain": shown.text, "text/html": shown.html}
