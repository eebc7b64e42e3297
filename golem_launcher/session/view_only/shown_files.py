"""What a session's viewers see of its workspace, as its agent tells it: a list, and the bytes of a file that is on it.

Asked for while somebody looks, and no oftener than a viewer notices: however many they are, and however fast they ask,
the user's own work comes first. Everything that arrives is from a stranger.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.agent.workspace.viewer_files import KINDS, LARGEST, LONGEST_PATH, MOST_FILES, is_shown
from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.waiting import wait_for
from golem_launcher.workspace.repository.entry import LARGEST_FILE, fault_of_path
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.responses import nonsense
from golem_launcher.workspace.transfer.timeouts import PROMPT, Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from golem_launcher.access.machine.provider_http import Dial

LOOK_SECONDS = 2.0
"""Between two questions for the list."""
_MOST_OF_LIST = MOST_FILES * (6 * LONGEST_PATH + 300)
_SECONDS = 60.0
"""For all bytes of a file."""
_LONGEST_STAMP = 128
_NS = 1_000_000_000
_LATEST = 1 << 63


@dataclass(frozen=True)
class ShownFile:
    """One that is shown."""

    path: str
    """Below the workspace; escaped."""
    size: int
    stamp: str
    """Another one when the file changes."""
    changed_at: float
    """In seconds since the epoch, by this computer's clock."""

    @property
    def kind(self) -> str:
        """``notebook``, ``text``, or the media type of a picture."""
        return KINDS[os.path.splitext(self.path)[1].lower()]  # noqa: PTH122 - it is a path of the session

    @property
    def is_too_large(self) -> bool:
        """Whether it is larger than what is shown."""
        return self.size > LARGEST


@dataclass(frozen=True)
class ShownListing:
    """What there was to see at a moment."""

    files: dict[str, ShownFile]
    """By path, the newest first."""
    more: bool = False
    """Whether there are more than those."""
    fresh: bool = True
    """Whether it is of now: the machine could be asked."""
    known: bool = True
    """Whether anything is known: the machine could be asked before."""


class ShownFiles:
    """Those of a session's head, wherever it is at present. ``aclose`` once."""

    def __init__(self, dial: Dial, token: Callable[[], str]) -> None:
        """``dial`` leads to the agent's server of the present provider, which wants to see ``token``."""
        self._dial = dial
        self._token = token
        self._agent: tuple[str, AgentWorkspace] | None = None
        """With the token that it shows."""
        self._users: Counter[AgentWorkspace] = Counter()
        """How many ask each client at present: one of a provider that was left is closed by the last of them."""
        self._listing = ShownListing({}, fresh=False, known=False)
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def listing(self) -> ShownListing:
        """What there is to see; of before, where the machine does not answer now."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= LOOK_SECONDS:
                try:
                    async with self._client() as agent:
                        answer = await agent.ask_with("/shown", b"{}", PROMPT, most=_MOST_OF_LIST)
                    self._listing = _listing(answer, self._listing.files, time.time())
                except (ProviderError, WorkspaceError):
                    self._listing = ShownListing(
                        self._listing.files, more=self._listing.more, fresh=False, known=self._listing.known
                    )
                self._looked_at = time.monotonic()
            return self._listing

    async def content(self, file: ShownFile) -> bytes:
        """The bytes of a file as it was listed.

        Raises ``ProviderError``, also where it is another one by now, and ``WorkspaceError``.
        """
        body = json.dumps({"path": file.path, "stamp": file.stamp}).encode()
        data = bytearray()
        try:
            async with self._client() as agent, agent.post("/show", body, Timeouts(whole=_SECONDS)) as pieces:
                async for piece in pieces:
                    data += piece
                    if len(data) > min(file.size, LARGEST):
                        raise nonsense("more than it had announced")
        except TimeoutError:
            raise ProviderError("It takes too long to come.") from None
        if len(data) != file.size:
            raise ProviderError("It did not come as a whole.")
        return bytes(data)

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[AgentWorkspace]:
        """A client of the present provider's agent, which stays open for the length of the block."""
        token = self._token()
        if self._agent is not None and self._agent[0] != token:
            await self.aclose()
        if self._agent is None:
            self._agent = token, AgentWorkspace(self._dial, token)
        _, agent = self._agent
        self._users[agent] += 1
        try:
            yield agent
        finally:
            self._users[agent] -= 1
            if not self._users[agent]:
                del self._users[agent]
                if self._agent is None or self._agent[1] is not agent:
                    await _close(agent)

    async def aclose(self) -> None:
        """Let go of the provider, once nobody asks it any more."""
        if self._agent is not None:
            (_, agent), self._agent = self._agent, None
            if not self._users[agent]:
                await _close(agent)


async def _close(agent: AgentWorkspace) -> None:
    await wait_for(agent.__aexit__(None, None, None), _SECONDS)


def _listing(answer: dict[str, Any], before: dict[str, ShownFile], now: float) -> ShownListing:
    """The list that an agent gave at the moment ``now``. Raises ``WorkspaceError`` for what none of ours would say."""
    there, files, more = answer.get("now"), answer.get("files"), answer.get("more")
    if not isinstance(there, int) or abs(there) >= _LATEST or not isinstance(files, list) or len(files) > MOST_FILES:
        raise nonsense("no list of what is shown")
    found = [_file(line, there, before, now) for line in files]
    found.sort(key=lambda file: file.changed_at, reverse=True)
    return ShownListing({file.path: file for file in found}, more=more is True)


def _file(line: Any, there: int, before: dict[str, ShownFile], now: float) -> ShownFile:
    match line:
        case [str(path), int(size), int(mtime_ns), str(stamp)] if (
            0 <= size <= LARGEST_FILE and abs(mtime_ns) < _LATEST and stamp.isascii() and len(stamp) <= _LONGEST_STAMP
        ):
            known = before.get(path)
            if known is not None and known.stamp == stamp and known.size == size:
                return known
            if not is_shown(path) or fault_of_path(path):
                raise nonsense("a file that is not shown")
            return ShownFile(path, size, stamp, now - max(there - mtime_ns, 0) / _NS)
    raise nonsense("a line that describes no file")
