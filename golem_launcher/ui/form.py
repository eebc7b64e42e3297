"""The form: a request's fields, presets, the request as a file and a command, what it will cost, and one button.

What is typed lives in the browser and comes here in messages, which nothing saves; the widget's state holds only what
may be seen: the last choices, and the request as it may be shown around.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets
from pydantic import ValidationError

from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.request import LaunchRequest, request_errors, yaml
from golem_launcher.request.command import command
from golem_launcher.request.private import holds_secret, without_secrets
from golem_launcher.ui import remembered
from golem_launcher.ui.assets import script, style
from golem_launcher.ui.fields import form_groups, fresh, read_typed, typed
from golem_launcher.ui.presence import Present
from golem_launcher.ui.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


_SCRIPTS = ("here.js", "controls.js", "presets.js", "share.js", "offers.js", "upload.js", "form.js")

_ORDERS_AT_MOST = 20
"""Of which it is remembered how they were answered."""


class RequestForm(Present):
    """Asks for a ``LaunchRequest`` and gives it to ``on_request``; a ``RequestError`` of that shows in the form.

    ``on_change`` is told of every valid request while it is typed, and ``None`` while it is not valid; ``on_mend`` when
    the network is to be started.
    """

    _esm: ClassVar[str] = script(*_SCRIPTS)
    _css: ClassVar[str] = style("form.css")

    groups = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    """What the form shows at first: the last choices under a new name."""

    presets = traitlets.List().tag(sync=True)
    """Their titles."""

    shared = traitlets.Dict().tag(sync=True)
    """The request as ``command`` and ``yaml``, without secrets; ``left_out`` says what that concerns."""

    offers = traitlets.Dict().tag(sync=True)
    """What it will cost, as :class:`~.offers.Offers` tells it."""

    workspaces = traitlets.List().tag(sync=True)
    """What can be resumed, as :func:`~.saved.saved_workspaces` tells it."""

    def __init__(
        self,
        *,
        on_request: Callable[[LaunchRequest], Awaitable[None]],
        on_change: Callable[[LaunchRequest | None], None],
        on_mend: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(groups=form_groups(), values=_first_values(), presets=list(remembered.presets()), **kwargs)
        self._on_request = on_request
        self._on_change = on_change
        self._on_mend = on_mend
        self._orders: dict[str, dict[str, Any] | None] = {}
        """The answers to what was ordered last, by its id; ``None`` while there is none."""
        self._uploads = uploads = Uploads(self.send)
        self._acts: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "here": self.here,
            "submit": self._submit,
            "consider": self._consider,
            "save preset": self._save_preset,
            "load preset": self._load_preset,
            "remove preset": self._remove_preset,
            "open file": self._open_file,
            "mend": self._mend,
            "upload begin": uploads.begin,
            "upload part": uploads.part,
            "upload remove": uploads.remove,
        }

    async def here(self, content: dict[str, Any]) -> None:
        """A view is there; ``uploads`` in a new one is where its files are."""
        await self._uploads.here(content)
        await super().here(content)

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end: its ``kind``, and ``values`` as typed, by field."""
        act = self._acts.get(str(content.get("kind")))
        if act is not None:
            await act(content)

    def fill(self, request: LaunchRequest) -> None:
        """Show another request, under a new name."""
        self.send({"kind": "fill", "values": fresh(typed(request))})

    async def _submit(self, content: dict[str, Any]) -> None:
        """Start a session. The form asks again until it is answered: only the first time anything is done."""
        order = str(content.get("order"))
        if order in self._orders:
            answer = self._orders[order]
            if answer is not None:
                self.send(answer)
            return
        self._orders[order] = None
        for old in list(self._orders)[:-_ORDERS_AT_MOST]:
            del self._orders[old]
        try:
            request = LaunchRequest(**read_typed(content.get("values")))
            await self._on_request(request)
        except ValidationError as error:
            self._answer(order, _refusal("refused", request_errors(error)))
        except RequestError as error:
            self._answer(order, _refusal("refused", [error]))
        except BaseException:
            self._answer(order, {"kind": "failed"})  # whatever it was becomes a banner; the button must come back
            raise
        else:
            self._answer(order, {"kind": "accepted", "name": fresh()["name"]})
            await asyncio.to_thread(remembered.remember, request)

    def _answer(self, order: str, answer: dict[str, Any]) -> None:
        self._orders[order] = answer = {**answer, "order": order}
        self.send(answer)

    async def _consider(self, content: dict[str, Any]) -> None:
        """What was typed changed: say what is wrong with it, and what it will be."""
        try:
            request = LaunchRequest(**read_typed(content.get("values")))
        except ValidationError as error:
            self._refuse("considered", request_errors(error), asked=content.get("asked"))
            self._on_change(None)
            return
        self._refuse("considered", [], asked=content.get("asked"))
        self.shared = _shared(request)
        self._on_change(request)

    def _refuse(self, kind: str, errors: list[RequestError], **more: Any) -> None:
        self.send({**_refusal(kind, errors), **more})

    async def _mend(self, _content: dict[str, Any]) -> None:
        self._on_mend()

    async def _save_preset(self, content: dict[str, Any]) -> None:
        try:
            request = LaunchRequest(**read_typed(content.get("values")))
            title = await asyncio.to_thread(remembered.save_preset, str(content.get("title", "")), request)
        except ValidationError as error:
            self._refuse("refused", request_errors(error))
        except RequestError as error:
            self._refuse("refused", [error])
        else:
            await self._list_presets()
            self.send({"kind": "preset", "title": title})

    async def _load_preset(self, content: dict[str, Any]) -> None:
        found = await asyncio.to_thread(remembered.presets)
        request = found.get(str(content.get("title")))
        if request is not None:
            self.fill(request)

    async def _remove_preset(self, content: dict[str, Any]) -> None:
        await asyncio.to_thread(remembered.remove_preset, str(content.get("title")))
        await self._list_presets()

    async def _list_presets(self) -> None:
        self.presets = list(await asyncio.to_thread(remembered.presets))

    async def _open_file(self, content: dict[str, Any]) -> None:
        """A request as YAML, to be shown in the form. Values that are wrong are shown too, with what is wrong."""
        try:
            values = yaml.load(str(content.get("text", "")))
            try:
                shown, errors = typed(LaunchRequest(**values)), []
            except ValidationError as error:
                known = {name: _as_typed(value) for name, value in values.items() if name in LaunchRequest.model_fields}
                shown, errors = fresh(known), request_errors(error)
                shown["name"] = str(known.get("name", shown["name"]))
        except RequestError as error:
            self.send({"kind": "not opened", "text": str(error)})
            return
        private = [name for name, value in shown.items() if name == "ssh_key" and holds_secret(str(value))]
        self.send({"kind": "fill", "values": {**shown, **dict.fromkeys(private, "")}})
        if errors:
            self._refuse("refused", errors)


def _first_values() -> dict[str, str | bool]:
    last = remembered.last_request()
    return fresh(typed(last) if last else None)


def _shared(request: LaunchRequest) -> dict[str, Any]:
    clean, left_out = without_secrets(request)
    titles = ", ".join(str(LaunchRequest.model_fields[name].title) for name in left_out)
    return {
        "command": command(clean),
        "yaml": yaml.dump(clean),
        "left_out": f"Left out, because a password or key is in it: {titles}." if titles else "",
    }


def _refusal(kind: str, errors: list[RequestError]) -> dict[str, Any]:
    said = [[error.field, _sentence(error)] for error in errors]
    return {"kind": kind, "errors": said, "wipe": ["ssh_key"] if _has_private_key(errors) else []}


def _as_typed(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "\n".join(value)


def _has_private_key(errors: list[RequestError]) -> bool:
    return any(error.field == "ssh_key" and "private key" in str(error) for error in errors)


def _sentence(error: LauncherError) -> str:
    """The error without the field's title, which stands above it anyway."""
    text = str(error)
    field = getattr(error, "field", None)
    if field in LaunchRequest.model_fields:
        text = text.removeprefix(f"{LaunchRequest.model_fields[field].title}: ")
    return text[:1].upper() + text[1:]
