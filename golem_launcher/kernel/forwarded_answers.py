"""Passes what the kernel over there says on to clients: unchanged, except for what a kernel must not say.

Answers to requests of ours, which are parts of a cell, become answers to that cell. What runs there no more, or was
lost on the way, gets an answer made here, so that no client waits for ever.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

from golem_launcher.kernel.cell_parser import names_command
from golem_launcher.kernel.cell_queue import count_of
from golem_launcher.kernel.commands.registry import NAMES
from golem_launcher.kernel.output import error_content
from golem_launcher.kernel.pending_requests import EXECUTE

if TYPE_CHECKING:
    from golem_launcher.kernel.cell_queue import CellQueue
    from golem_launcher.kernel.clients import Clients
    from golem_launcher.kernel.messages import JupyterMessage
    from golem_launcher.kernel.pending_requests import Outstanding, Request

_LOG = logging.getLogger(__name__)
_OLD_SECONDS = 4.0
"""A request that is younger may still be on its way to a kernel that is idle."""
_LARGEST_REPLY = 4 * 1024 * 1024
"""Of what a larger reply says, no more than that there is one is passed on."""
_PAYLOADS = {"page", "ask_exit"}
"""What comes with the reply to a cell and does no harm, by its source."""
_UNREAD = {"status": "ok"}
_UNKNOWN_MAGIC = re.compile(r"UsageError: (Line magic function|Cell magic) ")
"""As IPython says it."""


class Answers:
    """The answers of one kernel over there, as the :class:`Owner` of the connection to it."""

    def __init__(self, outstanding: Outstanding, queue: CellQueue, clients: Clients) -> None:
        self._outstanding = outstanding
        self._queue = queue
        self._clients = clients

    async def heard(self, channel: str, message: JupyterMessage) -> None:
        """Called with each of its messages, in their order."""
        request = self._outstanding.of(message)
        if not _may_say(channel, message, request):
            _LOG.warning("a message is left out: a kernel does not say that")
        elif channel == "iopub":
            await self._published(message, request)
        elif channel == "stdin":
            if request is not None:
                await self._clients.forward(request, _for(message, request), "stdin")
        elif request is not None:
            await self._replied(message, request)

    @property
    def waits(self) -> bool:
        """Whether a request is passed on and not answered."""
        return bool(self._outstanding)

    async def lost(self, words: str) -> None:
        """What runs over there runs no more: every request that waits is answered with an error."""
        self._outstanding.subshells.clear()
        for request in self._outstanding.all():
            await self._give_up(request, "ProviderLost", words)

    async def held_up(self, words: str) -> None:
        """What runs over there runs on, but is not heard of for a while: tell whoever waits for a cell."""
        for request in self._outstanding.cells():
            await self._clients.output(request).say(words, error=True)

    async def answers_lost(self) -> None:
        """The kernel over there is idle: whoever waits for an older answer has lost it on the way."""
        for request in self._outstanding.all(older_than=_OLD_SECONDS):
            await self._give_up(request, "AnswerLost", "The connection broke, and the answer was lost with it.")

    async def _published(self, message: JupyterMessage, request: Request | None) -> None:
        state = ""
        if message.kind == "status":
            state = str(_content(message).get("execution_state"))
            if state in {"restarting", "dead"} and not message.parent:
                await self.lost("The kernel over there died, perhaps for want of memory. Variables are gone.")
                return
        if message.kind == "iopub_welcome":
            return
        if request is not None and message.kind == "stream" and request.meant:
            await self._clients.publish(_for(message, request))
            await self._say_what_was_meant(message, request)
        elif request is None or request.cell is None:
            await self._clients.publish(message)
        elif message.kind not in {"status", "execute_input"}:
            await self._clients.publish(_for(message, request))
        if request is not None and state == "idle":
            request.idle = True
            self._outstanding.close_if_answered(request)

    async def _say_what_was_meant(self, message: JupyterMessage, request: Request) -> None:
        """Below what IPython says of a magic that it does not know: what it was taken for."""
        if _UNKNOWN_MAGIC.search(str(_content(message).get("text", ""))):
            await self._clients.output(request).say(f"Did you mean {request.meant}?", error=True)
            request.meant = ""

    async def _replied(self, message: JupyterMessage, request: Request) -> None:
        reply = request.reply = _content(message) or dict(_UNREAD)
        if message.kind == "execute_reply":
            message = self._execute_reply(message, request, reply)
        elif message.kind == "create_subshell_reply":
            self._outstanding.subshells.add(str(reply.get("subshell_id")))
        if request.cell is None:
            await self._clients.forward(request, message)
            self._queue.note_failure(request, request.reply)
        self._outstanding.close_if_answered(request)

    def _execute_reply(self, message: JupyterMessage, request: Request, reply: dict[str, Any]) -> JupyterMessage:
        """The ``reply`` to a cell, without what would do something here."""
        if count := count_of(reply):
            self._queue.count = max(count, self._queue.count) if request.cell else count
        payload = reply.get("payload", [])
        kept = [one for one in payload if _may_come_along(one)] if isinstance(payload, list) else []
        if kept == payload and reply != _UNREAD:
            return message
        request.reply = {**reply, "payload": kept}
        return message.with_content({"execution_count": self._queue.count, **request.reply})

    async def _give_up(self, request: Request, ename: str, evalue: str) -> None:
        """Make up what is missing of an answer."""
        if not self._outstanding.drop(request):
            return
        if request.reply is None:
            if request.message.kind == EXECUTE:
                await self._clients.output(request).fail(ename, evalue)
            count = self._queue.count
            request.reply = {"status": "error", **error_content(ename, evalue), "execution_count": count}
            if request.cell is None:
                await self._clients.reply(request, request.reply)
                self._queue.note_failure(request, request.reply)
        if request.cell is None:
            await self._clients.tell_state("idle", request.message)
        request.done.set()


def _may_say(channel: str, message: JupyterMessage, request: Request | None) -> bool:
    """Whether a kernel says such a thing.

    What it publishes is signed here, and read by whoever listens on this computer: anybody could pass off a request
    among it as one of a client's. It asks for input only where that is allowed.
    """
    if channel == "stdin":
        return message.kind == "input_request" and request is not None and bool(request.content.get("allow_stdin"))
    return not message.kind.endswith("_request")


def _may_come_along(payload: Any) -> bool:
    """Whether a payload does nothing here: one that writes into a cell may write none of our commands.

    Some of them run on this computer, and whoever runs all cells again would run it.
    """
    source, text = (payload.get("source"), payload.get("text")) if isinstance(payload, dict) else (None, None)
    if source == "set_next_input":
        return isinstance(text, str) and not names_command(text, NAMES)
    return isinstance(source, str) and source in _PAYLOADS


def _content(message: JupyterMessage) -> dict[str, Any]:
    """What it says; empty for what is too large, makes no sense, or could not be said again."""
    try:
        content = message.content(most=_LARGEST_REPLY)
        json.dumps(content, allow_nan=False)
    except (ValueError, RecursionError):
        return {}
    return content


def _for(message: JupyterMessage, request: Request) -> JupyterMessage:
    """An answer to a request of ours as one to the cell that it is a part of."""
    return message if request.cell is None else message.with_parent(request.parent)
