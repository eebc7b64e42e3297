"""The form: what is typed becomes a request, or is answered with what is wrong with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest, request_errors
from golem_launcher.ui.common.deferred_imports import loaded
from golem_launcher.ui.common.orders import Orders
from golem_launcher.ui.form import preferences
from golem_launcher.ui.form.fields import form_groups, fresh, read_typed, typed
from golem_launcher.ui.form.presets import Presets
from golem_launcher.ui.form.request_export import opened, shared
from golem_launcher.ui.form.uploads import Uploads
from golem_launcher.ui.form.validation import refusal
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.ui.form.view import FormView


class RequestForm:
    """Asks for a ``LaunchRequest`` in ``view`` and gives it to ``on_request``; a ``RequestError`` of that shows there.

    ``on_change`` is told of every valid request while it is typed, and ``None`` while it is not valid; ``on_mend`` when
    the network is to be started.
    """

    def __init__(
        self,
        view: FormView,
        *,
        on_request: Callable[[LaunchRequest], Awaitable[None]],
        on_change: Callable[[LaunchRequest | None], None],
        on_mend: Callable[[], None],
    ) -> None:
        self.view = view
        with view.hold_sync():  # one message: the view shows itself once there are groups
            view.values = _first_values()
            view.presets = list(preferences.presets())
            view.groups = form_groups()
        self._on_request = on_request
        self._on_change = on_change
        self._on_mend = on_mend
        self._orders = Orders(view.send)
        self._uploads = uploads = Uploads(view.send)
        presets = Presets(view.send, self._show_presets, self.fill)
        self._acts: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "here": self._here,
            "near": self._near,
            "submit": self._submit,
            "consider": self._consider,
            **presets.by_kind,
            "open file": self._open_file,
            "requirements": self._read_requirements,
            "mend": self._mend,
            "reset": self._reset,
            "upload begin": uploads.begin,
            "upload part": uploads.part,
            "upload remove": uploads.remove,
        }

    async def _here(self, content: dict[str, Any]) -> None:
        """A view is there; ``uploads`` in a new one is where its files are."""
        await self._uploads.here(content)
        await self.view.here(content)

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end: its ``kind``, and ``values`` as typed, by field."""
        act = self._acts.get(str(content.get("kind")))
        if act is not None:
            await act(content)

    def fill(self, request: LaunchRequest) -> None:
        """Show another request, under a new name."""
        self.view.send({"kind": "fill", "values": fresh(typed(request))})

    async def _near(self, _content: dict[str, Any]) -> None:
        """The pointer, or the focus, is at Start: load what the session's supervisor needs."""
        await loaded()
        from golem_launcher.session.supervision import loaded_ahead  # noqa: PLC0415 - loaded by now

        await asyncio.to_thread(loaded_ahead.begin)

    async def _submit(self, content: dict[str, Any]) -> None:
        """Start a session. The form asks again until it is answered: only the first time anything is done."""
        order = str(content.get("order"))
        if not self._orders.is_new(order):
            return
        try:
            request = LaunchRequest(**read_typed(content.get("values")))
            await self._on_request(request)
        except ValidationError as error:
            self._orders.answer(order, refusal("refused", request_errors(error)))
        except RequestError as error:
            self._orders.answer(order, refusal("refused", [error]))
        except BaseException:
            self._orders.answer(
                order, {"kind": "failed"}
            )  # whatever it was becomes a banner; the button must come back
            raise
        else:
            self._orders.answer(order, {"kind": "accepted", "name": fresh()["name"]})
            await asyncio.to_thread(preferences.remember, request)

    async def _consider(self, content: dict[str, Any]) -> None:
        """What was typed changed: say what is wrong with it, and what it will be."""
        try:
            request = LaunchRequest(**read_typed(content.get("values")))
        except ValidationError as error:
            self._considered(request_errors(error), content)
            self._on_change(None)
            return
        self._considered([], content)
        self._on_change(request)  # what it costs is waited for, and how it is written as a file is not
        self.view.shared = shared(request)

    def _considered(self, errors: list[RequestError], question: dict[str, Any]) -> None:
        self.view.send({**refusal("considered", errors), "asked": question.get("asked")})

    def _show_presets(self, titles: list[str]) -> None:
        self.view.presets = titles

    async def _reset(self, _content: dict[str, Any]) -> None:
        """Show the form as it was before anything was ever started, and remember no more what was."""
        await asyncio.to_thread(preferences.forget)
        self.view.send({"kind": "fill", "values": fresh()})

    async def _mend(self, _content: dict[str, Any]) -> None:
        self._on_mend()

    async def _read_requirements(self, content: dict[str, Any]) -> None:
        """A requirements file, as bytes: its packages, and as comments what is left out."""
        from golem_launcher.request import requirements_file  # noqa: PLC0415 - few have one

        data = b"".join(bytes(buffer) for buffer in content.get("buffers") or ())
        try:
            found = await asyncio.to_thread(requirements_file.read, data)
        except ValueError:
            self.view.send({"kind": "requirements", "text": "", "wrong": "This file is no list of packages."})
            return
        left_out = [f"# left out, {clean_line(clause)}" for clause in found.left_out]
        self.view.send({"kind": "requirements", "text": "\n".join((*found.packages, *left_out)), "wrong": ""})

    async def _open_file(self, content: dict[str, Any]) -> None:
        try:
            values, errors = opened(str(content.get("text", "")))
        except RequestError as error:
            self.view.send({"kind": "not opened", "text": str(error)})
            return
        self.view.send({"kind": "fill", "values": values})
        if errors:
            self.view.send(refusal("refused", errors))


def _first_values() -> dict[str, str | bool]:
    last = preferences.last_request()
    return fresh(typed(last) if last else None)
