"""Presets of the form: saved, loaded, removed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest, request_errors
from golem_launcher.ui.form import preferences
from golem_launcher.ui.form.fields import read_typed
from golem_launcher.ui.form.validation import refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Act = Callable[[dict[str, Any]], Awaitable[None]]


class Presets:
    """The presets of one form.

    ``tell`` sends a message to its front end; ``show`` gets the titles when they change, ``fill`` what is loaded.
    """

    def __init__(
        self,
        tell: Callable[[dict[str, Any]], None],
        show: Callable[[list[str]], None],
        fill: Callable[[LaunchRequest], None],
    ) -> None:
        self._tell = tell
        self._show = show
        self._fill = fill
        self.by_kind: dict[str, Act] = {
            "save preset": self._save,
            "load preset": self._load,
            "remove preset": self._remove,
        }
        """What is done for each kind of message."""

    async def _save(self, content: dict[str, Any]) -> None:
        try:
            request = LaunchRequest(**read_typed(content.get("values")))
            title = await asyncio.to_thread(preferences.save_preset, str(content.get("title", "")), request)
        except ValidationError as error:
            self._tell(refusal("refused", request_errors(error)))
        except RequestError as error:
            self._tell(refusal("refused", [error]))
        else:
            await self._list()
            self._tell({"kind": "preset", "title": title})

    async def _load(self, content: dict[str, Any]) -> None:
        found = await asyncio.to_thread(preferences.presets)
        request = found.get(str(content.get("title")))
        if request is not None:
            self._fill(request)

    async def _remove(self, content: dict[str, Any]) -> None:
        await asyncio.to_thread(preferences.remove_preset, str(content.get("title")))
        await self._list()

    async def _list(self) -> None:
        self._show(list(await asyncio.to_thread(preferences.presets)))
